package kernel

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// cpioFile is an entry of a test archive.
type cpioFile struct {
	name  string
	mode  uint32 // 0: regular 0644, or a link if link is set
	data  string
	link  string
	ino   uint32 // 0: its own
	nlink uint32
	sum   *uint32 // crc format: nil is the right sum
	nuls  int     // of padding behind the name, as dracut-cpio adds
}

func dirs(names ...string) []cpioFile {
	var all []cpioFile
	for _, n := range names {
		all = append(all, cpioFile{name: n, mode: modeDir | 0o755})
	}
	return all
}

// cpioEntry appends one entry.
func cpioEntry(b []byte, ino uint32, crc bool, f cpioFile) []byte {
	data := f.data
	switch {
	case f.link != "":
		data, f.mode = f.link, modeLink|0o777
	case f.mode == 0:
		f.mode = modeReg | 0o644
	}
	magic, sum := "070701", uint32(0)
	if crc {
		magic = "070702"
		if f.mode&modeType == modeReg {
			for _, c := range []byte(data) {
				sum += uint32(c)
			}
		}
		if f.sum != nil {
			sum = *f.sum
		}
	}
	if f.ino != 0 {
		ino = f.ino
	}
	b = append(b, magic...)
	for _, v := range []uint32{ino, f.mode, 0, 0, max(f.nlink, 1), 0, uint32(len(data)), 8, 1, 0, 0, uint32(len(f.name) + 1 + f.nuls), sum} {
		b = fmt.Appendf(b, "%08X", v)
	}
	b = append(b, f.name...)
	b = append(b, make([]byte, 1+f.nuls)...)
	b = align(b, 4)
	b = append(b, data...)
	return align(b, 4)
}

func align(b []byte, n int) []byte {
	for len(b)%n != 0 {
		b = append(b, 0)
	}
	return b
}

// newc is a whole archive in "newc" format.
func newc(files ...cpioFile) []byte { return cpioArchive(false, files...) }

func cpioArchive(crc bool, files ...cpioFile) []byte {
	var b []byte
	for i, f := range files {
		b = cpioEntry(b, uint32(100+i), crc, f)
	}
	return cpioEntry(b, 0, crc, cpioFile{name: cpioTrailer, mode: 1 << 31})
}

// An encoding writes a compressed stream.
type encoding struct {
	name string
	// sums says that the format detects every change of its content.
	sums   bool
	encode func(testing.TB, []byte) []byte
}

func viaWriter(open func(io.Writer) (io.WriteCloser, error)) func(testing.TB, []byte) []byte {
	return func(t testing.TB, b []byte) []byte {
		t.Helper()
		var buf bytes.Buffer
		w, err := open(&buf)
		if err == nil {
			_, err = w.Write(b)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
}

func xzWith(c xz.WriterConfig) func(testing.TB, []byte) []byte {
	c.DictCap = 1 << 16 // small is quick
	return viaWriter(func(w io.Writer) (io.WriteCloser, error) { return c.NewWriter(w) })
}

func lz4With(o ...lz4.Option) func(testing.TB, []byte) []byte {
	return viaWriter(func(w io.Writer) (io.WriteCloser, error) {
		z := lz4.NewWriter(w)
		return z, z.Apply(append([]lz4.Option{lz4.BlockSizeOption(lz4.Block64Kb)}, o...)...)
	})
}

func zstdWith(o ...zstd.EOption) func(testing.TB, []byte) []byte {
	return viaWriter(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, o...) })
}

