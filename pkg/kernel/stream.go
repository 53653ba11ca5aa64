package kernel

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the dictionary or window of a compressed stream, in bytes.
// It is the kernel's own bound for zstd (lib/decompress_unzstd.c) and twice
// what "xz -9" asks for.
const maxWindow = 128 << 20

// source is a file being read once, front to back. It is the one buffer that
// all decompressors of the file share: each of them stops exactly behind its
// own stream, so that the next one finds its first byte there.
type source struct {
	*bufio.Reader
	c counter
}

// counter counts what was read from r and remembers why reading r failed, so
// that a broken disk is not taken for a broken archive.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   int64
	err error
}

func newSource(ctx context.Context, r io.Reader) *source {
	s := &source{c: counter{ctx: ctx, r: r}}
	s.Reader = bufio.NewReaderSize(&s.c, 256<<10)
	return s
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// offset is the number of bytes of the file that were consumed.
func (s *source) offset() int64 { return s.c.n - int64(s.Buffered()) }

// failure is the error of the file itself, nil if there was none.
func (s *source) failure() error { return s.c.err }

// A stream is one compressed stream of a source. Reading it to io.EOF leaves
// the source at the first byte behind the stream.
type stream struct {
	r    io.Reader
	err  error // of r; some decoders go on after one
	name string
	// close ends the decoder's goroutines; it may be nil.
	close func()
	// refused says why no kernel reads the stream, or is "".
	refused string
}

func (s *stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.err = err
	return n, err
}

// Close ends the decoder.
func (s *stream) Close() {
	if s.close != nil {
		s.close()
	}
}

// errMagic says that data starts with the magic number of no known format.
var errMagic = errors.New("unknown magic number")

// formats are the compressed formats by their magic numbers: those of the
// kernel's table (lib/decompress.c), and the lz4 frame format, which is what
// the lz4 tool writes unless told otherwise and no kernel reads.
var formats = []struct {
	magic string
	name  string
	open  func(*source, *stream) error
}{
	{"\x1f\x8b", "gzip", openGzip},
	{"\x1f\x9e", "gzip", openGzip},
	{"BZh", "bzip2", openBzip2},
	{"\x5d\x00", "lzma", openLZMA},
	{"\xfd7zXZ\x00", "xz", openXZ},
	{"\x89LZO", "lzo", openLZO},
	{"\x02\x21\x4c\x18", "lz4", openLZ4Legacy},
	{"\x04\x22\x4d\x18", "lz4", openLZ4Frame},
	{"\x28\xb5\x2f\xfd", "zstd", openZstd},
}

// openStream starts to decompress the stream that s is at. It is errMagic if
// the data is in no format of the table, and an error that matches
// errors.ErrUnsupported if it is in one that cannot be read here; the stream
// then has no more than its name.
func openStream(s *source) (*stream, error) {
	head, err := s.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			st := &stream{name: f.name}
			return st, f.open(s, st)
		}
	}
	return nil, fmt.Errorf("%w % x", errMagic, head[:min(len(head), 4)])
}

// openGzip relies on the decoder taking no byte more than it needs from a
// source that has ReadByte, as compress/flate promises, and on Multistream
// being off: the kernel reads one member (lib/decompress_inflate.c).
func openGzip(s *source, st *stream) error {
	z, err := gzip.NewReader(s.Reader)
	if err != nil {
		return unexpectedEOF(err)
	}
	z.Multistream(false)
	st.r = z
	return nil
}

func openBzip2(s *source, st *stream) error {
	src := &bzip2Source{br: s.Reader}
	st.r = &bzip2Reader{src: src, z: bzip2.NewReader(src)}
	return nil
}

// openLZMA reads the .lzma format ("lzma alone"). Its decoder reads byte by
// byte and normalises after each bit as the encoder does, so it stops at the
// last byte of the range coder.
func openLZMA(s *source, st *stream) error {
	z, err := lzma.ReaderConfig{DictCap: maxWindow}.NewReader(s.Reader)
	if err != nil {
		return unexpectedEOF(err)
	}
	st.r = z
	return nil
}

func openXZ(s *source, st *stream) error {
	z, err := newXZReader(s.Reader)
	if err != nil {
		return err
	}
	if !z.kernelCheck() {
		st.refused = "xz check is " + z.checkName() + "; the kernel reads crc32 and none (xz --check=crc32)"
	}
	st.r = z
	return nil
}

func openLZO(*source, *stream) error {
	return fmt.Errorf("lzo compression: %w", errors.ErrUnsupported)
}

func openLZ4Legacy(s *source, st *stream) error {
	z, err := newLZ4Legacy(s.Reader, st)
	st.r = z
	return err
}

func openLZ4Frame(s *source, st *stream) error {
	z, err := newLZ4Frame(s.Reader)
	st.r = z
	st.refused = "lz4 frame format; the kernel reads the legacy format only (lz4 -l)"
	return err
}

func openZstd(s *source, st *stream) error {
	f, err := newZstdFrame(s.Reader)
	if err != nil {
		return err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	st.r, st.close = z, z.Close
	return nil
}

// unexpectedEOF turns io.EOF, which ends a stream well, into the error for one
// that is cut short.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
