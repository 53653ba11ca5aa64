package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
)

// Limits on what the layers may hold, so that hostile ones cost an error and
// not the machine's memory. An OS image of a million files needs a third of
// maxMetadata.
const (
	maxMetadata   = 1 << 30 // bytes, estimated
	nodeSize      = 320     // bytes of a node with its place in a map
	maxNameLength = 4096    // PATH_MAX of Linux
	maxDepth      = maxNameLength / 2
)

// Whiteouts of the OCI image specification, layer.md ("Whiteouts").
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh." // reserved by aufs; all but one of them mean nothing
	whiteoutOpaque = ".wh..wh..opq"
)

var errTooMany = errors.New("the layers have more files than memory is allowed for")

// budget is how many bytes of metadata the layers of an image may still add,
// which are read at the same time.
type budget struct{ bytes atomic.Int64 }

func newBudget(bytes int64) *budget {
	b := &budget{}
	b.bytes.Store(bytes)
	return b
}

func (b *budget) take(bytes int) error {
	if b.bytes.Add(-int64(bytes)) < 0 {
		return errTooMany
	}
	return nil
}

// layerMarks is what a layer says of a directory beyond its content.
type layerMarks struct {
	// implied directories have no entry of their own: they have the attributes
	// of the layer below, and those of a plain directory where it has none.
	implied bool
	// opaque directories hide everything that lower layers have in them.
	opaque bool
	// whiteouts are the names that lower layers have and this one removes.
	whiteouts map[string]struct{}
	// depth is how many directories are above it.
	depth int
}

// impliedDir makes a directory that no entry describes.
func impliedDir() *node {
	n := &node{children: map[string]*node{}, layerOnly: &layerMarks{implied: true}}
	n.mode = fs.ModeDir | 0o755
	n.stat.Mode = 0o755
	return n
}

// layerReader reads one layer into a tree of its own. A layer is applied to
// the ones below only when it is complete, as overlayfs and ostree do: so its
// entries may stand in any order, and its links lead to its own files alone.
type layerReader struct {
	root    *node
	archive io.Seeker
	content io.ReaderAt
	left    *budget
}

// readLayer reads a tar archive to its end marker. The contents of its files it
// passes over: they are to be read from content, at the same offsets. It takes
// what it keeps in memory off the budget.
func readLayer(ctx context.Context, r io.ReadSeeker, content io.ReaderAt, left *budget) (*node, error) {
	l := &layerReader{root: impliedDir(), archive: r, content: content, left: left}
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hdr, err := tr.Next()
		if err == io.EOF {
			return l.root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading archive: %w", err)
		}
		if err := l.add(hdr); err != nil {
			return nil, fmt.Errorf("entry %q: %w", hdr.Name, err)
		}
	}
}

func (l *layerReader) add(hdr *tar.Header) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if name == "" {
		if hdr.Typeflag != tar.TypeDir {
			return errors.New("the root is not a directory")
		}
		l.root.attrs, l.root.xattrs = headerAttrs(hdr), headerXattrs(hdr)
		l.root.layerOnly.implied = false
		return nil
	}
	if strings.HasPrefix(name, whiteoutMeta) && name != whiteoutOpaque {
		return nil // folders of aufs, with all that is in them
	}
	dirName, base := path.Split(name)
	dir, err := l.makeDir(strings.TrimSuffix(dirName, "/"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return l.whiteOut(dir, base)
	}
	n, err := l.newNode(hdr)
	if err != nil {
		return err
	}
	if old, ok := dir.children[base]; ok && old.isDir() && n.isDir() {
		n.children, n.layerOnly = old.children, old.layerOnly
		n.layerOnly.implied = false
	}
	return l.put(dir, base, n)
}

// put enters a file into a directory, within the limits.
func (l *layerReader) put(dir *node, base string, n *node) error {
	size := nodeSize + len(base) + len(n.target)
	for key, value := range n.xattrs {
		size += nodeSize + len(key) + len(value)
	}
	if err := l.left.take(size); err != nil {
		return err
	}
	if n.isDir() {
		n.layerOnly.depth = dir.layerOnly.depth + 1
		if n.layerOnly.depth > maxDepth {
			return syscall.ENAMETOOLONG
		}
	}
	dir.children[base] = n
	return nil
}

func (l *layerReader) whiteOut(dir *node, base string) error {
	marks := dir.layerOnly
	switch hidden := strings.TrimPrefix(base, whiteoutPrefix); {
	case base == whiteoutOpaque:
		marks.opaque = true
	case strings.HasPrefix(base, whiteoutMeta):
	case hidden == "" || hidden == "." || hidden == "..":
		return errors.New("whiteout names no file")
	default:
		if err := l.left.take(nodeSize + len(hidden)); err != nil {
			return err
		}
		if marks.whiteouts == nil {
			marks.whiteouts = map[string]struct{}{}
		}
		marks.whiteouts[hidden] = struct{}{}
	}
	return nil
}

