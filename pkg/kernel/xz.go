package kernel

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader decodes one .xz stream and ends behind its footer
// (https://tukaani.org/xz/xz-file-format.txt). The data is decoded by the
// lzma package; the container is read here because the xz package consumes a
// byte behind the stream, allocates whatever dictionary a block header names,
// and does not tell which check a stream has, which decides whether the kernel
// takes it (lib/xz/xz_dec_stream.c).
type xzReader struct {
	br    *bufio.Reader
	flags [2]byte // of the stream
	check hash.Hash
	block *xzBlock
	// blocks and index sum up the sizes of the blocks and the index's records
	// of them, which must be the same.
	blocks, index hash.Hash
	count         uint64
	// unpacked and dicts are the sums of the blocks' sizes and dictionaries.
	unpacked, dicts int64
	err             error
}

// xzBlock is the block being read.
type xzBlock struct {
	in     countingReader
	z      *lzma.Reader2
	header int64 // its header's length
	packed int64 // as declared, -1 if not
	size   int64 // as declared, -1 if not
	n      int64 // unpacked so far
}

// countingReader counts what is read through it.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

const (
	xzCheckNone   = 0
	xzCheckCRC32  = 1
	xzCheckCRC64  = 4
	xzCheckSHA256 = 10
)

func newXZReader(br *bufio.Reader) (*xzReader, error) {
	var h [12]byte
	if _, err := io.ReadFull(br, h[:]); err != nil {
		return nil, unexpectedEOF(err)
	}
	if crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		return nil, errors.New("xz stream header: wrong checksum")
	}
	z := &xzReader{br: br, flags: [2]byte(h[6:8]), blocks: sha256.New(), index: sha256.New()}
	switch {
	case h[6] != 0:
		return nil, fmt.Errorf("xz stream header: unknown flags %#x", h[6])
	case h[7] == xzCheckNone:
	case h[7] == xzCheckCRC32:
		z.check = crc32.NewIEEE()
	case h[7] == xzCheckCRC64:
		z.check = crc64.New(crc64.MakeTable(crc64.ECMA))
	case h[7] == xzCheckSHA256:
		z.check = sha256.New()
	default:
		return nil, fmt.Errorf("xz check %d: %w", h[7], errors.ErrUnsupported)
	}
	return z, nil
}

// kernelCheck reports whether the kernel's decoder takes the stream's check.
func (z *xzReader) kernelCheck() bool { return z.flags[1] <= xzCheckCRC32 }

// checkName is what "xz --check" calls the stream's check.
func (z *xzReader) checkName() string {
	return map[byte]string{
		xzCheckNone: "none", xzCheckCRC32: "crc32", xzCheckCRC64: "crc64", xzCheckSHA256: "sha256",
	}[z.flags[1]]
}

