package build

import (
	"context"
	"errors"
	"fmt"

	"go.podman.io/buildah/define"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"
)

// Cache names repositories that hold the results of steps, for machines with a
// store of their own: each result is an image there, whose tag is a digest of the
// step, of those before it and of the base. Of a secret, its ID takes part in
// that and never its value.
//
// Nothing in a cache is signed: who can write to From decides what is in the
// image. All of it has to be in one registry, with the login that
// [StoreOptions.Access] gives for it.
type Cache struct {
	// From are asked for a step that the store has no result of.
	From []string
	// To gets the results that did not come from there. A result that cannot be
	// brought there fails the build.
	To []string
}

// cacheJob is a cache as the worker is told of it, with what it takes to reach
// the registry: through a pipe, because steps may see the worker's environment.
type cacheJob struct {
	From []string `json:"from,omitempty"`
	To   []string `json:"to,omitempty"`

	AuthFile       string                  `json:"authFile,omitempty"`
	DockerAuthFile string                  `json:"dockerAuthFile,omitempty"`
	Auth           *types.DockerAuthConfig `json:"auth,omitempty"`
	CertDir        string                  `json:"certDir,omitempty"`
	Insecure       types.OptionalBool      `json:"insecure,omitempty"`
	Registries     string                  `json:"registries,omitempty"`
	RegistriesDir  string                  `json:"registriesDir,omitempty"`
}

// cacheJob checks the names, and looks the login up; nil for no cache.
func (b *Builder) cacheJob(ctx context.Context, c Cache) (*cacheJob, error) {
	var first reference.Named
	for _, name := range append(append([]string{}, c.From...), c.To...) {
		named, err := cacheName(name)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = named
		}
		if reference.Domain(named) != reference.Domain(first) {
			return nil, fmt.Errorf("reading the cache %q: it is in another registry than %q, and one login is for one registry", named, first)
		}
	}
	if first == nil {
		return nil, nil
	}
	sys, err := b.access.reading(ctx, first)
	if err != nil {
		return nil, err
	}
	return &cacheJob{
		From: c.From, To: c.To,
		AuthFile: sys.AuthFilePath, DockerAuthFile: sys.DockerCompatAuthFilePath, Auth: sys.DockerAuthConfig,
		CertDir: sys.DockerCertPath, Insecure: sys.DockerInsecureSkipTLSVerify,
		Registries: sys.SystemRegistriesConfPath, RegistriesDir: sys.SystemRegistriesConfDirPath,
	}, nil
}

// cacheName reads the name of a repository.
func cacheName(name string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err == nil && !reference.IsNameOnly(named) {
		err = errors.New("it has a tag or a digest, and every step gets a tag of its own")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cache %q: %w", name, err)
	}
	return named, nil
}

// cacheLevel is as fast as gzip's fastest, and smaller.
const cacheLevel = 3

// apply makes the build use the cache.
func (c *cacheJob) apply(o *define.BuildOptions) {
	if c == nil {
		return
	}
	for _, list := range []struct {
		names []string
		into  *[]reference.Named
	}{{c.From, &o.CacheFrom}, {c.To, &o.CacheTo}} {
		for _, name := range list.names {
			if named, err := cacheName(name); err == nil { // it was read before
				*list.into = append(*list.into, named)
			}
		}
	}
	sys := o.SystemContext
	sys.DockerRegistryUserAgent = "bootkiln"
	sys.AuthFilePath, sys.DockerCompatAuthFilePath, sys.DockerAuthConfig = c.AuthFile, c.DockerAuthFile, c.Auth
	sys.DockerCertPath, sys.DockerInsecureSkipTLSVerify = c.CertDir, c.Insecure
	sys.SystemRegistriesConfPath, sys.SystemRegistriesConfDirPath = c.Registries, c.RegistriesDir
	level := cacheLevel
	o.Compression, o.CompressionFormat, o.CompressionLevel = define.Gzip, &compression.Zstd, &level
	o.MaxPullPushRetries = 3
}
