package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// LayerOptions say how an image that is kept as layers is read.
type LayerOptions struct {
	// TempDir is where the contents of the files are kept, decompressed, while
	// a Root is open: as many bytes as the layers have. "" is the folder for
	// temporary files (TMPDIR).
	TempDir string
	// Platform chooses from an index with images for several; nil is Linux on
	// the architecture of this machine. A variant counts only where it is given.
	Platform *imgspecv1.Platform
}

// OpenManifest presents the image of a manifest as [Image.Location] location.
// Manifest and configuration are read, and verified against their digests, at
// once; the layers when a Root is opened, which fails where a blob or what it
// decompresses to (its diff ID) is not what manifest and configuration say.
// The Roots of one Image share what they read.
func OpenManifest(ctx context.Context, location string, src BlobSource, manifest imgspecv1.Descriptor, o LayerOptions) (Image, error) {
	img := &layeredImage{location: location, src: src, tempDir: o.TempDir}
	var m imgspecv1.Manifest
	if err := readDocument(ctx, src, manifest, &m); err != nil {
		return nil, fmt.Errorf("reading manifest of %q: %w", location, err)
	}
	if m.SchemaVersion != 2 || m.Config.Digest == "" {
		return nil, fmt.Errorf("reading manifest of %q: not an image manifest of schema version 2", location)
	}
	if err := readDocument(ctx, src, m.Config, &img.config); err != nil {
		return nil, fmt.Errorf("reading configuration of %q: %w", location, err)
	}
	img.layers = m.Layers
	if layers, ids := len(m.Layers), len(img.config.RootFS.DiffIDs); layers != ids {
		return nil, fmt.Errorf("reading manifest of %q: it has %d layers, and its configuration %d diff IDs", location, layers, ids)
	}
	for _, l := range m.Layers {
		if !isLayer(l.MediaType) {
			return nil, fmt.Errorf("reading manifest of %q: layer %s has type %q, which is no file system layer", location, l.Digest, l.MediaType)
		}
	}
	return img, nil
}

// isLayer tells layers from the content of OCI artifacts and from encrypted
// layers. How a layer is compressed is read from the layer.
func isLayer(mediaType string) bool {
	return (strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.")) &&
		!strings.Contains(mediaType, "+encrypted")
}

type layeredImage struct {
	location string
	src      BlobSource
	tempDir  string
	config   imgspecv1.Image
	layers   []imgspecv1.Descriptor

	mu    sync.Mutex
	tree  *node // nil while no Root is open
	spool *spool
	roots int
}

func (img *layeredImage) Location() string { return img.location }

func (img *layeredImage) Config(context.Context) (*imgspecv1.Image, error) {
	return &img.config, nil
}

func (img *layeredImage) Root(ctx context.Context) (Root, error) {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.roots == 0 {
		if err := img.load(ctx); err != nil {
			return nil, fmt.Errorf("reading layers of %q: %w", img.location, err)
		}
	}
	img.roots++
	return &treeRoot{content: img.spool.f, release: img.release, tree: img.tree}, nil
}

// release is called once for each Root.
func (img *layeredImage) release() error {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.roots--; img.roots > 0 {
		return nil
	}
	err := img.spool.close()
	img.tree, img.spool = nil, nil
	return err
}

// load reads the layers, lowest first.
func (img *layeredImage) load(ctx context.Context) error {
	s, err := newSpool(img.tempDir)
	if err != nil {
		return err
	}
	tree, budget := impliedDir(), maxMetadata
	// What containers/storage gives a root that no layer describes.
	tree.mode, tree.stat.Mode = fs.ModeDir|0o555, 0o555
	for i, desc := range img.layers {
		layer, err := img.readLayer(ctx, desc, img.config.RootFS.DiffIDs[i], s, &budget)
		if err != nil {
			return errors.Join(fmt.Errorf("layer %d of %d (%s): %w", i+1, len(img.layers), desc.Digest, err), s.close())
		}
		tree = apply(tree, layer)
	}
	if err := s.flush(); err != nil {
		return errors.Join(err, s.close())
	}
	tree.number()
	img.tree, img.spool = tree, s
	return nil
}

func (img *layeredImage) readLayer(ctx context.Context, desc imgspecv1.Descriptor, diffID digest.Digest, s *spool, budget *int) (_ *node, err error) {
	if err := diffID.Validate(); err != nil {
		return nil, fmt.Errorf("diff ID %q: %w", diffID, err)
	}
	blob, err := openVerified(ctx, img.src, desc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	plain, err := decompress(blob)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	verifier := diffID.Verifier()
	tee := io.TeeReader(plain, verifier)
	layer, err := readLayer(ctx, tee, s, budget)
	if err != nil {
		return nil, err
	}
	// What follows the archive's end marker counts for both digests.
	for _, rest := range []io.Reader{tee, blob} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return nil, err
		}
	}
	if !verifier.Verified() {
		return nil, fmt.Errorf("decompressed content has another digest than the configuration's diff ID %s", diffID)
	}
	return layer, nil
}

// decompress reads what a layer's first bytes say it is: the media type is
// often wrong (containers/image itself writes zstd layers as gzip into Docker
// manifests), and the digest of the content is verified anyway.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 1<<18)
	magic, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(buffered)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		// A skippable frame (RFC 8878, 3.1.2) may come first.
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}):
		d, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}
