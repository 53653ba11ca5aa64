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
	leader       int
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
type tree struct {
	entries []entry
	// inodes are those of the source, for the planner.
	inodes []uint64
}

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
	t := &tree{}
	if err := t.walk(ctx, root); err != nil {
		return nil, fmt.Errorf("reading the image's files: %w", err)
	}
	if err := t.describe(ctx, root); err != nil {
		return nil, fmt.Errorf("reading the image's files: %w", err)
	}
	return t, nil
}

func (t *tree) walk(ctx context.Context, root image.Root) error {
	info, err := root.Lstat(".")
	if err != nil {
		return err
	}
	first := map[uint64]string{} // names of files with hard links
	var list func(dir string) error
	add := func(name string, info fs.FileInfo) error {
		e, err := newEntry(name, info)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		st := image.StatOf(info)
		if linked := !e.isDir() && st.Nlink > 1; linked {
			if old, ok := first[st.Inode]; !ok || name < old {
				first[st.Inode] = name
			}
		}
		t.entries = append(t.entries, e)
		t.inodes = append(t.inodes, st.Inode)
		if e.isDir() {
			return list(name)
		}
		return nil
	}
	list = func(dir string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if slices.Contains(emptied, dir) {
			return nil
		}
		children, err := root.ReadDir(dir)
		if err != nil {
			return err
		}
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
			if err := add(name, info); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(".", info); err != nil {
		return err
	}
	t.sort()
	for i := range t.entries {
		t.entries[i].leader = i
		if name, ok := first[t.inodes[i]]; ok && !t.entries[i].isDir() {
			t.entries[i].leader = t.find(name)
		}
	}
	return nil
}

func (t *tree) sort() {
	order := make([]int, len(t.entries))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(t.entries[a].name, t.entries[b].name) })
	entries, inodes := make([]entry, len(order)), make([]uint64, len(order))
	for i, from := range order {
		entries[i], inodes[i] = t.entries[from], t.inodes[from]
	}
	t.entries, t.inodes = entries, inodes
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
	if strings.HasPrefix(path.Base(name), ".wh.") {
		return e, errors.New(`a name that begins with ".wh." hides another file where the image is unpacked; rename it in the build`)
	}
	return e, nil
}

// describe adds the extended attributes and the targets of links.
func (t *tree) describe(ctx context.Context, root image.Root) error {
	workers := runtime.GOMAXPROCS(0)
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < len(t.entries); i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				e := &t.entries[i]
				attrs, err := root.Xattrs(e.name)
				if err != nil {
					return err
				}
				e.xattrs = kept(attrs)
				if e.mode&fs.ModeSymlink != 0 {
					if e.target, err = root.ReadLink(e.name); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
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
