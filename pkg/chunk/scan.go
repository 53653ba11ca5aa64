package chunk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// entry is a file of the source, as the layers are to hold it.
type entry struct {
	name   string // "." for the root
	mode   fs.FileMode
	bits   int64 // permission bits as in stat(2)
	uid    int
	gid    int
	size   int64  // of a regular file, else 0
	mtime  int64  // seconds since 1970
	target string // of a symbolic link
	xattrs map[string]string
	// leader is the place of the first name of the same file: the entry's own
	// place where it has no hard links, or is the first of them.
	leader int
	// inode is the same for all names of a file with hard links, else 0.
	inode        uint64
	major, minor uint32
}

func (e *entry) isDir() bool { return e.mode.IsDir() }

// plain says that a directory is what everybody takes one for that no layer
// describes.
func (e *entry) plain() bool {
	return e.bits == 0o755 && e.uid == 0 && e.gid == 0 && len(e.xattrs) == 0
}

// implied says that an entry is a root directory as everyone makes it that no
// layer describes.
func (e *entry) implied() bool {
	return e.name == "." && e.bits == 0o555 && e.uid == 0 && e.gid == 0 && len(e.xattrs) == 0
}

// tree is every file of a source that the layers are to hold, by name.
type tree struct{ entries []entry }

// find returns the place of a name, -1 where there is none.
func (t *tree) find(name string) int {
	i, ok := slices.BinarySearchFunc(t.entries, name, func(e entry, name string) int { return cmp.Compare(e.name, name) })
	if !ok {
		return -1
	}
	return i
}

// emptied are the directories whose content no deployment has: bootc drops it
// from every layer that it imports (ostree-ext, src/tar/write.rs). sysroot/ostree
// is the object store of an encapsulated base, which holds every file of it
// for a second time.
var emptied = []string{"dev", "proc", "run", "sys", "tmp", "sysroot/ostree"}

// scan reads what a root file system consists of, all but the contents.
func scan(ctx context.Context, root image.Root) (*tree, error) {
	s := &scanner{root: root}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("reading the image's files: %w", err)
	}
	t := &tree{entries: s.found}
	slices.SortFunc(t.entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	first := map[uint64]int{} // of files with hard links
	for i := range t.entries {
		e := &t.entries[i]
		e.leader = i
		if e.inode == 0 {
			continue
		}
		if j, ok := first[e.inode]; ok {
			e.leader = j
		} else {
			first[e.inode] = i
		}
	}
	return t, nil
}

// scanner reads several folders at a time.
type scanner struct {
	root image.Root

	mu    sync.Mutex
	found []entry
}

func (s *scanner) run(ctx context.Context) error {
	info, err := s.root.Lstat(".")
	if err != nil {
		return err
	}
	top, err := s.entry(".", info)
	if err != nil {
		return err
	}
	s.found = []entry{top}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	g.Go(func() error { return s.folder(ctx, g, ".") })
	return g.Wait()
}

// folder adds what is in a folder, and below it: in goroutines of their own, as
// long as there are any to spare.
func (s *scanner) folder(ctx context.Context, g *errgroup.Group, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if slices.Contains(emptied, dir) {
		return nil
	}
	children, err := s.root.ReadDir(dir)
	if err != nil {
		return err
	}
	list := make([]entry, 0, len(children))
	for _, d := range children {
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := d.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		if name == "sysroot/ostree" && info.IsDir() {
			continue
		}
		e, err := s.entry(name, info)
		if err != nil {
			return err
		}
		list = append(list, e)
	}
	s.mu.Lock()
	s.found = append(s.found, list...)
	s.mu.Unlock()
	for _, e := range list {
		if !e.isDir() {
			continue
		}
		below := func() error { return s.folder(ctx, g, e.name) }
		if g.TryGo(below) {
			continue
		}
		if err := below(); err != nil {
			return err
		}
	}
	return nil
}

// entry describes a file.
func (s *scanner) entry(name string, info fs.FileInfo) (entry, error) {
	e, err := newEntry(name, info)
	if err != nil {
		return e, fmt.Errorf("%q: %w", name, err)
	}
	attrs, err := s.root.Xattrs(name)
	if err != nil {
		return e, err
	}
	e.xattrs = kept(attrs)
	if e.mode&fs.ModeSymlink != 0 {
		e.target, err = s.root.ReadLink(name)
	}
	return e, err
}

func newEntry(name string, info fs.FileInfo) (entry, error) {
	st := image.StatOf(info)
	e := entry{
		name: name, mode: info.Mode(), bits: int64(st.Mode), uid: st.UID, gid: st.GID,
		mtime: info.ModTime().Unix(), major: st.DevMajor, minor: st.DevMinor,
	}
	switch {
	case e.mode.IsRegular():
		e.size = info.Size()
	case e.mode&fs.ModeSocket != 0:
		return e, errors.New("no layer can hold a socket; remove it in the build")
	case e.mode&fs.ModeCharDevice != 0 && e.major == 0 && e.minor == 0:
		return e, errors.New("it is a whiteout of overlayfs, which hides files where the image is unpacked; remove it in the build")
	}
	if !e.isDir() && st.Nlink > 1 {
		e.inode = st.Inode
	}
	if strings.HasPrefix(path.Base(name), ".wh.") {
		return e, errors.New(`a name that begins with ".wh." hides another file where the image is unpacked; rename it in the build`)
	}
	return e, nil
}

// kept are the extended attributes that belong to the image. Labels of SELinux
// come from the policy of the machine that runs it (or, here, of the one that
// built it); the others are how file systems keep their own books.
func kept(attrs map[string][]byte) map[string]string {
	var out map[string]string
	for key, value := range attrs {
		if key == "security.selinux" || strings.HasPrefix(key, "trusted.") || strings.HasPrefix(key, "user.overlay.") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = string(value)
	}
	return out
}