// encodings are all compressed formats that can be read, in their variants.
var encodings = []encoding{
	{"gzip", true, viaWriter(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })},
	{"bzip2", true, bzip2Encode},
	{"lzma", false, viaWriter(func(w io.Writer) (io.WriteCloser, error) { return lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })},
	{"lzma", false, func(t testing.TB, b []byte) []byte {
		return viaWriter(func(w io.Writer) (io.WriteCloser, error) {
			return lzma.WriterConfig{DictCap: 1 << 16, SizeInHeader: true, Size: int64(len(b))}.NewWriter(w)
		})(t, b)
	}},
	{"xz", true, xzWith(xz.WriterConfig{CheckSum: xz.CRC32})},
	{"xz", true, xzWith(xz.WriterConfig{CheckSum: xz.CRC32, BlockSize: 100})},
	{"xz", true, xzWith(xz.WriterConfig{CheckSum: xz.CRC64})},
	{"xz", true, xzWith(xz.WriterConfig{CheckSum: xz.SHA256})},
	{"xz", false, xzWith(xz.WriterConfig{NoCheckSum: true})},
	{"zstd", true, zstdWith()},
	{"zstd", false, zstdWith(zstd.WithEncoderCRC(false))},
	{"zstd", true, func(t testing.TB, b []byte) []byte { // content size, no window
		w, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll(b, nil)
	}},
	{"lz4", false, lz4With(lz4.LegacyOption(true))},
	{"lz4", true, lz4With()},
	{"lz4", true, func(t testing.TB, b []byte) []byte {
		return lz4With(lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(b))))(t, b)
	}},
	{"lz4", false, lz4With(lz4.ChecksumOption(false))},
}

func encodingNamed(name string) encoding {
	return encodings[slices.IndexFunc(encodings, func(e encoding) bool { return e.name == name })]
}

// bzImage is an x86 kernel image of which no more than the headers is real.
func bzImage(version string, xloadflags uint16) []byte {
	const sectors, paragraphs = 4, 32
	b := make([]byte, (sectors+1)*512+paragraphs*16)
	le := binary.LittleEndian
	b[0x1f1] = sectors
	le.PutUint32(b[0x1f4:], paragraphs)
	copy(b[0x1fe:], "\x55\xaaXXHdrS")
	le.PutUint16(b[0x206:], 0x020f)
	le.PutUint16(b[0x20e:], 0x400)
	le.PutUint16(b[0x236:], xloadflags)
	copy(b[0x600:], version)
	return b
}

// arm64Image is an arm64 kernel with its version at the given offset.
func arm64Image(at int, text string) []byte {
	b := make([]byte, at+len(text)+1000)
	copy(b[56:], "ARM\x64")
	copy(b[at:], text)
	return b
}

type peSection struct {
	name    string
	data    string
	virtual uint32 // 0: len(data)
}

// peImage is a PE file; it begins with the bytes of dos, if any.
func peImage(machine uint16, dos string, sections ...peSection) []byte {
	const header = 0x40
	optional := make([]byte, 240)
	le := binary.LittleEndian
	le.PutUint16(optional, 0x20b)
	le.PutUint32(optional[108:], 16)
	b := make([]byte, header)
	copy(b, "MZ")
	copy(b, dos)
	le.PutUint32(b[60:], header)
	b = append(b, "PE\x00\x00"...)
	b = le.AppendUint16(b, machine)
	b = le.AppendUint16(b, uint16(len(sections)))
	b = append(b, make([]byte, 12)...)
	b = le.AppendUint16(b, uint16(len(optional)))
	b = le.AppendUint16(b, 0)
	b = append(b, optional...)
	table := len(b)
	b = align(append(b, make([]byte, 40*len(sections))...), 512)
	for i, s := range sections {
		h := b[table+40*i:]
		copy(h[:8], s.name)
		virtual := s.virtual
		if virtual == 0 {
			virtual = uint32(len(s.data))
		}
		le.PutUint32(h[8:], virtual)
		le.PutUint32(h[16:], uint32((len(s.data)+511)/512*512))
		le.PutUint32(h[20:], uint32(len(b)))
		b = align(append(b, s.data...), 512)
	}
	return b
}

// zboot is an EFI zboot image around a compressed kernel.
func zboot(machine uint16, compression string, payload []byte) []byte {
	b := peImage(machine, "", peSection{name: ".text", data: "stub" + string(payload)})
	off := bytes.Index(b, []byte("stub"+string(payload))) + 4
	copy(b[4:], "zimg")
	binary.LittleEndian.PutUint32(b[8:], uint32(off))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
	copy(b[24:], compression)
	return b
}
