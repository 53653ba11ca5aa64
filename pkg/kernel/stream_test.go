package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz/lzma"
)

func TestZstdRunLengthBlock(t *testing.T) {
	t.Parallel()
	content := newc(cpioFile{name: "a"})
	b := []byte("\x28\xb5\x2f\xfd\x00\x38") // a window of 128 KiB
	b = append(b, byte(len(content)<<3), byte(len(content)>>5), 0)
	b = append(b, content...)
	b = append(b, 1|1<<1|0x10<<3, 0x10, 0, 0) // last, run of 0x210 NULs
	i := mustRead(t, slices.Concat(b, b))
	want := int64(len(content)) + 0x210
	if len(i.Archives) != 2 || i.Archives[0].Unpacked != want || i.Archives[1].Offset != int64(len(b)) {
		t.Errorf("%+v, want %d bytes unpacked", i.Archives, want)
	}
}

// xzStream is an .xz stream to be built piece by piece.
type xzStream struct {
	check   byte
	blocks  [][]byte
	records []uint64
}

type xzHeader struct {
	dict    byte   // 18 is 2 MiB, 30 is 128 MiB
	sizes   []byte // as in the header, with their flags
	flags   byte
	filters []byte // instead of LZMA2 alone
	padding byte
}

func (s *xzStream) add(t *testing.T, content []byte, h xzHeader) {
	t.Helper()
	var data bytes.Buffer
	w, err := lzma.Writer2Config{DictCap: 1 << 16}.NewWriter2(&data)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	filters := h.filters
	if filters == nil {
		filters = []byte{0x21, 1, h.dict}
	}
	b := slices.Concat([]byte{0, h.flags}, h.sizes, filters, []byte{h.padding})
	b = align(b, 4)
	b[0] = byte(len(b) / 4)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	size := len(b) + data.Len()
	b = align(append(b, data.Bytes()...), 4)
	if s.check == xzCheckCRC32 {
		b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(content))
		size += 4
	}
	s.blocks = append(s.blocks, b)
	s.records = append(s.records, uint64(size), uint64(len(content)))
}

// bytes is the stream with an index of its records.
func (s *xzStream) bytes() []byte {
	flags := []byte{0, s.check}
	b := append([]byte("\xfd7zXZ\x00"), flags...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(flags))
	b = append(b, slices.Concat(s.blocks...)...)
	index := binary.AppendUvarint([]byte{0}, uint64(len(s.records)/2))
	for _, r := range s.records {
		index = binary.AppendUvarint(index, r)
	}
	index = align(index, 4)
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	b = append(b, index...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(footer))
	return append(append(b, footer...), "YZ"...)
}

func TestXZContainer(t *testing.T) {
	t.Parallel()
	content := newc(cpioFile{name: "a", data: "content"})
	one := func(check byte, h xzHeader) *xzStream {
		s := &xzStream{check: check}
		s.add(t, content, h)
		return s
	}
	good := one(1, xzHeader{dict: 18})
	packed := int(good.records[0]) - 12 - 4
	size := binary.AppendUvarint(nil, uint64(len(content)))
	flip := func(fromEnd int) []byte {
		b := good.bytes()
		b[len(b)-fromEnd] ^= 1
		return b
	}
	rewrite := func(edit func(*xzStream)) []byte {
		s := &xzStream{check: 1, blocks: good.blocks, records: slices.Clone(good.records)}
		edit(s)
		return s.bytes()
	}
	many := &xzStream{}
	for range 20 {
		many.add(t, nil, xzHeader{dict: 30})
	}
	footer := good.bytes()
	footer = footer[:len(footer)-2]
	tests := []struct {
		name, want string
		image      []byte
	}{
		{"good", "", good.bytes()},
		{"no check", "", one(0, xzHeader{dict: 18}).bytes()},
		{"smallest dictionary", "", one(1, xzHeader{}).bytes()},
		{"largest dictionary", "", one(1, xzHeader{dict: 30}).bytes()},
		{"sizes in the header", "", one(1, xzHeader{dict: 18, flags: 0xc0, sizes: slices.Concat([]byte{byte(packed)}, size)}).bytes()},
		{"two blocks", "", rewrite(func(s *xzStream) { s.add(t, make([]byte, 500), xzHeader{dict: 18}) })},
		{"wrong packed size", "corrupt: xz block: its size is not what its header says", one(1, xzHeader{dict: 18, flags: 0x40, sizes: []byte{byte(packed) + 1}}).bytes()},
		{"too large a size", "corrupt: xz block: its size is not what its header says", one(1, xzHeader{dict: 18, flags: 0x80, sizes: []byte{0x80, 0x7f}}).bytes()},
		{"too small a size", "corrupt: xz block: its size is not what its header says", one(1, xzHeader{dict: 18, flags: 0x80, sizes: []byte{1}}).bytes()},
		{"long integer", "corrupt: xz: malformed integer", one(1, xzHeader{dict: 18, flags: 0x80, sizes: []byte{0x81, 0}}).bytes()},
		{"endless integer", "corrupt: xz: malformed integer", one(1, xzHeader{dict: 18, flags: 0x80, sizes: bytes.Repeat([]byte{0x80}, 10)}).bytes()},
		{"dictionary too large", "xz dictionary of 201326592 bytes is larger than the 134217728 that are supported", one(1, xzHeader{dict: 31}).bytes()},
		{"dictionary of no size", "corrupt: xz block header: lzma: invalid dictionary size code", one(1, xzHeader{dict: 41}).bytes()},
		{"unknown block flags", "corrupt: xz block header: unknown flags 0x4", one(1, xzHeader{dict: 18, flags: 4}).bytes()},
		{"x86 filter", "cannot be read here: xz filter chain with more than lzma2: unsupported operation", one(1, xzHeader{flags: 1, filters: []byte{4, 0, 0x21, 1, 18}}).bytes()},
		{"unknown filter", "cannot be read here: xz filter 0x22: unsupported operation", one(1, xzHeader{filters: []byte{0x22, 1, 18}}).bytes()},
		{"no filter", "corrupt: xz block header: too short", one(1, xzHeader{flags: 0x80, sizes: []byte{1}, filters: []byte{}}).bytes()},
		{"header padding", "corrupt: xz block header: padding is not zero", one(1, xzHeader{dict: 18, padding: 1}).bytes()},
		{"unknown check", "cannot be read here: xz check 2: unsupported operation", one(2, xzHeader{dict: 18}).bytes()},
		{"missing record", "corrupt: xz index: 0 blocks instead of 1", rewrite(func(s *xzStream) { s.records = nil })},
		{"wrong packed size in the index", "corrupt: xz index: sizes are not those of the blocks", rewrite(func(s *xzStream) { s.records[0]++ })},
		{"wrong size in the index", "corrupt: xz index: sizes are not those of the blocks", rewrite(func(s *xzStream) { s.records[1]-- })},
		{"header checksum", "corrupt: xz block header: wrong checksum", edit(good.bytes(), 12+8, 0)},
		{"index checksum", "corrupt: xz index: wrong checksum", flip(13)},
		{"footer checksum", "corrupt: xz footer: wrong checksum", flip(12)},
		{"footer magic", "corrupt: xz footer: not that of the stream", flip(1)},
		{"no footer magic", "truncated: unexpected EOF", footer},
		{"small blocks, large dictionaries", "corrupt: xz blocks are too small for their dictionaries", many.bytes()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(tt.image)
			var broken *InitramfsError
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && !errors.As(err, &broken):
				t.Errorf("%v; want %s", err, tt.want)
			case tt.want != "":
				if _, got, _ := strings.Cut(err.Error(), ": "); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}
