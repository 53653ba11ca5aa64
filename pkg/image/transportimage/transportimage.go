// Package transportimage presents an image of any transport of
// containers-transports(5) that hands out its blobs (docker, oci-archive,
// docker-archive, dir) as an [image.Image]: without root, and without a store.
package transportimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/transports"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Open opens the image that a reference of containers-transports(5) names, its
// transport included; of an index, the one for o.Platform. Manifest and
// configuration are read at once, and each layer once when a Root is opened. sys is how the transport is configured; nil is the
// machine's own configuration. attend, where it is not nil, runs every request
// for a blob and may run it again; it gives up with the request's own error.
//
// The caller closes the second result after the image's last use.
func Open(ctx context.Context, ref string, sys *types.SystemContext, o image.LayerOptions, attend Attend) (_ image.Image, _ io.Closer, err error) {
	parsed, err := alltransports.ParseImageName(ref)
	if err != nil {
		return nil, nil, fmt.Errorf("opening image %q: %w", ref, err)
	}
	location := transports.ImageName(parsed)
	source := &blobs{attend: attend, turn: make(chan struct{}, 1)}
	if attend == nil {
		source.attend = func(ctx context.Context, _ string, f func(context.Context) error) error { return f(ctx) }
	}
	err = source.attend(ctx, "opening", func(ctx context.Context) (err error) {
		source.ImageSource, err = parsed.NewImageSource(ctx, sys)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("opening image %q: %w", location, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, source.Close())
		}
	}()
	d, err := source.choose(ctx, platform(sys, o.Platform))
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifest of %q: %w", location, err)
	}
	img, err := image.OpenManifest(ctx, location, source, d, o)
	if err != nil {
		return nil, nil, err
	}
	return img, source, nil
}

// Attend runs f, which asks for one thing; what says what, as in
// "reading the manifest".
type Attend func(ctx context.Context, what string, f func(ctx context.Context) error) error

// platform returns a configuration that chooses the image for p out of an
// index.
func platform(sys *types.SystemContext, p *imgspecv1.Platform) *types.SystemContext {
	chosen := types.SystemContext{}
	if sys != nil {
		chosen = *sys
	}
	chosen.OSChoice, chosen.ArchitectureChoice = "linux", runtime.GOARCH
	if p != nil {
		chosen.OSChoice, chosen.ArchitectureChoice, chosen.VariantChoice = p.OS, p.Architecture, p.Variant
	}
	return &chosen
}

// blobs is an [image.BlobSource].
type blobs struct {
	types.ImageSource
	attend Attend
	// manifest is the bytes of the chosen one, which transports do not hand out
	// as a blob, and id its digest.
	manifest []byte
	id       digest.Digest
	// turn is taken from a blob's opening until it is closed, where the
	// transport hands out one at a time.
	turn chan struct{}
}

// turn gives its place to the next when it is closed.
type turn struct {
	io.ReadCloser
	turn chan struct{}
}

func (t *turn) Close() error {
	defer func() { <-t.turn }()
	return t.ReadCloser.Close()
}

// choose reads the manifest; of an index, that of one image in it.
func (b *blobs) choose(ctx context.Context, sys *types.SystemContext) (imgspecv1.Descriptor, error) {
	var mediaType string
	read := func(instance *digest.Digest) error {
		return b.attend(ctx, "reading the manifest", func(ctx context.Context) (err error) {
			b.manifest, mediaType, err = b.GetManifest(ctx, instance)
			return err
		})
	}
	if err := read(nil); err != nil {
		return imgspecv1.Descriptor{}, err
	}
	if manifest.MIMETypeIsMultiImage(mediaType) {
		list, err := manifest.ListFromBlob(b.manifest, mediaType)
		if err != nil {
			return imgspecv1.Descriptor{}, err
		}
		instance, err := list.ChooseInstance(sys)
		if err != nil {
			return imgspecv1.Descriptor{}, err
		}
		if err := read(&instance); err != nil {
			return imgspecv1.Descriptor{}, err
		}
	}
	if strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1") {
		return imgspecv1.Descriptor{}, errors.New("its manifest is of schema version 1, which names no layer by what is in it; push it again with a tool of this decade")
	}
	id, err := manifest.Digest(b.manifest)
	if err != nil {
		return imgspecv1.Descriptor{}, err
	}
	b.id = id
	return imgspecv1.Descriptor{MediaType: mediaType, Digest: id, Size: int64(len(b.manifest))}, nil
}

// OpenBlob implements [image.BlobSource].
func (b *blobs) OpenBlob(ctx context.Context, d imgspecv1.Descriptor) (blob io.ReadCloser, err error) {
	if d.Digest == b.id {
		return io.NopCloser(bytes.NewReader(b.manifest)), nil
	}
	if !b.HasThreadSafeGetBlob() {
		select {
		case b.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() {
			if err != nil {
				<-b.turn
				return
			}
			blob = &turn{ReadCloser: blob, turn: b.turn}
		}()
	}
	err = b.attend(ctx, "reading", func(context.Context) (err error) {
		// Not the context of the attempt, which ends before the blob is read.
		blob, _, err = b.GetBlob(ctx, types.BlobInfo{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, URLs: d.URLs}, none.NoCache)
		return err
	})
	return blob, err
}
