package image

import (
	"context"
	_ "crypto/sha256" // the algorithms that digests may name
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"io"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// BlobSource is where the blobs of an image come from: a folder, an archive, a
// registry.
type BlobSource interface {
	// OpenBlob opens the blob that the descriptor names at its first byte. The
	// caller verifies what it reads, and closes it once. Several goroutines may
	// call it at once; it may make them wait until another's blob is closed.
	// When ctx is done, a Read that waits for more returns.
	OpenBlob(ctx context.Context, d imgspecv1.Descriptor) (io.ReadCloser, error)
}

// maxDocument is the most that a manifest, index or configuration may measure;
// registries accept no manifest above 4 MiB.
const maxDocument = 8 << 20

// readDocument reads a JSON blob into v, verified against its descriptor.
func readDocument(ctx context.Context, src BlobSource, d imgspecv1.Descriptor, v any) (err error) {
	if d.Size < 0 || d.Size > maxDocument {
		return fmt.Errorf("%s: size of %d bytes is out of range", d.Digest, d.Size)
	}
	blob, err := openVerified(ctx, src, d)
	if err != nil {
		return err
	}
	defer blob.Close()
	data, err := io.ReadAll(blob)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	return nil
}

// verified reads a blob. What it returns before its end is not to be relied
// on: only io.EOF says that size and digest are the descriptor's.
type verified struct {
	ctx      context.Context //nolint:containedctx // lives as long as one read of a blob
	blob     io.ReadCloser
	want     imgspecv1.Descriptor
	verifier digest.Verifier
	left     int64
}

func openVerified(ctx context.Context, src BlobSource, d imgspecv1.Descriptor) (*verified, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", d.Digest, err)
	}
	blob, err := src.OpenBlob(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", d.Digest, err)
	}
	return &verified{ctx: ctx, blob: blob, want: d, verifier: d.Digest.Verifier(), left: d.Size}, nil
}

func (v *verified) Read(b []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := v.blob.Read(b)
	v.left -= int64(n)
	if v.left < 0 {
		return 0, fmt.Errorf("blob %s is larger than its %d bytes", v.want.Digest, v.want.Size)
	}
	v.verifier.Write(b[:n]) //nolint:errcheck // a hash never fails
	switch {
	case err == nil:
	case err != io.EOF:
		err = fmt.Errorf("reading blob %s: %w", v.want.Digest, err)
	case v.left > 0:
		err = fmt.Errorf("blob %s ends %d bytes early", v.want.Digest, v.left)
	case !v.verifier.Verified():
		err = fmt.Errorf("blob %s has other content than its digest says", v.want.Digest)
	}
	return n, err
}

func (v *verified) Close() error { return v.blob.Close() }
