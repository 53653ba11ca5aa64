package chunk

import (
	"io"
	"time"

	"github.com/cespare/xxhash/v2"
)

// sumOf is the sum of the content of a file, which is read once.
func (a *archive) sumOf(i int, block []byte) (uint64, error) {
	i = a.tree.entries[i].leader
	e := &a.tree.entries[i]
	if e.size == 0 || a.read[i] {
		return a.sums[i], nil
	}
	sum, err := a.copy(io.Discard, e.name, e.size, block)
	if err == nil {
		a.sums[i], a.read[i] = sum, true
	}
	return sum, err
}

// groupSum is [Group.Sum] of a group whose files do not have their times yet.
func (a *archive) groupSum(g *Group, block []byte) ([]byte, error) {
	heads := newHeadWriter(a.tree)
	sum := newGroupHash()
	for _, f := range g.Files {
		i := a.tree.find(f.Name)
		header := a.tree.header(item{entry: i})
		at, err := a.timeFor(a.tree.entries[i].leader, f.Time)
		if err != nil {
			return nil, err
		}
		header.ModTime = time.Unix(at, 0)
		head, err := heads.bytes(header)
		if err != nil {
			return nil, err
		}
		content, err := a.sumOf(i, block)
		if err != nil {
			return nil, err
		}
		sum.add(xxhash.Sum64(head), content)
	}
	return sum.sum(), nil
}
