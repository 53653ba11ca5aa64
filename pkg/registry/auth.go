package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// ErrNotLoggedIn is what [Logout] returns when there is nothing to forget.
var ErrNotLoggedIn = config.ErrNotLoggedIn

// credentials returns the login for a repository and where it came from, for
// messages; both are empty for none. In this order: the options, the auth files
// and the credential helpers that containers/image knows, Docker's default
// credential store, and the token of a GitHub workflow for ghcr.io.
func (o Options) credentials(named reference.Named, sys *types.SystemContext) (types.DockerAuthConfig, string, error) {
	if c := o.Credentials; c != nil {
		return types.DockerAuthConfig{Username: c.Username, Password: c.Password}, "the command line", nil
	}
	found, err := config.GetCredentialsForRef(sys, named)
	if err != nil {
		return types.DockerAuthConfig{}, "", fmt.Errorf("looking up the login for %q: %w", named.Name(), err)
	}
	if found != (types.DockerAuthConfig{}) {
		if path := o.authFile(); path != "" {
			return found, path, nil
		}
		return found, "an auth file or credential helper", nil
	}
	found, where := o.ownCredentials(reference.Domain(named))
	return found, where, nil
}

// SystemContext is the configuration to read a repository with, by a caller
// that uses containers/image itself: all that [Push] honours, but Credentials,
// which are for the registry that is pushed to. The repository has neither tag
// nor digest.
//
// Logins in files and helpers are left for containers/image to look up, for
// each registry that registries.conf leads to. One that it cannot look up is in
// DockerAuthConfig, which goes to every registry; so it is there only where no
// other registry stands in for the repository's. Use the result for this
// repository alone.
func (o Options) SystemContext(ctx context.Context, repository string) (*types.SystemContext, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // before a credential helper is asked
	}
	named, err := parseRepository(repository)
	if err != nil {
		return nil, err
	}
	sys := o.system()
	stored, err := config.GetCredentialsForRef(sys, named)
	if err != nil {
		return nil, fmt.Errorf("looking up the login for %q: %w", named.Name(), err)
	}
	if stored != (types.DockerAuthConfig{}) {
		return sys, nil
	}
	conf, err := sysregistriesv2.FindRegistry(sys, named.Name())
	if err != nil {
		return nil, fmt.Errorf("reading registries.conf: %w", err)
	}
	host := reference.Domain(named)
	if conf != nil {
		sources, err := conf.PullSourcesFromReference(named)
		if err != nil {
			return nil, fmt.Errorf("reading registries.conf: %w", err)
		}
		for _, s := range sources {
			if reference.Domain(s.Reference) != host {
				return sys, nil
			}
		}
	}
	if own, _ := o.ownCredentials(host); own != (types.DockerAuthConfig{}) {
		sys.DockerAuthConfig = &own
	}
	return sys, nil
}

// ownCredentials are those that containers/image does not know to look up, and
// where they came from; both empty for none.
func (o Options) ownCredentials(host string) (types.DockerAuthConfig, string) {
	if o.authFile() == "" {
		if found, ok := o.dockerStore(host); ok {
			return found, "Docker's credential store"
		}
	}
	if token := o.env("GITHUB_TOKEN"); host == "ghcr.io" && o.env("GITHUB_ACTIONS") == "true" && token != "" {
		user := o.env("GITHUB_ACTOR")
		if user == "" {
			user = "x-access-token" // GitHub takes any name beside a token
		}
		return types.DockerAuthConfig{Username: user, Password: token}, "GITHUB_TOKEN"
	}
	return types.DockerAuthConfig{}, ""
}

// dockerStore asks the credential store that "credsStore" of Docker's
// configuration names, as Docker Desktop sets it up in WSL; containers/image
// knows only "credHelpers".
func (o Options) dockerStore(host string) (types.DockerAuthConfig, bool) {
	if host == "docker.io" {
		host = authn.DefaultAuthKey
	}
	auth, err := authn.DefaultKeychain.Resolve(target(host))
	if err == nil && auth != authn.Anonymous {
		var c *authn.AuthConfig
		if c, err = auth.Authorization(); err == nil && (c.Username != "" || c.IdentityToken != "") {
			return types.DockerAuthConfig{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}, true
		}
	}
	if err != nil {
		o.log().Warn("asking Docker's credential store", "registry", host, "error", err)
	}
	return types.DockerAuthConfig{}, false
}

// target is a host as authn asks for it.
type target string

func (t target) String() string      { return string(t) }
func (t target) RegistryStr() string { return string(t) }

// Login proves credentials to a registry ("host" or "host:port") and stores
// them where containers-auth.json(5) says, or with a credential helper. It
// returns where that is, for a message. Wrong credentials are an [*Error] and
// nothing is stored.
func Login(ctx context.Context, registry string, c Credentials, o Options) (string, error) {
	host, err := hostOf(registry)
	if err != nil {
		return "", err
	}
	o.Credentials = &c
	s := &Session{host: host, options: o, source: "the command line"}
	sys := o.system()
	err = s.Do(ctx, "logging in to", func(ctx context.Context) error {
		return docker.CheckAuth(ctx, sys, c.Username, c.Password, host)
	})
	if err != nil {
		return "", err
	}
	where, err := config.SetCredentials(writable(sys), host, c.Username, c.Password)
	if err != nil {
		return "", fmt.Errorf("storing the login for %q: %w", host, err)
	}
	return where, nil
}

// Logout forgets the stored login for a registry, in every place that [Login]
// may have stored it; [ErrNotLoggedIn] when there is none.
func Logout(registry string, o Options) error {
	host, err := hostOf(registry)
	if err != nil {
		return err
	}
	if err := config.RemoveAuthentication(writable(o.system()), host); err != nil {
		return fmt.Errorf("logging out of %q: %w", host, err)
	}
	return nil
}

// writable returns sys with an auth file that can be written. Where the folder
// of XDG_RUNTIME_DIR does not exist, as under sudo and in containers, that is
// the file in the user's configuration, which is always read too.
func writable(sys *types.SystemContext) *types.SystemContext {
	if sys.AuthFilePath != "" || sys.DockerCompatAuthFilePath != "" || !missingRuntimeDir() {
		return sys
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return sys // containers/image says what is missing
	}
	changed := *sys
	changed.AuthFilePath = filepath.Join(dir, "containers", "auth.json")
	return &changed
}

// hostOf accepts what users give to name a registry: a host with or without a
// scheme and a slash at the end.
func hostOf(registry string) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://"), "/"))
	named, err := reference.ParseNormalizedNamed(host + "/x")
	if err != nil || reference.Domain(named) != host {
		if err == nil {
			err = errors.New(`it is not of the form "host" or "host:port"`)
		}
		return "", &Error{
			Class: InvalidName, Registry: registry, Op: "reading the registry", Err: err,
			Hint: "give the host alone, without a repository",
		}
	}
	return host, nil
}
