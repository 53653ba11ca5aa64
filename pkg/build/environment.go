package build

import (
	"slices"
	"strings"

	"go.podman.io/common/pkg/config"
)

// workerVariables are the variables of the caller's environment that mean
// something to the worker, beside those of a proxy.
var workerVariables = []string{
	"HOME", "PATH", "LD_LIBRARY_PATH",
	// Go's runtime.
	"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK",
	// Where the libraries look for their configuration, and for programs.
	"CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "CONTAINERS_HELPER_BINARY_DIR",
	"CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE",
	"CONTAINERS_STORAGE_CONF", "CONTAINERS_STORAGE_CONF_OVERRIDE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
	// What they do differently in a container, in a user namespace of podman's,
	// and on file systems that lack something.
	"container", "_CONTAINERS_ROOTLESS_GID", "_CONTAINERS_ROOTLESS_UID", "_CONTAINERS_USERNS_CONFIGURED",
	"_CONTAINERS_OVERLAY_DISABLE_IDMAP", "BUILDAH_NOPIVOT",
}

// workerEnvironment returns what the worker gets of the caller's environment.
// A step may be able to read all of the worker's (/proc/1/environ), so that
// nothing is in it which might be secret: the recipe's secrets, the password of
// the signing key, tokens of a CI service. They have no common names, which is
// why this is a list of what may pass. Proxies, which may have passwords, are
// on it: every step is given them.
func workerEnvironment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !slices.Contains(workerVariables, name) && !slices.Contains(config.ProxyEnv, name)
	})
}