func (z *xzReader) Read(p []byte) (int, error) {
	for z.err == nil {
		if z.block == nil {
			z.err = z.nextBlock()
			continue
		}
		n, err := z.block.z.Read(p)
		z.block.n += int64(n)
		if z.check != nil {
			z.check.Write(p[:n])
		}
		if err == io.EOF {
			err = z.endBlock()
		}
		z.err = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, z.err
}

// nextBlock reads a block header; behind the last block it reads the index and
// the footer and returns io.EOF.
func (z *xzReader) nextBlock() error {
	size, err := z.br.ReadByte()
	if err != nil {
		return unexpectedEOF(err)
	}
	if size == 0 {
		return z.endStream()
	}
	h := make([]byte, (int(size)+1)*4)
	h[0] = size
	if _, err := io.ReadFull(z.br, h[1:]); err != nil {
		return unexpectedEOF(err)
	}
	body, sum := h[:len(h)-4], h[len(h)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return errors.New("xz block header: wrong checksum")
	}
	b := &xzBlock{in: countingReader{r: z.br}, header: int64(len(h)), packed: -1, size: -1}
	flags := body[1]
	r := bytes.NewReader(body[2:])
	if flags&0x3c != 0 {
		return fmt.Errorf("xz block header: unknown flags %#x", flags)
	}
	for _, f := range []struct {
		flag byte
		v    *int64
	}{{0x40, &b.packed}, {0x80, &b.size}} {
		if flags&f.flag != 0 {
			v, err := xzInteger(r)
			if err != nil {
				return err
			}
			*f.v = int64(v)
		}
	}
	if flags&3 != 0 {
		return fmt.Errorf("xz filter chain with more than lzma2: %w", errors.ErrUnsupported)
	}
	var filter [3]byte // ID, size of properties, dictionary
	if _, err := io.ReadFull(r, filter[:]); err != nil {
		return errors.New("xz block header: too short")
	}
	if filter[0] != 0x21 || filter[1] != 1 {
		return fmt.Errorf("xz filter %#x: %w", filter[0], errors.ErrUnsupported)
	}
	for r.Len() > 0 {
		if c, _ := r.ReadByte(); c != 0 { // a bytes.Reader that is not empty
			return errors.New("xz block header: padding is not zero")
		}
	}
	dict, err := lzma.DecodeDictCap(filter[2])
	if err != nil {
		return fmt.Errorf("xz block header: %w", err)
	}
	if dict > maxWindow {
		return formatError(fmt.Sprintf("xz dictionary of %d bytes is larger than the %d that are supported", dict, maxWindow))
	}
	// A dictionary is allocated for each block. No encoder makes blocks that
	// are far smaller than their dictionary, so a file that does is after the
	// work that clearing them makes.
	if z.dicts += dict; z.dicts > 16*maxWindow && z.dicts/64 > z.unpacked {
		return errors.New("xz blocks are too small for their dictionaries")
	}
	z.block = b
	b.z, err = lzma.Reader2Config{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader2(&b.in)
	return err
}

// endBlock reads and compares what is behind the data of a block.
func (z *xzReader) endBlock() error {
	b := z.block
	z.block = nil
	if b.packed >= 0 && b.packed != b.in.n || b.size >= 0 && b.size != b.n {
		return errors.New("xz block: its size is not what its header says")
	}
	var sum []byte
	if z.check != nil {
		sum = z.check.Sum(nil)
		z.check.Reset()
	}
	pad := int(-b.in.n & 3)
	tail := make([]byte, pad+len(sum))
	if _, err := io.ReadFull(z.br, tail); err != nil {
		return unexpectedEOF(err)
	}
	for _, c := range tail[:pad] {
		if c != 0 {
			return errors.New("xz block: padding is not zero")
		}
	}
	if z.flags[1] != xzCheckSHA256 {
		// The CRCs are little-endian in the file, big-endian from Sum.
		for i, j := 0, len(sum)-1; i < j; i, j = i+1, j-1 {
			sum[i], sum[j] = sum[j], sum[i]
		}
	}
	if !bytes.Equal(sum, tail[pad:]) {
		return errors.New("xz block: wrong checksum")
	}
	z.count++
	z.unpacked += b.n
	xzRecord(z.blocks, uint64(b.header+b.in.n+int64(len(sum))), uint64(b.n))
	return nil
}

// endStream reads the index, behind its first byte, and the footer.
func (z *xzReader) endStream() error {
	sum := crc32.NewIEEE()
	sum.Write([]byte{0})
	in := &xzIndexReader{br: z.br, sum: sum, n: 1}
	count, err := xzInteger(in)
	if err != nil {
		return err
	}
	if count != z.count {
		return fmt.Errorf("xz index: %d blocks instead of %d", count, z.count)
	}
	for range count {
		packed, err := xzInteger(in)
		if err != nil {
			return err
		}
		size, err := xzInteger(in)
		if err != nil {
			return err
		}
		xzRecord(z.index, packed, size)
	}
	if !bytes.Equal(z.index.Sum(nil), z.blocks.Sum(nil)) {
		return errors.New("xz index: sizes are not those of the blocks")
	}
	for in.n&3 != 0 {
		c, err := in.ReadByte()
		if err != nil {
			return unexpectedEOF(err)
		}
		if c != 0 {
			return errors.New("xz index: padding is not zero")
		}
	}
	var tail [4 + 12]byte // the index's checksum, the footer
	if _, err := io.ReadFull(z.br, tail[:]); err != nil {
		return unexpectedEOF(err)
	}
	if binary.LittleEndian.Uint32(tail[:]) != sum.Sum32() {
		return errors.New("xz index: wrong checksum")
	}
	footer := tail[4:]
	switch {
	case binary.LittleEndian.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]):
		return errors.New("xz footer: wrong checksum")
	case (int64(binary.LittleEndian.Uint32(footer[4:]))+1)*4 != in.n+4:
		return errors.New("xz footer: wrong size of the index")
	case [2]byte(footer[8:10]) != z.flags || string(footer[10:]) != "YZ":
		return errors.New("xz footer: not that of the stream")
	}
	return io.EOF
}

// xzIndexReader sums up and counts the bytes of the index.
type xzIndexReader struct {
	br  *bufio.Reader
	sum hash.Hash32
	n   int64
}

func (r *xzIndexReader) ReadByte() (byte, error) {
	c, err := r.br.ReadByte()
	if err == nil {
		r.sum.Write([]byte{c})
		r.n++
	}
	return c, err
}

// xzInteger reads a multibyte integer of up to 63 bits (1.2 of the format).
func xzInteger(r io.ByteReader) (uint64, error) {
	var v uint64
	for shift := 0; shift < 63; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, unexpectedEOF(err)
		}
		v |= uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			if c == 0 && shift > 0 {
				break // not the shortest form
			}
			return v, nil
		}
	}
	return 0, errors.New("xz: malformed integer")
}

// xzRecord adds a block's record to a sum of the index.
func xzRecord(h hash.Hash, packed, size uint64) {
	var rec [16]byte
	binary.LittleEndian.PutUint64(rec[:], packed)
	binary.LittleEndian.PutUint64(rec[8:], size)
	h.Write(rec[:])
}
