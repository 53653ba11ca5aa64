package chunk

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Directories belong to no group, because they belong to many layers: one
// whose mode changes must not change every layer that has a file below it.
// There are three kinds of layer:
//
//   - the lowest holds every directory with its real attributes;
//   - the layers of the plan hold files, and the directories above them as
//     plain ones (root's, mode 0755), whatever they are. A directory that a
//     layer does not name would be made by whoever unpacks it, as it likes and
//     at the time it does so;
//   - the highest holds again those directories that are not plain, and what
//     removes files of stale layers, below directories as they really are.
//
// Where layers are stacked (overlayfs) or unpacked one over the other, the last
// one to name a directory is right about it; where ostree merges them, the
// first is. Either way it is a layer that tells the truth. The time of every
// directory is that of the epoch, because it says when a file in it was last
// added, which here is the time of the build.

// item is what a layer holds of an entry.
type item struct {
	entry int
	// plain makes a directory root's, with mode 0755.
	plain bool
	// gone is a name in the directory entry that lower layers have and the image
	// has not: the item is what removes it.
	gone string
}

// whiteout begins the name of what removes a file of a lower layer (OCI image
// specification, layer.md, "Whiteouts").
const whiteout = ".wh."

// name is what the item is called in an archive, without the slash after a
// directory.
func (t *tree) name(it item) string {
	name := t.entries[it.entry].name
	if it.gone != "" {
		return path.Join(name, whiteout+it.gone)
	}
	return name
}

// items returns what a layer with these files holds, in the order of the
// archive: the directories above a file come before it, and the first name of
// a file with hard links before the others.
func (t *tree) items(files []int) ([]item, error) {
	files = slices.Sorted(slices.Values(files))
	list := make([]item, 0, len(files)+len(files)/4)
	named := map[int]bool{}
	var above func(name string) error
	above = func(name string) error {
		dir := path.Dir(name)
		if dir == "." {
			return nil
		}
		i := t.find(dir)
		if i < 0 {
			return fmt.Errorf("%q is in a folder that is not there", name)
		}
		if named[i] {
			return nil
		}
		named[i] = true
		if err := above(dir); err != nil {
			return err
		}
		list = append(list, item{entry: i, plain: true})
		return nil
	}
	for _, i := range files {
		e := &t.entries[i]
		if e.leader != i {
			if _, ok := slices.BinarySearch(files, e.leader); !ok {
				return nil, fmt.Errorf("%q and %q are one file, and in two layers", t.entries[e.leader].name, e.name)
			}
		}
		if err := above(e.name); err != nil {
			return nil, err
		}
		list = append(list, item{entry: i})
	}
	return list, nil
}

// directories returns what the lowest layer holds, and what the highest does.
func (t *tree) directories() (all, own []item) {
	for i := range t.entries {
		e := &t.entries[i]
		if !e.isDir() || e.implied() {
			continue
		}
		all = append(all, item{entry: i})
		if e.name == "." || !e.plain() {
			own = append(own, item{entry: i})
		}
	}
	return all, own
}

// header describes an item to the archive. It has no names of users and groups:
// those are the image's own affair.
func (t *tree) header(it item) *tar.Header {
	e := &t.entries[it.entry]
	if it.gone != "" {
		return &tar.Header{Format: tar.FormatPAX, Name: t.name(it), Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(0, 0)}
	}
	h := &tar.Header{
		Format: tar.FormatPAX, Name: e.name, Mode: e.bits, Uid: e.uid, Gid: e.gid,
		ModTime: time.Unix(t.entries[e.leader].mtime, 0),
	}
	switch {
	case e.isDir():
		h.Typeflag, h.Name, h.ModTime = tar.TypeDir, e.name+"/", time.Unix(0, 0)
		if it.plain {
			h.Mode, h.Uid, h.Gid = 0o755, 0, 0
			return h
		}
	case e.leader != it.entry:
		h.Typeflag, h.Linkname = tar.TypeLink, t.entries[e.leader].name
	case e.mode.IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, e.size
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.target
	case e.mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	case e.mode&fs.ModeCharDevice != 0:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(e.major), int64(e.minor)
	default:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(e.major), int64(e.minor)
	}
	// Also of a further name of a file: containers/storage sets the owner once
	// more with it, upon which Linux takes the capabilities away.
	for key, value := range e.xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+key] = value
	}
	return h
}

// xattrRecord begins the PAX records of extended attributes, as star writes
// and everybody reads them.
const xattrRecord = "SCHILY.xattr."

const tarBlock = 512

