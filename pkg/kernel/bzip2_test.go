package kernel

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// bzip2Encode writes a bzip2 stream, which Go's library only reads. It is
// plain: one block, sorted the slow way, Huffman codes of nearly equal length.
func bzip2Encode(t testing.TB, data []byte) []byte { return bzip2Block(t, data, false) }

// bzip2EndMark is the 48 bits behind the last block of a stream.
const bzip2EndMark = 0x177245385090

// bzip2Block can hide what looks like the end of the stream inside it.
func bzip2Block(t testing.TB, data []byte, mark bool) []byte {
	t.Helper()
	if len(data) > 90_000 {
		t.Fatal("too long for one block")
	}
	w := &bitWriter{}
	w.write(8, 'B')
	w.write(8, 'Z')
	w.write(8, 'h')
	w.write(8, '1')
	crc := uint32(0xffffffff)
	for _, c := range data {
		crc = crc<<8 ^ bzip2Table[byte(crc>>24)^c]
	}
	crc = ^crc
	w.write(48, 0x314159265359)
	w.write(32, uint64(crc))
	w.write(1, 0)

	// Run lengths: four equal bytes are followed by the number of further ones.
	var rle []byte
	for i := 0; i < len(data); {
		n := 1
		for n < 4+250 && i+n < len(data) && data[i+n] == data[i] {
			n++
		}
		rle = append(rle, bytes.Repeat(data[i:i+1], min(n, 4))...)
		if n >= 4 {
			rle = append(rle, byte(n-4))
		}
		i += n
	}
	// Burrows-Wheeler.
	twice := append(slices.Clone(rle), rle...)
	order := make([]int, len(rle))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return bytes.Compare(twice[a:a+len(rle)], twice[b:b+len(rle)])
	})
	last := make([]byte, len(rle))
	for i, o := range order {
		if o == 0 {
			w.write(24, uint64(i))
		}
		last[i] = twice[o+len(rle)-1]
	}
	// Which bytes occur.
	var used [256]bool
	for _, c := range last {
		used[c] = true
	}
	var ranges uint64
	var symbols []byte
	for i, u := range used {
		if u {
			ranges |= 1 << (15 - i/16)
			symbols = append(symbols, byte(i))
		}
	}
	w.write(16, ranges)
	for r := range 16 {
		if ranges&(1<<(15-r)) != 0 {
			for i := range 16 {
				w.write(1, map[bool]uint64{true: 1}[used[r*16+i]])
			}
		}
	}
	// Move to front, zeros as run lengths in bijective base 2.
	eob := len(symbols) + 1
	var out []int
	zeros := 0
	flush := func() {
		for ; zeros > 0; zeros = (zeros - 1) >> 1 {
			out = append(out, (zeros-1)&1)
		}
	}
	for _, c := range last {
		i := bytes.IndexByte(symbols, c)
		copy(symbols[1:i+1], symbols[:i])
		symbols[0] = c
		if i == 0 {
			zeros++
			continue
		}
		flush()
		out = append(out, i+1)
	}
	flush()
	out = append(out, eob)

	// Equal trees of eob+1 codes with the lengths long-1 and long.
	n := eob + 1
	long := bits.Len(uint(n - 1))
	short := 1<<long - n
	// A selector is a unary number. More than are needed do no harm, and those
	// below four spell the end mark.
	const trees = 4
	selectors := (len(out) + 49) / 50
	spare := 48 - bits.OnesCount64(bzip2EndMark)
	w.write(3, trees)
	if mark {
		w.write(15, uint64(selectors+spare))
		w.write(selectors, 0)
		w.write(48, bzip2EndMark)
	} else {
		w.write(15, uint64(selectors))
		w.write(selectors, 0)
	}
	for range trees {
		w.write(5, uint64(long))
		for i := range n {
			if i == 0 && short > 0 {
				w.write(2, 3) // one less
			}
			if i == short && short > 0 {
				w.write(2, 2) // one more
			}
			w.write(1, 0)
		}
	}
	for _, s := range out {
		if s < short {
			w.write(long-1, uint64(s))
		} else {
			w.write(long, uint64(short*2+s-short))
		}
	}
	w.write(48, bzip2EndMark)
	w.write(32, uint64(crc))
	return w.b
}

// bitWriter writes numbers, their high bits first.
type bitWriter struct {
	b    []byte
	free int // bits of the last byte
}

func (w *bitWriter) write(n int, v uint64) {
	for n--; n >= 0; n-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

var bzip2Table = func() (table [256]uint32) {
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	return table
}()

// What looks like the end of a bzip2 stream in the middle of it is none.
func TestBzip2HiddenEndMark(t *testing.T) {
	t.Parallel()
	for extra := range 16 { // at every bit of a byte
		content := newc(cpioFile{name: "a", data: strings.Repeat("x", extra*50) + strings.Repeat("yz", extra)})
		hidden := bzip2Block(t, content, true)
		src := &bzip2Source{}
		marks := 0
		for _, c := range hidden {
			src.hi, src.lo = src.hi<<8|src.lo>>56, src.lo<<8|uint64(c)
			if src.endMark() {
				marks++
			}
		}
		if marks != 2 {
			t.Fatalf("%d end marks, want a hidden one and the right one", marks)
		}
		for _, next := range [][]byte{nil, make([]byte, 1), make([]byte, 2), newc(), hidden, bzip2Encode(t, newc())} {
			i := mustRead(t, slices.Concat(hidden, next))
			if len(i.Entries) != 1 || i.Archives[0].Size != int64(len(hidden)) {
				t.Errorf("followed by %d bytes: %+v", len(next), i.Archives)
			}
		}
		for n := range hidden {
			if _, err := read(hidden[:n]); err == nil {
				t.Errorf("the first %d of %d bytes are read", n, len(hidden))
			}
		}
	}
}
