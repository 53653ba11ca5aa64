package registry

import (
	"context"
	"io"

	"go.podman.io/image/v5/docker/reference"

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
	// Credentials that are given come before all files, which the caller may
	// not even be allowed to read.
	sys := o.system()
	if o.Credentials == nil {
		if sys, err = o.SystemContext(ctx, reference.TrimNamed(named).Name()); err != nil {
			return nil, nil, err
		}
	}
	auth, source, err := o.credentials(reference.TrimNamed(named), sys)
	if err != nil {
		return nil, nil, err
	}
	if o.Credentials != nil {
		sys.DockerAuthConfig = &auth
	}
	s := &Session{Repository: reference.TrimNamed(named).Name(), host: reference.Domain(named), named: named, options: o, sys: sys, source: source}
	return transportimage.Open(ctx, "docker://"+reference.TagNameOnly(named).String(), sys, lo, func(ctx context.Context, what string, f func(context.Context) error) error {
		return o.retry(ctx, nil, func() (bool, error) { return false, s.wrap(what, f(ctx), false) })
	})
}
