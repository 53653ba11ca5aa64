package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// destination is where containers/image writes an image to whose layers it has
// to compress: each becomes a file first, so that its digest is known before its
// upload begins, and goes on from there as every blob does.
type destination struct {
	types.ImageReference
	u   *uploader
	dir string
	// manifest is what containers/image wrote last.
	manifest []byte
}

// NewImageDestination implements [types.ImageReference].
func (d *destination) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return writer{d}, nil
}

// writer implements [types.ImageDestination].
type writer struct{ d *destination }

func (w writer) Reference() types.ImageReference { return w.d }
func (w writer) Close() error                    { return nil }
func (w writer) SupportedManifestMIMETypes() []string {
	return []string{imgspecv1.MediaTypeImageManifest}
}

func (w writer) SupportsSignatures(context.Context) error {
	return errors.New("signatures are not written here")
}
func (w writer) DesiredLayerCompression() types.LayerCompression   { return types.Compress }
func (w writer) AcceptsForeignLayerURLs() bool                     { return true }
func (w writer) MustMatchRuntimeOS() bool                          { return false }
func (w writer) IgnoresEmbeddedDockerReference() bool              { return true }
func (w writer) HasThreadSafePutBlob() bool                        { return true }
func (w writer) Commit(context.Context, types.UnparsedImage) error { return nil }

// TryReusingBlob always refuses: layers are there under the digest that they
// will have once they are compressed.
func (w writer) TryReusingBlob(context.Context, types.BlobInfo, types.BlobInfoCache, bool) (bool, types.BlobInfo, error) {
	return false, types.BlobInfo{}, nil
}

// PutBlob writes the blob into a file and uploads that.
func (w writer) PutBlob(ctx context.Context, stream io.Reader, _ types.BlobInfo, _ types.BlobInfoCache, isConfig bool) (types.BlobInfo, error) {
	if err := w.d.u.err(); err != nil {
		return types.BlobInfo{}, err
	}
	b, err := w.d.spool(stream, isConfig)
	if err != nil {
		return types.BlobInfo{}, err
	}
	defer os.Remove(b.path)
	if err := w.d.u.put(ctx, b); err != nil {
		return types.BlobInfo{}, err
	}
	return types.BlobInfo{Digest: b.digest, Size: b.size}, nil
}

func (d *destination) spool(stream io.Reader, isConfig bool) (_ blob, err error) {
	b := blob{what: layerBlob}
	if isConfig {
		b.what = configBlob
	}
	file, err := os.CreateTemp(d.dir, b.what+"-")
	if err != nil {
		return blob{}, fmt.Errorf("making a temporary file: %w", err)
	}
	b.path = file.Name()
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(b.path)
		}
	}()
	hash := digest.Canonical.Digester()
	to := io.MultiWriter(file, hash.Hash())
	if !isConfig {
		shown := d.u.s.options.stage().Transfer("compressing", -1)
		defer shown.Done("")
		to = io.MultiWriter(file, hash.Hash(), counter{shown})
	}
	if b.size, err = io.Copy(to, stream); err != nil {
		return blob{}, fmt.Errorf("compressing a %s: %w", b.what, err)
	}
	b.digest = hash.Digest()
	return b, nil
}

// counter shows what is written to it.
type counter struct{ shown progress.Transfer }

func (c counter) Write(p []byte) (int, error) {
	c.shown.Add(int64(len(p)))
	return len(p), nil
}

// PutManifest keeps the manifest; it is written when all blobs are known to be
// there.
func (w writer) PutManifest(_ context.Context, manifest []byte, _ *digest.Digest) error {
	w.d.manifest = manifest
	return nil
}

// PutSignatures has nothing to do: a push removes the old ones.
func (w writer) PutSignatures(_ context.Context, signatures [][]byte, _ *digest.Digest) error {
	if len(signatures) > 0 {
		return errors.New("signatures are not written here")
	}
	return nil
}
