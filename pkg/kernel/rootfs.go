package kernel

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// rootfs is the file system that an initramfs is being unpacked into. It does
// what the kernel's init/initramfs.c does with each entry, for the files'
// types, links and content.
type rootfs struct {
	o       *ReadOptions
	archive *Archive // the one being read
	nodes   map[string]*node
	// links are the files with more than one name in the cpio archive being
	// read; a trailer empties it.
	links   map[linkKey]*node
	dropped []string
	// count is the number of entries so far, kept the bytes held, steps the
	// path components looked up.
	count int
	kept  int64
	steps int
}

// node is an inode.
type node struct {
	mode    fs.FileMode
	size    int64
	link    string
	content []byte
	// keep says that Keep asked for the content under one of the names.
	keep bool
	// filled says that a directory has names in it. They can be replaced, but
	// no entry takes one away.
	filled bool
	// implied is a directory that the kernel makes, not the image.
	implied bool
}

// linkKey tells hard links: find_link in init/initramfs.c.
type linkKey struct {
	major, minor, ino, typ uint32
}

// implied are the directories that every kernel has before it unpacks anything
// (usr/default_cpio_list), and the root.
var implied = map[string]bool{".": true, "dev": true, "root": true}

// smallFile is the size up to which content is kept unasked.
const smallFile = 64 << 10

func newRootfs(o *ReadOptions) *rootfs {
	t := &rootfs{o: o, nodes: map[string]*node{}, links: map[linkKey]*node{}}
	for dir := range implied {
		t.nodes[dir] = &node{mode: fs.ModeDir | 0o755, implied: true}
	}
	return t
}

// charge accounts for n bytes to be held in memory.
func (t *rootfs) charge(n int64) error {
	if t.kept += n; t.kept > t.o.MaxKept {
		return fmt.Errorf("bytes to keep: %w", ErrLimit)
	}
	return nil
}

// drop notes that the kernel skips an entry.
func (t *rootfs) drop(name string) error {
	t.dropped = append(t.dropped, clean(name))
	return t.charge(int64(len(name)))
}

// keep reports whether the content of n, of h's size, is wanted.
func (t *rootfs) keep(h *cpioHeader, n *node) bool {
	return n.keep || h.size <= smallFile && ModuleName(h.name) == ""
}

// put files n under h's name and returns it, or the node that it is another
// name or a new version of; nil if the kernel skips it.
func (t *rootfs) put(h *cpioHeader, n *node) (*node, error) {
	linked, key := (*node)(nil), linkKey{h.major, h.minor, h.ino, h.mode & modeType}
	links := h.nlink >= 2 && !n.mode.IsDir() && n.mode&fs.ModeSymlink == 0
	if links {
		linked = t.links[key]
	}
	name, ok := t.place(h.name)
	if t.steps > 64*t.o.MaxEntries {
		// Links to links to links: an average no real image comes near.
		return nil, fmt.Errorf("work to follow links: %w", ErrLimit)
	}
	if ok && linked != lost {
		n, ok = t.link(name, n, linked)
	}
	if !ok || linked == lost {
		if links && linked == nil {
			t.links[key] = lost
		}
		return nil, t.drop(h.name)
	}
	if links {
		t.links[key] = n
	}
	if n.mode.IsRegular() && t.o.Keep != nil && t.o.Keep(name) {
		n.keep = true
	}
	return n, t.charge(int64(len(name) + len(n.link)))
}

// lost stands in rootfs.links for a file that could not be made: the kernel
// then fails to make its other names.
var lost = &node{}

// link makes name lead to n, or to linked if that is not nil, and returns the
// node that it then leads to. It reports false if what is there stays.
func (t *rootfs) link(name string, n, linked *node) (*node, bool) {
	old := t.nodes[name]
	if old != nil && linked == nil && old.mode.Type() == n.mode.Type() && n.mode&fs.ModeSymlink == 0 {
		if n.mode.IsDir() {
			old.mode, old.implied = n.mode, false
		} else {
			// Truncated and written again: other names that share it see that.
			*old = *n
		}
		return old, true
	}
	// clean_path cannot make room for it.
	if old != nil && old.mode.IsDir() && (old.filled || name == ".") {
		return nil, false
	}
	if linked != nil {
		linked.mode = n.mode
		n = linked
	}
	t.nodes[name] = n
	t.nodes[path.Dir(name)].filled = true
	return n, true
}

// clean is the name without "." and empty components; unlike path.Clean it
// leaves "..", which means something else behind a link.
func clean(name string) string {
	if fs.ValidPath(name) {
		return name // the common case
	}
	parts := strings.FieldsFunc(name, func(c rune) bool { return c == '/' })
	kept := parts[:0]
	for _, p := range parts {
		if p != "." {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return "."
	}
	return strings.Join(kept, "/")
}

// place finds where the kernel would make name: in the directory that the
// directory part leads to. It reports false if that is none.
func (t *rootfs) place(name string) (string, bool) {
	name = clean(name)
	if name == "." {
		return name, true
	}
	dir, base := path.Split(name)
	if base == ".." {
		return "", false
	}
	if dir == "" {
		return base, true
	}
	at, ok := walk(strings.TrimSuffix(dir, "/"), true, func(p string) (fs.FileMode, string, bool) {
		t.steps++
		n, ok := t.nodes[p]
		if !ok {
			return 0, "", false
		}
		return n.mode, n.link, true
	})
	if !ok || !t.nodes[at].mode.IsDir() {
		return "", false
	}
	return path.Join(at, base), true
}

// maxLinks is how many symbolic links the kernel follows before ELOOP.
const maxLinks = 40

// walk follows a clean name from the root through symbolic links, the one at
// its end only if follow says so, and returns the name without links that it
// leads to. lstat describes a file by such a name: its mode and its target.
func walk(name string, follow bool, lstat func(string) (fs.FileMode, string, bool)) (string, bool) {
	rest, at, links := name, ".", 0
	for rest != "" {
		comp, tail, _ := strings.Cut(rest, "/")
		rest = tail
		switch comp {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := comp
		if at != "." {
			// Mostly the path so far is how name begins, and needs no new string.
			if n := len(at) + 1 + len(comp); n <= len(name) && name[:len(at)] == at && name[len(at)] == '/' && name[len(at)+1:n] == comp {
				next = name[:n]
			} else {
				next = at + "/" + comp
			}
		}
		mode, target, ok := lstat(next)
		if !ok {
			return "", false
		}
		if mode&fs.ModeSymlink != 0 && (rest != "" || follow) {
			if links++; links > maxLinks || len(target)+len(rest) > 64*maxPath {
				return "", false
			}
			if strings.HasPrefix(target, "/") {
				at = "."
			}
			rest = target + "/" + rest
			continue
		}
		if rest != "" && !mode.IsDir() {
			return "", false
		}
		at = next
	}
	return at, true
}

// entries is the content of the file system without what only the kernel made.
func (t *rootfs) entries() map[string]Entry {
	all := make(map[string]Entry, len(t.nodes))
	for name, n := range t.nodes {
		if n.implied {
			continue
		}
		e := Entry{Name: name, Mode: n.mode, Size: n.size, Link: n.link, Content: n.content}
		if n.mode.IsRegular() && n.size == 0 {
			e.Content = []byte{}
		}
		all[name] = e
	}
	return all
}
