package layermodel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/chunk"
)

// Layout says for each file of a tree, by its place, which layer it is in; -1
// for none.
type Layout struct {
	Of     []int
	Layers int
	// Time is the modification time that a file has in its layer; nil where
	// times are no part of what makes a layer another one.
	Time func(i int) int64
	// Stale are layers that are those of an image before, with files that are
	// in no layer any more: their diff IDs, by place.
	Stale map[int]string
}

// layer is what a client knows a layer by, and what fetching it costs.
type layer struct {
	id    [sha256.Size]byte
	bytes int64
}

func (t *Tree) layers(l Layout) []layer {
	list := make([]layer, l.Layers)
	sums := make([][]byte, l.Layers)
	linked := map[uint64]bool{}
	for i := range t.Files { // by name, so that a layer's sum has an order
		at := l.Of[i]
		if at < 0 {
			continue
		}
		c := &t.Files[i]
		sums[at] = append(append(sums[at], c.Name...), c.Sum[:]...)
		if l.Time != nil {
			sums[at] = binary.BigEndian.AppendUint64(sums[at], uint64(l.Time(i)))
		}
		if c.Inode != 0 && linked[c.Inode] {
			list[at].bytes += overhead
			continue
		}
		linked[c.Inode] = c.Inode != 0
		list[at].bytes += c.Compressed
	}
	for at := range list {
		list[at].id = sha256.Sum256(sums[at])
		if id, ok := l.Stale[at]; ok {
			list[at].id = idOf(id)
		}
	}
	return list
}

const diffID = "sha256:%x"

// idOf reads what Written wrote.
func idOf(text string) (id [sha256.Size]byte) {
	var b []byte
	if n, err := fmt.Sscanf(text, diffID, &b); n == 1 && err == nil {
		copy(id[:], b)
	}
	return id
}

// Download is how many compressed bytes a client of one image fetches for
// another one: all of each layer that it does not have.
func Download(before *Tree, has Layout, after *Tree, wants Layout) int64 {
	known := map[[sha256.Size]byte]bool{}
	for _, l := range before.layers(has) {
		known[l.id] = true
	}
	sum := int64(0)
	for _, l := range after.layers(wants) {
		if !known[l.id] {
			sum += l.bytes
		}
	}
	return sum
}

// Total is the compressed size of a tree.
func (t *Tree) Total() int64 {
	sum := int64(0)
	for _, l := range t.layers(Layout{Of: make([]int, len(t.Files)), Layers: 1}) {
		sum += l.bytes
	}
	return sum
}

// Planned is the layout of a plan.
func (t *Tree) Planned(p *chunk.Plan) Layout {
	l := Layout{Of: make([]int, len(t.Files)), Layers: len(p.Layers), Stale: map[int]string{}}
	for i := range l.Of {
		l.Of[i] = -1
	}
	times := make([]int64, len(t.Files))
	for at := range p.Layers {
		if p.Layers[at].Dead > 0 {
			l.Stale[at] = p.Layers[at].DiffID
		}
		for _, g := range p.Layers[at].Groups {
			for _, f := range g.Files {
				if i := t.find(f.Name); i >= 0 {
					l.Of[i], times[i] = at, f.Time
				}
			}
		}
	}
	l.Time = func(i int) int64 { return times[i] }
	return l
}

// Readable is for [chunk.Options.Stale]: every layer of an image before can be read.
func Readable(string) bool { return true }

// Written fills in what a writer does: the digests that the plan asks for, and
// the sizes and diff IDs of the layers.
func (t *Tree) Written(p *chunk.Plan) {
	sizes := t.layers(t.Planned(p))
	for at := range p.Layers {
		if p.Layers[at].Dead == 0 {
			p.Layers[at].Size, p.Layers[at].DiffID = sizes[at].bytes, fmt.Sprintf(diffID, sizes[at].id)
		}
		for g := range p.Layers[at].Groups {
			files := p.Layers[at].Groups[g].Files
			p.Layers[at].Groups[g].Sum, _ = t.GroupSum(&p.Layers[at].Groups[g]) // of files that are there
			for i := range files {
				if f := &files[i]; f.Track {
					f.Sum = t.Files[t.find(f.Name)].Sum[:]
				}
			}
		}
	}
}

func (t *Tree) find(name string) int {
	i, ok := slices.BinarySearchFunc(t.Files, name, func(c Content, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return -1
	}
	return i
}

// Owners returns the source package of each file, "" where none has it.
func (t *Tree) Owners() []string {
	owners := make([]string, len(t.Files))
	for _, p := range t.Packages {
		for _, name := range p.Files {
			i := t.find(name)
			for dir := path.Dir(name); i < 0 && dir != "."; dir = path.Dir(dir) {
				// "lib" that leads to "usr/lib"
				if at := t.find(dir); at >= 0 && t.Files[at].Mode&fs.ModeSymlink != 0 {
					i = t.find(path.Join(path.Dir(dir), t.Files[at].Target, strings.TrimPrefix(name, dir)))
				}
			}
			if i >= 0 && owners[i] == "" {
				owners[i] = p.Source
			}
		}
	}
	return owners
}

// Floor is the least that layers can do which are not split within a source
// package: the compressed size of each one, and of each file without an owner,
// that changed at all. changed is the part of it that is in changed files.
func Floor(before, after *Tree) (floor, changed int64, packages []string) {
	old := map[string][sha256.Size]byte{}
	for _, c := range before.Files {
		old[c.Name] = c.Sum
	}
	sizes, touched := map[string]int64{}, map[string]bool{}
	linked := map[uint64]bool{}
	owners := after.Owners()
	present := map[string]bool{}
	for i, c := range after.Files {
		present[c.Name] = true
		size := c.Compressed
		if c.Inode != 0 && linked[c.Inode] {
			size = overhead
		}
		linked[c.Inode] = c.Inode != 0
		differs := old[c.Name] != c.Sum
		if differs {
			changed += size
		}
		if owners[i] == "" {
			if differs {
				floor += size
			}
			continue
		}
		sizes[owners[i]] += size
		touched[owners[i]] = touched[owners[i]] || differs
	}
	// A package that lost a file has changed too.
	for i, owner := range before.Owners() {
		if owner != "" && !present[before.Files[i].Name] {
			touched[owner] = true
		}
	}
	for owner, size := range sizes {
		if touched[owner] {
			floor += size
			packages = append(packages, owner)
		}
	}
	slices.Sort(packages)
	return floor, changed, packages
}