// archive writes layers as tar archives.
type archive struct {
	tree *tree
	root image.Root
	// sums has what was read of every regular file, and heads what was written
	// before the content of everything that is no directory.
	sums, heads []uint64
	// read has which of the sums are there already.
	read []bool
	// compiled are the compiled forms of Python sources, by the source.
	compiled map[int][]int
}

func newArchive(t *tree, root image.Root) *archive {
	n := len(t.entries)
	return &archive{tree: t, root: root, sums: make([]uint64, n), heads: make([]uint64, n), read: make([]bool, n), compiled: t.compiled()}
}

// headWriter writes the headers of archives.
type headWriter struct {
	tree       *tree
	buf        bytes.Buffer
	fresh, now tar.Writer
}

func newHeadWriter(t *tree) *headWriter {
	h := &headWriter{tree: t}
	h.fresh = *tar.NewWriter(&h.buf)
	return h
}

// head returns the bytes in front of an item's content. They are valid until
// the next call.
func (h *headWriter) head(it item) ([]byte, error) { return h.bytes(h.tree.header(it)) }

func (h *headWriter) bytes(header *tar.Header) ([]byte, error) {
	h.buf.Reset()
	h.now = h.fresh // which a tar.Writer of its own for each would be, but for the garbage
	if err := h.now.WriteHeader(header); err != nil {
		return nil, fmt.Errorf("%q: %w", header.Name, err)
	}
	return h.buf.Bytes(), nil
}

// content returns how many bytes of content an item has.
func (a *archive) content(it item) int64 {
	if e := &a.tree.entries[it.entry]; e.leader == it.entry {
		return e.size
	}
	return 0
}

// size returns how long the archive of the items is.
func (a *archive) size(items []item) (int64, error) {
	heads := newHeadWriter(a.tree)
	sum := int64(2 * tarBlock) // the end marker
	for _, it := range items {
		head, err := heads.head(it)
		if err != nil {
			return 0, err
		}
		n := a.content(it)
		sum += int64(len(head)) + n + padding(n)
	}
	return sum, nil
}

func padding(n int64) int64 { return -n & (tarBlock - 1) }

var zeros [2 * tarBlock]byte

// write writes the archive of the items through the block, and remembers what
// it read. It calls look, where that is not nil, with each header that it wrote.
func (a *archive) write(ctx context.Context, w io.Writer, items []item, block []byte, look func(head []byte) error) error {
	heads := newHeadWriter(a.tree)
	for _, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		head, err := heads.head(it)
		if err != nil {
			return err
		}
		if look != nil {
			if err := look(head); err != nil {
				return err
			}
		}
		if !a.tree.entries[it.entry].isDir() { // a directory is in several layers, which are written at the same time
			a.heads[it.entry] = xxhash.Sum64(head)
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		n := a.content(it)
		if n == 0 {
			continue
		}
		if a.sums[it.entry], err = a.copy(w, a.tree.entries[it.entry].name, n, block); err != nil {
			return err
		}
		if _, err := w.Write(zeros[:padding(n)]); err != nil {
			return err
		}
	}
	_, err := w.Write(zeros[:])
	return err
}

var errGrown = errors.New("it was changed while it was read")

// copy writes a file's content and returns its sum.
func (a *archive) copy(w io.Writer, name string, size int64, block []byte) (uint64, error) {
	f, err := a.root.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sum := xxhash.New()
	for left := size; ; {
		n, err := f.Read(block)
		if left -= int64(n); left < 0 {
			return 0, fmt.Errorf("%q: %w", name, errGrown)
		}
		_, _ = sum.Write(block[:n]) // a hash never fails
		if _, err := w.Write(block[:n]); err != nil {
			return 0, err
		}
		switch {
		case left == 0:
			return sum.Sum64(), nil
		case err == io.EOF:
			return 0, fmt.Errorf("%q: %w", name, errGrown)
		case err != nil:
			return 0, fmt.Errorf("%q: %w", name, err)
		}
	}
}

// entrySum is [Entry.Sum] of a file whose content has the given sum.
func (t *tree) entrySum(i int, content uint64) []byte {
	e := &t.entries[i]
	sum := xxhash.New()
	put := func(v any) { _ = binary.Write(sum, binary.LittleEndian, v) } // a hash never fails
	put([]uint64{content, uint64(e.mode.Type()), uint64(e.bits), uint64(e.uid), uint64(e.gid)})
	for _, key := range slices.Sorted(maps.Keys(e.xattrs)) {
		put([]uint64{uint64(len(key)), uint64(len(e.xattrs[key]))})
		_, _ = io.Copy(sum, strings.NewReader(key+e.xattrs[key]))
	}
	return sum.Sum(nil)
}
