package image

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"syscall"
)

// node is a file of a merged tree, or of one layer. The names of one file
// (hard links) share their node.
type node struct {
	attrs
	xattrs   map[string][]byte
	target   string           // of a symbolic link
	content  io.ReaderAt      // has a regular file's content
	offset   int64            // of it there
	children map[string]*node // not nil for a directory, and only for one

	layerOnly *layerMarks // of a directory in a layer that is not merged yet
}

func (n *node) isDir() bool { return n.children != nil }

func (n *node) child(name string) (*node, error) {
	if !n.isDir() {
		return nil, syscall.ENOTDIR
	}
	c, ok := n.children[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	return c, nil
}

// find looks a name up under root as a chrooted process would.
func (n *node) find(name string, follow bool) (*node, error) {
	return resolver[*node]{
		root:  n,
		child: (*node).child,
		isDir: (*node).isDir,
		link: func(n *node) (string, bool, error) {
			return n.target, n.mode&fs.ModeSymlink != 0, nil
		},
		drop: func(*node) {},
	}.resolve(name, follow)
}

// number gives every file its inode number and link count.
func (n *node) number() {
	var last uint64
	var walk func(n *node)
	walk = func(n *node) {
		n.stat.Nlink++
		if n.stat.Nlink > 1 {
			return
		}
		last++
		n.stat.Inode = last
		if !n.isDir() {
			return
		}
		n.stat.Nlink = 2
		for _, name := range slices.Sorted(maps.Keys(n.children)) {
			c := n.children[name]
			walk(c)
			if c.isDir() {
				n.stat.Nlink++
			}
		}
	}
	walk(n)
}

// treeRoot is a Root over a merged tree.
type treeRoot struct {
	release func() error

	mu   sync.Mutex
	tree *node // nil when closed
}

func (r *treeRoot) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tree == nil {
		return fs.ErrClosed
	}
	r.tree = nil
	return r.release()
}

func (r *treeRoot) lookup(op, name string, follow bool) (*node, error) {
	r.mu.Lock()
	tree := r.tree
	r.mu.Unlock()
	err := fs.ErrClosed
	if tree != nil {
		err = fs.ErrInvalid
		if validName(name) {
			n, findErr := tree.find(name, follow)
			if findErr == nil {
				return n, nil
			}
			err = findErr
		}
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: err}
}

func (n *node) info(name string) *fileInfo { return &fileInfo{name: path.Base(name), attrs: n.attrs} }

func (n *node) entries() []fs.DirEntry {
	entries := make([]fs.DirEntry, 0, len(n.children))
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		entries = append(entries, fs.FileInfoToDirEntry(n.children[name].info(name)))
	}
	return entries
}

func (r *treeRoot) Open(name string) (fs.File, error) {
	n, err := r.lookup("open", name, true)
	switch {
	case err != nil:
		return nil, err
	case n.isDir():
		return &openDir{info: n.info(name), entries: n.entries()}, nil
	case !n.mode.IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	return &treeFile{
		SectionReader: io.NewSectionReader(n.content, n.offset, n.size),
		info:          n.info(name),
	}, nil
}

func (r *treeRoot) Stat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("stat", name, true)
	if err != nil {
		return nil, err
	}
	return n.info(name), nil
}

func (r *treeRoot) Lstat(name string) (fs.FileInfo, error) {
	n, err := r.lookup("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return n.info(name), nil
}

func (r *treeRoot) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := r.lookup("readdir", name, true)
	if err == nil && !n.isDir() {
		err = &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return n.entries(), nil
}

func (r *treeRoot) ReadLink(name string) (string, error) {
	n, err := r.lookup("readlink", name, false)
	if err == nil && n.mode&fs.ModeSymlink == 0 {
		err = &fs.PathError{Op: "readlink", Path: name, Err: syscall.EINVAL}
	}
	if err != nil {
		return "", err
	}
	return n.target, nil
}

func (r *treeRoot) Xattrs(name string) (map[string][]byte, error) {
	n, err := r.lookup("xattrs", name, false)
	if err != nil || len(n.xattrs) == 0 {
		return nil, err
	}
	out := make(map[string][]byte, len(n.xattrs))
	for key, value := range n.xattrs {
		out[key] = bytes.Clone(value)
	}
	return out, nil
}

// treeFile is an opened regular file of a treeRoot.
type treeFile struct {
	*io.SectionReader
	info *fileInfo
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *treeFile) Close() error               { return nil }
