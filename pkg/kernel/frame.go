package kernel

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// A frame hands one frame of a block format to that format's decoder and ends
// behind it. The decoders for zstd and lz4 read on for another frame, and
// ahead; a frame lets them, without losing a byte of what follows. It knows
// the lengths in the format's headers and leaves all else to the decoder.
type frame struct {
	br *bufio.Reader
	// head are header bytes to hand on before body.
	head []byte
	buf  [32]byte
	// body is how many bytes to hand on from br.
	body int64
	// next reads the header behind the body into head and sets body. It
	// returns io.EOF behind the last one.
	next func(*frame) error
	err  error
}

func (f *frame) Read(p []byte) (int, error) {
	for len(f.head) == 0 && f.body == 0 {
		if f.err == nil {
			f.err = f.next(f)
		}
		if f.err != nil {
			return 0, f.err
		}
	}
	if len(f.head) > 0 {
		n := copy(p, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	n, err := f.br.Read(p[:min(int64(len(p)), f.body)])
	f.body -= int64(n)
	if err != nil {
		f.err = unexpectedEOF(err)
	}
	return n, f.err
}

// header reads n more bytes and hands them on.
func (f *frame) header(n int) ([]byte, error) {
	at := len(f.head)
	f.head = f.buf[:at+n]
	if _, err := io.ReadFull(f.br, f.head[at:]); err != nil {
		return nil, unexpectedEOF(err)
	}
	return f.head[at:], nil
}

// newZstdFrame reads the header of the zstd frame that br is at (RFC 8878,
// 3.1.1). One frame is all that the kernel reads as one stream.
func newZstdFrame(br *bufio.Reader) (*frame, error) {
	f := &frame{br: br}
	b, err := f.header(5)
	if err != nil {
		return nil, err
	}
	desc := b[4]
	single, checksum := desc&0x20 != 0, desc&4 != 0
	var window uint64
	if !single {
		if b, err = f.header(1); err != nil {
			return nil, err
		}
		base := uint64(1) << (10 + b[0]>>3)
		window = base + base/8*uint64(b[0]&7)
	}
	if _, err := f.header([4]int{0, 1, 2, 4}[desc&3]); err != nil {
		return nil, err
	}
	size := [4]int{0, 2, 4, 8}[desc>>6]
	if size == 0 && single {
		size = 1
	}
	if b, err = f.header(size); err != nil {
		return nil, err
	}
	if single {
		// Without a window the content is the window.
		var le [8]byte
		copy(le[:], b)
		window = binary.LittleEndian.Uint64(le[:])
	}
	if window > maxWindow {
		return nil, formatError(fmt.Sprintf("zstd window of %d bytes is larger than the %d that the kernel takes", window, maxWindow))
	}

	last := false
	f.next = func(f *frame) error {
		f.head = f.buf[:0]
		if last {
			if !checksum {
				return io.EOF
			}
			checksum = false
			_, err := f.header(4)
			return err
		}
		b, err := f.header(3)
		if err != nil {
			return err
		}
		h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = h&1 != 0
		f.body = int64(h >> 3)
		if h>>1&3 == 1 { // a run-length block is one byte, whatever its size
			f.body = 1
		}
		return nil
	}
	return f, nil
}

// newLZ4Frame decodes the lz4 frame that br is at
// (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md).
func newLZ4Frame(br *bufio.Reader) (io.Reader, error) {
	f := &frame{br: br}
	b, err := f.header(6)
	if err != nil {
		return nil, err
	}
	flags := b[4]
	n := 1 // header checksum
	if flags&8 != 0 {
		n += 8 // content size
	}
	if flags&1 != 0 {
		n += 4 // dictionary ID
	}
	if _, err := f.header(n); err != nil {
		return nil, err
	}
	last := false
	f.next = func(f *frame) error {
		f.head = f.buf[:0]
		if last {
			return io.EOF
		}
		b, err := f.header(4)
		if err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(b) &^ (1 << 31) // the top bit marks a block that is not compressed
		switch {
		case size != 0:
			f.body = int64(size)
			if flags&16 != 0 { // block checksum
				f.body += 4
			}
		case flags&4 != 0: // content checksum
			last = true
			f.body = 4
		default:
			last = true
		}
		return nil
	}
	return lz4.NewReader(f), nil
}

// lz4Legacy decodes the legacy format of lz4, blocks of up to 8 MiB behind a
// magic number and nothing that ends them. It reads as the kernel does
// (lib/decompress_unlz4.c): the magic number may come again between blocks,
// and four NULs or the end of the file end the stream.
type lz4Legacy struct {
	br       *bufio.Reader
	st       *stream
	in, out  []byte
	rest     []byte // of out, not read yet
	finished bool
}

const (
	lz4LegacyMagic = 0x184c2102
	lz4LegacyBlock = 8 << 20
)

func newLZ4Legacy(br *bufio.Reader, st *stream) (*lz4Legacy, error) {
	_, err := br.Discard(4)
	return &lz4Legacy{br: br, st: st}, unexpectedEOF(err)
}

func (z *lz4Legacy) Read(p []byte) (int, error) {
	for len(z.rest) == 0 {
		if z.finished {
			return 0, io.EOF
		}
		if err := z.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.rest)
	z.rest = z.rest[n:]
	return n, nil
}

func (z *lz4Legacy) block() error {
	head, err := z.br.Peek(4)
	if err != nil {
		if err == io.EOF {
			z.finished = true
			return nil
		}
		return err
	}
	size := binary.LittleEndian.Uint32(head)
	switch {
	case size == 0:
		z.finished = true
		return nil
	case size == lz4LegacyMagic:
		_, err := z.br.Discard(4)
		return err
	case size > uint32(lz4.CompressBlockBound(lz4LegacyBlock)):
		// Larger than a block can be: another archive's magic number.
		z.finished = true
		z.st.refused = "an lz4 stream that another archive follows; the kernel finds its end only at four NULs or the end of the image"
		return nil
	}
	if _, err := z.br.Discard(4); err != nil {
		return err
	}
	if int(size) > len(z.in) {
		// A byte of a block stands for at most 255.
		z.in = make([]byte, size)
		z.out = make([]byte, min(lz4LegacyBlock, 255*int(size)))
	}
	if _, err := io.ReadFull(z.br, z.in[:size]); err != nil {
		return unexpectedEOF(err)
	}
	n, err := lz4.UncompressBlock(z.in[:size], z.out)
	if err != nil {
		return fmt.Errorf("lz4 block: %w", err)
	}
	if n == 0 {
		return errors.New("lz4 block: empty")
	}
	z.rest = z.out[:n]
	return nil
}