// newNode makes the file that an entry describes, which was just read.
func (l *layerReader) newNode(hdr *tar.Header) (*node, error) {
	if isSparse(hdr) {
		// Its content may be larger than any disk. Nothing that writes image
		// layers makes one, and bootc's composefs back end refuses it.
		return nil, errors.New("sparse files are not supported")
	}
	n := &node{attrs: headerAttrs(hdr), xattrs: headerXattrs(hdr)}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeCont:
		var err error
		n.size, n.content = hdr.Size, l.content
		n.offset, err = l.archive.Seek(0, io.SeekCurrent)
		return n, err
	case tar.TypeLink:
		name, err := cleanName(hdr.Linkname)
		if err != nil {
			return nil, fmt.Errorf("hard link to %q: %w", hdr.Linkname, err)
		}
		target, err := l.root.find(name, false)
		if err == nil && target.isDir() {
			err = syscall.EISDIR
		}
		if err != nil {
			return nil, fmt.Errorf("hard link to %q, which must be an earlier file of the same layer: %w", hdr.Linkname, err)
		}
		return target, nil
	case tar.TypeSymlink:
		if len(hdr.Linkname) >= maxNameLength {
			return nil, syscall.ENAMETOOLONG
		}
		n.target, n.size = hdr.Linkname, int64(len(hdr.Linkname))
		return n, nil
	case tar.TypeDir:
		n.children, n.layerOnly = map[string]*node{}, &layerMarks{}
		return n, nil
	case tar.TypeChar, tar.TypeBlock:
		n.stat.DevMajor, n.stat.DevMinor = uint32(hdr.Devmajor), uint32(hdr.Devminor)
		return n, nil
	case tar.TypeFifo:
		return n, nil
	}
	return nil, fmt.Errorf("unknown type %q", hdr.Typeflag)
}

// makeDir returns the named directory of the layer, and makes it where no
// entry did. Links on the way are followed, within the layer.
func (l *layerReader) makeDir(name string) (*node, error) {
	dir, err := l.root.find(name, true)
	switch {
	case err == nil && !dir.isDir():
		return nil, fmt.Errorf("%q: %w", name, syscall.ENOTDIR)
	case err == nil:
		return dir, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	above, base := path.Split(name)
	parent, err := l.makeDir(strings.TrimSuffix(above, "/"))
	if err != nil {
		return nil, err
	}
	if _, ok := parent.children[base]; ok {
		return nil, fmt.Errorf("%q is a link to nothing in its layer", name)
	}
	dir = impliedDir()
	return dir, l.put(parent, base, dir)
}

// apply puts a complete layer on top of the tree below it and returns the
// result, which takes both over.
func apply(lower, upper *node) *node {
	marks := upper.layerOnly
	if marks.implied {
		upper.attrs, upper.xattrs = lower.attrs, lower.xattrs
	}
	if marks.opaque {
		return upper
	}
	for name := range marks.whiteouts {
		delete(lower.children, name)
	}
	for name, above := range upper.children {
		if below, ok := lower.children[name]; ok && below.isDir() && above.isDir() {
			above = apply(below, above)
		}
		lower.children[name] = above
	}
	upper.children = lower.children
	return upper
}

// cleanName makes an entry's name relative to the root, without "." and "..";
// the root itself is "". A name that leads out of the root is an error, as
// podman and bootc refuse such a layer too.
func cleanName(name string) (string, error) {
	if len(name) >= maxNameLength {
		return "", syscall.ENAMETOOLONG
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case strings.IndexByte(clean, 0) >= 0:
		return "", fs.ErrInvalid
	case clean == ".":
		return "", nil
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", errors.New("the name leaves the root file system")
	}
	return clean, nil
}

func headerAttrs(hdr *tar.Header) attrs {
	mode := hdr.FileInfo().Mode()
	return attrs{
		mode:  mode,
		mtime: hdr.ModTime,
		stat:  Stat{UID: hdr.Uid, GID: hdr.Gid, Mode: permBits(mode)},
	}
}

func headerXattrs(hdr *tar.Header) map[string][]byte {
	const prefix = "SCHILY.xattr."
	var out map[string][]byte
	for key, value := range hdr.PAXRecords {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			if out == nil {
				out = map[string][]byte{}
			}
			out[name] = []byte(value)
		}
	}
	return out
}

func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
