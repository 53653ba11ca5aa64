// Package registry → pushes an image.Image and returns the image.Pinned that
// the registry now holds: zstd layers, an OCI manifest, and no tag, so that
// nothing names the image before it is signed. [Tag] is for afterwards.
//
// Configuration is that of podman, buildah and skopeo: containers-auth.json(5),
// containers-registries.conf(5), containers-certs.d(5). Failures of a registry
// are an [*Error] with a class, and say how to mend them; only classes that can
// pass by themselves are tried again.
//
// # Uploads
//
// Blobs are sent by this package, over the login, certificates and settings that
// containers/image's configuration gives. containers/image itself, with which
// images are read and layers compressed, cannot be told to do it better: it
// retries an image as a whole, sends a blob in one request that it cannot take
// up again, reads an OCI layout one layer at a time, and takes no transport that
// could watch it. Of 64 layers of 8 MiB, skopeo's copy takes three times as long
// (BenchmarkPush in test/).
//
// An OCI layout of zstd layers goes as it is, from its files; the layers of any
// other image are compressed into files first. So each blob's digest and size
// are known before its upload, and each is looked up, sent, tried again, resumed
// and watched on its own:
//
//   - It is looked up first, at each try: nothing is sent that is there, and an
//     answer that was lost costs nothing.
//   - It is sent in one PATCH. Where that breaks off, the registry is asked how
//     much it has (GET of the upload), and gets the rest, also from another
//     process where this one was killed ([Options.Uploads]). Distribution 2.8 and
//     others do not know; they get the blob again. Several smaller requests would
//     not help: GHCR refuses chunks above 4 MiB, ECR those below 5 MiB, and
//     Distribution loses an upload whose request broke off, however small.
//   - There is no limit of time but one on silence, by what the kernel counts.
//   - After a failure that may be a token's end there is a new token, and fewer
//     blobs are under way. A request with a body follows one without, so that an
//     old token is noticed before bytes are sent.
//   - A large layer that breaks off each time is given up, with a hint that names
//     the recipe's chunk.largest.
package registry

import (
	"log/slog"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// Options say how registries are reached. The zero value is what the machine's
// own configuration says.
type Options struct {
	// AuthFile is read and written instead of the default auth files
	// (containers-auth.json(5)). A file called config.json is taken to be
	// Docker's, and its other settings are kept.
	AuthFile string
	// Credentials are used for every registry, before any file; nil looks them
	// up.
	Credentials *Credentials
	// CertDir holds the *.crt (authorities), *.cert and *.key files for every
	// registry, as --cert-dir of podman does.
	CertDir string
	// Insecure accepts any certificate and plain HTTP, as "insecure = true" in
	// registries.conf does for one registry.
	Insecure bool
	// RegistriesConf is used instead of the system's registries.conf; its
	// drop-in folder is RegistriesConf + ".d". No command sets it: it keeps tests
	// off the machine's own configuration.
	RegistriesConf string
	// BlobInfoCacheDir holds what containers/image notes of layers that it
	// compressed; "" is where podman and buildah have it. No command sets it: it
	// keeps tests off the machine's own cache.
	BlobInfoCacheDir string
	// TempDir is where up to four layers at a time wait for their upload, as they
	// are in the store and compressed, so it needs up to twice the space of the
	// four largest. What a killed process left there the next one removes. "" is
	// /var/tmp.
	TempDir string
	// Retry says how patient to be.
	Retry Retry
	// Lookup reads an environment variable (REGISTRY_AUTH_FILE, and
	// GITHUB_ACTIONS, GITHUB_ACTOR, GITHUB_TOKEN for ghcr.io); nil: none is set.
	// containers/image itself reads XDG_RUNTIME_DIR, XDG_CONFIG_HOME,
	// DOCKER_CONFIG and HOME.
	Lookup func(name string) (string, bool)
	// MountFrom are full names of repositories that may hold some of the blobs,
	// such as the one that the last image or the base was pushed to. Those of the
	// same registry are asked for blobs before these are sent.
	MountFrom []string
	// Uploads remembers where uploads that are under way go on, for a process that
	// comes after a killed one; nil forgets.
	Uploads Uploads
	// Progress shows the transfers; nil shows nothing. The stage is not ended.
	Progress progress.Stage
	// Logger gets what may help to understand a failure, never a secret; nil
	// discards it.
	Logger *slog.Logger

	// freeSpace measures a folder's file system, in bytes; nil asks the kernel.
	freeSpace func(dir string) (int64, error)
	// onBlob is told each step of each blob, one at a time; nil tells nobody.
	onBlob func(blobEvent)
}

// Credentials are a user name and a password or token.
type Credentials struct {
	Username, Password string
}

// String hides the password from every log.
func (c Credentials) String() string { return c.Username + ":***" }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

const userAgent = "bootkiln"

// system is the configuration as containers/image takes it, but for the
// credentials, which depend on the repository.
func (o Options) system() *types.SystemContext {
	sys := &types.SystemContext{
		DockerCertPath:                    o.CertDir,
		DockerRegistryUserAgent:           userAgent,
		SystemRegistriesConfPath:          o.RegistriesConf,
		BlobInfoCacheDir:                  o.BlobInfoCacheDir,
		BigFilesTemporaryDir:              o.TempDir,
		DockerDisableDestSchema1MIMETypes: true,
	}
	if o.RegistriesConf != "" {
		sys.SystemRegistriesConfDirPath = o.RegistriesConf + ".d"
	}
	if o.Insecure {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	if path := o.authFile(); filepath.Base(path) == "config.json" {
		sys.DockerCompatAuthFilePath = path
	} else {
		sys.AuthFilePath = path
	}
	return sys
}

// authFile is the auth file that was chosen, "" for the default ones.
func (o Options) authFile() string {
	if o.AuthFile != "" {
		return o.AuthFile
	}
	return o.env("REGISTRY_AUTH_FILE")
}

func (o Options) env(name string) string {
	if o.Lookup == nil {
		return ""
	}
	value, _ := o.Lookup(name)
	return value
}

func (o Options) log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) stage() progress.Stage {
	if o.Progress == nil {
		return progress.Discard.Stage("")
	}
	return o.Progress
}

func (o Options) tempDir() string {
	if o.TempDir == "" {
		// Not os.TempDir: layers are large, and /tmp is often in memory.
		return "/var/tmp"
	}
	return o.TempDir
}

// missingRuntimeDir reports whether XDG_RUNTIME_DIR names a folder that is not
// there, which containers/image refuses to write an auth file into.
func missingRuntimeDir() bool {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return false
	}
	_, err := os.Stat(dir)
	return os.IsNotExist(err)
}
