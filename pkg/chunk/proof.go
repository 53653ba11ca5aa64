package chunk

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// DifferenceError says that layers that were written are not the image they
// were made of. It is a mistake in bootkiln, or a machine that errs.
type DifferenceError struct {
	// Name is the file, "" for what is about no single one.
	Name string
	// What differs.
	What string
}

func (e *DifferenceError) Error() string {
	if e.Name == "" {
		return "the layers differ from the image: " + e.What
	}
	return fmt.Sprintf("the layers differ from the image: %q: %s", e.Name, e.What)
}

// place is which of the three kinds of layer something is read from.
type place int

const (
	placeLowest  place = iota // all directories
	placeFiles                // files, below plain directories
	placeHighest              // directories that are not plain
)

// proof compares what layers hold, entry by entry as they are read back, with
// the source. Layers may be given at the same time.
type proof struct {
	tree *tree
	sums []uint64 // of the contents, as they were read from the source

	mu   sync.Mutex
	seen []seen
	// gone are the whiteouts that there have to be, and whether a layer has them.
	gone map[string]bool
}

// sighting is an entry that a layer has, as the image has it.
type sighting struct {
	entry int
	in    seen
}

// seen is where an entry was found.
type seen uint8

const (
	seenLowest seen = 1 << iota
	seenFile
	seenHighest
)

func newProof(a *archive) *proof {
	return &proof{tree: a.tree, sums: a.sums, seen: make([]seen, len(a.tree.entries))}
}

// layer begins the proof of one layer, of which nobody else reads through the
// block meanwhile.
func (p *proof) layer(from place, block []byte) *layerProof {
	return &layerProof{proof: p, from: from, here: map[int]bool{}, removed: map[string]bool{}, block: block}
}

// archive reads a whole archive. What it has found is for [proof.accept].
func (p *layerProof) archive(ctx context.Context, r io.Reader) error {
	return eachEntry(ctx, r, p.entry)
}

// eachEntry reads an archive.
func eachEntry(ctx context.Context, r io.Reader, entry func(*tar.Header, io.Reader) error) error {
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the layer back: %w", err)
		}
		if err := entry(h, tr); err != nil {
			return err
		}
	}
}

// head reads what is in front of the content of one entry of an archive that is
// written again: see [writer.reuse].
func (p *layerProof) head(head []byte) error {
	h, err := tar.NewReader(bytes.NewReader(head)).Next()
	if err != nil {
		return fmt.Errorf("reading a header back: %w", err)
	}
	return p.entry(h, nil)
}

// accept counts what a layer of the image has, and what it removes.
func (p *proof) accept(found []sighting, removed map[string]bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range removed {
		p.gone[name] = true
	}
	for _, s := range found {
		if p.seen[s.entry]&s.in != 0 {
			return &DifferenceError{Name: p.tree.entries[s.entry].name, What: "it is in two layers"}
		}
		p.seen[s.entry] |= s.in
	}
	return nil
}

// layerProof reads one layer.
type layerProof struct {
	*proof
	from    place
	here    map[int]bool // names of the layer, where links may lead
	found   []sighting
	removed map[string]bool // by whiteouts
	block   []byte
}

// entry compares an entry with the image; its content only where there is one.
func (p *layerProof) entry(h *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	differs := func(format string, args ...any) error {
		return &DifferenceError{Name: name, What: fmt.Sprintf(format, args...)}
	}
	i := p.tree.find(name)
	switch {
	case i < 0 && p.from == placeHighest && strings.HasPrefix(path.Base(name), whiteout):
		return p.removal(name, h, differs)
	case i < 0:
		return differs("the image does not have it")
	}
	e := &p.tree.entries[i]
	if p.here[i] {
		return differs("it is twice in one layer")
	}
	p.here[i] = true

	mark := seenFile
	switch {
	case e.isDir() != (h.Typeflag == tar.TypeDir):
		return differs("type %q, and %v in the image", h.Typeflag, e.mode)
	case p.from == placeLowest && e.isDir():
		mark = seenLowest
	case p.from == placeHighest && e.isDir():
		mark = seenHighest
	case p.from != placeFiles:
		return differs("a file is in a layer of directories")
	case e.isDir():
		return plainDirectory(h, differs)
	}
	if err := p.attributes(e, h, differs); err != nil {
		return err
	}
	if !e.isDir() {
		if err := p.body(i, h, content, differs); err != nil {
			return err
		}
	}
	p.found = append(p.found, sighting{i, mark})
	return nil
}

