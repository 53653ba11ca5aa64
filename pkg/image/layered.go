package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layered is an [Image] that is kept as layers, which can be read one by one.
// What [OpenLayout] and [OpenManifest] return is one.
type Layered interface {
	Image
	// Layers returns the descriptors of the layers, in the order of the
	// configuration's diff IDs. The slice is the caller's.
	Layers() []imgspecv1.Descriptor
	// OpenLayer returns the archive of the layer at that place, decompressed.
	// The caller closes it. That a layer is what its digest says is known only
	// when it was read to its end.
	OpenLayer(ctx context.Context, place int) (io.ReadCloser, error)
	// OpenBlob returns the same layer as it is stored, compressed.
	OpenBlob(ctx context.Context, place int) (io.ReadCloser, error)
}

func (img *layeredImage) Layers() []imgspecv1.Descriptor { return slices.Clone(img.layers) }

func (img *layeredImage) OpenLayer(ctx context.Context, place int) (io.ReadCloser, error) {
	blob, err := img.OpenBlob(ctx, place)
	if err != nil {
		return nil, err
	}
	archive, err := decompress(blob)
	if err != nil {
		return nil, fmt.Errorf("reading layer of %q: %w", img.location, errors.Join(err, blob.Close()))
	}
	return &openLayer{archive, blob}, nil
}

func (img *layeredImage) OpenBlob(ctx context.Context, place int) (io.ReadCloser, error) {
	blob, err := openVerified(ctx, img.src, img.layers[place])
	if err != nil {
		return nil, fmt.Errorf("reading layer of %q: %w", img.location, err)
	}
	return blob, nil
}

// openLayer is an archive with the blob that it comes from.
type openLayer struct {
	io.ReadCloser
	blob io.Closer
}

func (l *openLayer) Close() error { return errors.Join(l.ReadCloser.Close(), l.blob.Close()) }
