package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// LayerOptions say how an image that is kept as layers is read.
type LayerOptions struct {
	// TempDir is where the layers are kept, decompressed, while a Root is open.
	// "" is the folder for temporary files (TMPDIR).
	TempDir string
	// Shared is for images that are compared: a layer that several of them have
	// is read once, and kept as long as one of them has an open Root. nil shares
	// with nobody.
	Shared *SharedLayers
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
	img := &layeredImage{location: location, src: src, manifest: manifest.Digest, tempDir: o.TempDir, shared: o.Shared}
	if img.shared == nil {
		img.shared = &SharedLayers{}
	}
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
	shared   *SharedLayers
	config   imgspecv1.Image
	layers   []imgspecv1.Descriptor
	manifest digest.Digest

	mu    sync.Mutex
	tree  *node // nil while no Root is open
	files []*layerFile
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
			return nil, fmt.Errorf("reading layers of %q: %w", img.location, errors.Join(err, img.drop()))
		}
	}
	img.roots++
	return &treeRoot{release: img.release, tree: img.tree}, nil
}

// release is called once for each Root.
func (img *layeredImage) release() error {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.roots--; img.roots > 0 {
		return nil
	}
	return img.drop()
}

// drop lets go of everything that load took.
func (img *layeredImage) drop() error {
	var errs []error
	for _, f := range img.files {
		if f != nil {
			errs = append(errs, img.shared.release(f))
		}
	}
	img.tree, img.files = nil, nil
	return errors.Join(errs...)
}

// maxLayersAtOnce bounds how many layers are read at a time, besides the number
// of processors: decompressing one keeps a processor busy, and each has its
// own buffers.
const maxLayersAtOnce = 4

// load reads the layers, and merges them when it has all.
func (img *layeredImage) load(ctx context.Context) error {
	img.files = make([]*layerFile, len(img.layers))
	trees := make([]*node, len(img.layers))
	left := newBudget(maxMetadata)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(runtime.GOMAXPROCS(0), maxLayersAtOnce))
	for i, desc := range img.layers {
		group.Go(func() (err error) {
			img.files[i], trees[i], err = img.readLayer(ctx, desc, img.config.RootFS.DiffIDs[i], left)
			if err != nil {
				return fmt.Errorf("layer %d of %d (%s): %w", i+1, len(img.layers), desc.Digest, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	tree := impliedDir()
	// What containers/storage gives a root that no layer describes.
	tree.mode, tree.stat.Mode = fs.ModeDir|0o555, 0o555
	for _, layer := range trees {
		tree = apply(tree, layer)
	}
	tree.number()
	img.tree = tree
	return nil
}

// readLayer returns the files of one layer and what holds their contents, which
// is the caller's to release, also beside an error.
func (img *layeredImage) readLayer(ctx context.Context, desc imgspecv1.Descriptor, diffID digest.Digest, left *budget) (*layerFile, *node, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := diffID.Validate(); err != nil {
		return nil, nil, fmt.Errorf("diff ID %q: %w", diffID, err)
	}
	file, there, err := img.shared.get(ctx, layerKey{desc.Digest, diffID})
	if err != nil {
		return nil, nil, err
	}
	if there {
		tree, err := readLayer(ctx, file.reader(), file.f, left)
		return file, tree, err
	}
	tree, err := img.unpackLayer(ctx, file, desc, left)
	img.shared.filled(file, err)
	return file, tree, err
}