// removal notes what removes a file of a stale layer.
func (p *layerProof) removal(name string, h *tar.Header, differs func(string, ...any) error) error {
	_, ok := p.gone[name]
	if !ok || p.removed[name] || h.Typeflag != tar.TypeReg || h.Size != 0 {
		return differs("it removes a file that it must not")
	}
	p.removed[name] = true
	return nil
}

// attributes compares what does not depend on the type.
func (p *layerProof) attributes(e *entry, h *tar.Header, differs func(string, ...any) error) error {
	switch {
	case h.Mode != e.bits:
		return differs("mode %04o, and %04o in the image", h.Mode, e.bits)
	case h.Uid != e.uid || h.Gid != e.gid:
		return differs("owner %d:%d, and %d:%d in the image", h.Uid, h.Gid, e.uid, e.gid)
	}
	attrs := xattrsOf(h)
	for key, value := range e.xattrs {
		if got, ok := attrs[key]; !ok || got != value {
			return differs("extended attribute %q is %q, and %q in the image", key, got, value)
		}
	}
	for key := range attrs {
		if _, ok := e.xattrs[key]; !ok {
			return differs("extended attribute %q, which it has not in the image", key)
		}
	}
	return nil
}

// body compares the type and what the type has: content, target, numbers.
func (p *layerProof) body(i int, h *tar.Header, content io.Reader, differs func(string, ...any) error) error {
	e := &p.tree.entries[i]
	if e.leader != i {
		// Of one group with its first name, and that is in this layer.
		first := p.tree.entries[e.leader].name
		if h.Typeflag != tar.TypeLink || h.Linkname != first || !p.here[e.leader] {
			return differs("it is no hard link to %q, as in the image", first)
		}
		return nil
	}
	want := map[fs.FileMode]byte{
		0: tar.TypeReg, fs.ModeSymlink: tar.TypeSymlink, fs.ModeNamedPipe: tar.TypeFifo,
		fs.ModeDevice | fs.ModeCharDevice: tar.TypeChar, fs.ModeDevice: tar.TypeBlock,
	}[e.mode.Type()]
	switch {
	case h.Typeflag != want:
		return differs("type %q, and %v in the image", h.Typeflag, e.mode)
	case h.Size != e.size:
		return differs("%d bytes, and %d in the image", h.Size, e.size)
	case h.Linkname != e.target:
		return differs("link to %q, and to %q in the image", h.Linkname, e.target)
	case h.Devmajor != int64(e.major) || h.Devminor != int64(e.minor):
		return differs("device %d:%d, and %d:%d in the image", h.Devmajor, h.Devminor, e.major, e.minor)
	case e.size == 0 || content == nil:
		return nil
	}
	sum := xxhash.New()
	if _, err := io.CopyBuffer(onlyWriter{sum}, content, p.block); err != nil {
		return fmt.Errorf("reading the layer back: %q: %w", e.name, err)
	}
	if sum.Sum64() != p.sums[i] {
		return differs("other content than in the image")
	}
	return nil
}

// onlyWriter hides a ReadFrom, which would not take the buffer.
type onlyWriter struct{ io.Writer }

// finish says what no layer had.
func (p *proof) finish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.tree.entries {
		e := &p.tree.entries[i]
		want := seenFile
		if e.isDir() {
			if want = seenLowest; !e.plain() {
				want |= seenHighest
			}
			if e.implied() {
				want = 0
			}
		}
		if p.seen[i]&want != want {
			return &DifferenceError{Name: e.name, What: "no layer has it"}
		}
	}
	for name, done := range p.gone {
		if !done {
			return &DifferenceError{Name: name, What: "no layer has it, so that a file of the previous image would be back"}
		}
	}
	return nil
}

func xattrsOf(h *tar.Header) map[string]string {
	attrs := map[string]string{}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrRecord); ok {
			attrs[name] = value
		}
	}
	return attrs
}
