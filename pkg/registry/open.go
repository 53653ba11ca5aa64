package registry

import (
	"context"
	"io"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/transportimage"
)

// OpenImage opens an image in a registry for reading, by "repository:tag" or
// "repository@digest"; no tag means latest. Nothing is stored: layers are read
// as they come when a Root is opened, each of them once. What can pass by
// itself is tried again, and failures of the registry are an [*Error].
//
// The caller closes the second result after the image's last use.
func OpenImage(ctx context.Context, ref string, o Options, lo image.LayerOptions) (image.Image, io.Closer, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, nil, &Error{Class: InvalidName, Registry: ref, Op: "reading the reference", Err: err, Hint: nameHint(ref)}
	}
	r, err := o.Reader(ctx, reference.TrimNamed(named).Name())
	if err != nil {
		return nil, nil, err
	}
	return transportimage.Open(ctx, "docker://"+reference.TagNameOnly(named).String(), r.sys, lo, r.Do)
}

// Reader is a repository that containers/image reads by itself.
type Reader struct {
	session *Session
	sys     *types.SystemContext
}

// Reader is how the repository is read, which has neither tag nor digest.
func (o Options) Reader(ctx context.Context, repository string) (*Reader, error) {
	named, err := parseRepository(repository)
	if err != nil {
		return nil, err
	}
	// Credentials that are given come before all files, which the caller may
	// not even be allowed to read.
	sys := o.system()
	if o.Credentials == nil {
		if sys, err = o.SystemContext(ctx, named.Name()); err != nil {
			return nil, err
		}
	}
	auth, source, err := o.credentials(named, sys)
	if err != nil {
		return nil, err
	}
	if o.Credentials != nil {
		sys.DockerAuthConfig = &auth
	}
	s := &Session{Repository: named.Name(), host: reference.Domain(named), named: named, options: o, sys: sys, source: source}
	return &Reader{s, sys}, nil
}

// SystemContext is what containers/image is to read it with, and nothing else.
func (r *Reader) SystemContext() *types.SystemContext { return r.sys }

// Do runs f, which reads ("reading the manifest"). What can pass by itself is tried
// again; failures of the registry are an [*Error].
func (r *Reader) Do(ctx context.Context, what string, f func(context.Context) error) error {
	return r.session.options.retry(ctx, nil, func() (bool, error) { return false, r.session.wrap(what, f(ctx), false) })
}
