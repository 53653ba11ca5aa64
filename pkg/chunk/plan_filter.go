package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// rice is how many bits of a digest are kept beyond what tells the members of a
// filter apart: one of a million strangers passes for a member.
const rice = 20

// digest of a filter's member.
func memberOf(words ...[]byte) uint64 {
	h := sha256.New()
	for _, w := range words {
		h.Write(w)
		h.Write([]byte{0})
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// filter is a set of digests, in about 22 bits for each: scaled to the number
// of members, sorted, and the differences in Golomb's code (as in BIP 158).
type filter struct {
	members []uint64 // scaled and sorted
}

func newFilter(digests []uint64) filter {
	n := uint64(len(digests))
	members := make([]uint64, 0, n)
	for _, d := range digests {
		members = append(members, scale(d, n))
	}
	slices.Sort(members)
	return filter{members}
}

// scale maps a digest to a number below n<<rice.
func scale(d, n uint64) uint64 {
	hi, _ := bits.Mul64(d, n<<rice)
	return hi
}

func (f filter) has(digest uint64) bool {
	_, ok := slices.BinarySearch(f.members, scale(digest, uint64(len(f.members))))
	return ok
}

func (f filter) encode() []byte {
	var out []byte
	used := 8
	bit := func(one bool) {
		if used == 8 {
			out, used = append(out, 0), 0
		}
		if one {
			out[len(out)-1] |= 0x80 >> used
		}
		used++
	}
	last := uint64(0)
	for _, m := range f.members {
		difference := m - last
		last = m
		for range difference >> rice {
			bit(true)
		}
		bit(false)
		for i := rice - 1; i >= 0; i-- {
			bit(difference>>i&1 == 1)
		}
	}
	return out
}

var errFilter = errors.New("a set of files is cut off or has more members than it says")

// decodeFilter reads n members. What is read is never more than there are bits.
func decodeFilter(data []byte, n int) (filter, error) {
	if n < 0 || n > len(data)*8/(rice+1) {
		return filter{}, errFilter
	}
	at := 0
	bit := func() (uint64, bool) {
		if at >= 8*len(data) {
			return 0, false
		}
		b := data[at/8] >> (7 - at%8) & 1
		at++
		return uint64(b), true
	}
	f := filter{make([]uint64, 0, n)}
	last := uint64(0)
	for range n {
		high := uint64(0)
		for {
			b, ok := bit()
			if !ok {
				return filter{}, errFilter
			}
			if b == 0 {
				break
			}
			high++
		}
		low := uint64(0)
		for range rice {
			b, ok := bit()
			if !ok {
				return filter{}, errFilter
			}
			low = low<<1 | b
		}
		last += high<<rice | low
		if last >= uint64(n)<<rice {
			return filter{}, errFilter
		}
		f.members = append(f.members, last)
	}
	if at+8 <= 8*len(data) {
		return filter{}, errFilter
	}
	return f, nil
}
