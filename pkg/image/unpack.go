package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// A layer passes three goroutines: one downloads, one decompresses, and one
// writes, hashes and parses. What lies between two of them is bounded to
// pieces of pieceSize bytes.
const (
	pieceSize   = 256 << 10
	blobPieces  = 8
	plainPieces = 8
)

// unpackLayer downloads a layer into file and reads what is in it.
func (img *layeredImage) unpackLayer(ctx context.Context, file *layerFile, desc imgspecv1.Descriptor, left *budget) (_ *node, err error) {
	if err := file.create(img.tempDir); err != nil {
		return nil, err
	}
	// Nobody waits for a download whose layer is refused.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	blob, err := openVerified(ctx, img.src, desc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	compressed := newReadAhead(blob, blobPieces)
	defer compressed.stop()
	defer cancel()
	decoded, err := decompress(compressed)
	if err != nil {
		return nil, err
	}
	defer decoded.Close()
	plain := newReadAhead(decoded, plainPieces)
	defer plain.stop()
	// Whoever waits for more of the blob must not wait for ever.
	defer compressed.abandon()
	stream := &layerStream{plain: plain, diffID: file.key.diffID.Verifier(), file: file}
	layer, err := readLayer(ctx, stream, file.f, left)
	if err != nil {
		return nil, err
	}
	// What follows the archive's end marker counts for both digests.
	if err := stream.drain(); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, compressed); err != nil {
		return nil, err
	}
	if !stream.diffID.Verified() {
		return nil, fmt.Errorf("decompressed content has another digest than the configuration's diff ID %s", file.key.diffID)
	}
	return layer, nil
}

// layerStream is the content of a layer on its way to the parser, for whom it
// is a file: all of it counts for the diff ID, and is written, before the
// parser sees it.
type layerStream struct {
	plain  *readAhead
	diffID digest.Verifier
	file   *layerFile
	piece  []byte // what is left of it
	offset int64  // of the piece
	parsed bool   // the rest is no file's content
}

// fill gets another piece when there is none.
func (s *layerStream) fill() error {
	for len(s.piece) == 0 {
		piece, err := s.plain.next()
		if err != nil {
			return err
		}
		s.diffID.Write(piece) //nolint:errcheck // a hash never fails
		if !s.parsed {
			if err := s.file.append(piece); err != nil {
				return err
			}
		}
		s.piece = piece
	}
	return nil
}

func (s *layerStream) skip(n int) {
	s.piece, s.offset = s.piece[n:], s.offset+int64(n)
}

func (s *layerStream) Read(b []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(b, s.piece)
	s.skip(n)
	return n, nil
}

// Seek goes forward only, and not beyond the end, as package archive/tar does
// to pass over a file's content.
func (s *layerStream) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return s.offset, errors.ErrUnsupported
	}
	for offset > 0 {
		err := s.fill()
		if err == io.EOF {
			break // which the next Read says
		}
		if err != nil {
			return s.offset, err
		}
		n := int(min(offset, int64(len(s.piece))))
		s.skip(n)
		offset -= int64(n)
	}
	return s.offset, nil
}

// drain reads the rest, which is after the archive.
func (s *layerStream) drain() error {
	s.parsed = true
	for {
		s.piece = nil
		if err := s.fill(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
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
