package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// OpenDir presents a folder as an image: its root file system is the folder,
// and it has no configuration. The folder must not change while a Root of it
// is open; nothing in it is ever written.
func OpenDir(path string) (Image, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening folder %q: %w", path, err)
	}
	fi, err := os.Stat(abs)
	if err == nil && !fi.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return nil, fmt.Errorf("opening folder %q: %w", path, err)
	}
	return dirImage(abs), nil
}

// DirPrefix begins the location of a bare folder, before its path.
const DirPrefix = "dir-rootfs:"

type dirImage string

func (d dirImage) Location() string { return DirPrefix + string(d) }

func (d dirImage) Config(context.Context) (*imgspecv1.Image, error) {
	return &imgspecv1.Image{Platform: imgspecv1.Platform{OS: "linux"}}, nil
}

func (d dirImage) Root(context.Context) (Root, error) { return OpenRoot(string(d)) }

// OpenRoot presents a folder on this machine, such as a mounted image, as the
// root of an image.
func OpenRoot(path string) (Root, error) {
	r, err := openRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening root file system: %w", err)
	}
	return r, nil
}

func openRoot(path string) (*dirRoot, error) {
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	r := &dirRoot{dir: f, foreign: map[deviceInode]uint64{}, parents: parentCache{open: map[string]*os.File{}}}
	var st unix.Stat_t
	if err := r.withFD(func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	r.device = st.Dev
	return r, nil
}

func (r *dirRoot) Close() error { return errors.Join(r.dir.Close(), r.parents.close()) }

func (r *dirRoot) Open(name string) (fs.File, error) {
	if f, err := r.openRegular(name); f != nil || err != nil {
		return f, err
	}
	h, err := r.lookup("open", name)
	if err != nil {
		return nil, err
	}
	defer h.close()
	info := r.info(path.Base(name), &h.st)
	switch {
	case info.IsDir():
		entries, err := r.entries(h)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openDir{info: info, entries: entries}, nil
	case !info.mode.IsRegular():
		// Opening a FIFO would block, and opening a device may do anything.
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	// A second lookup could find another file: the handle is reopened instead.
	f, err := os.OpenFile(procPath(h.fd), os.O_RDONLY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: underlying(err)}
	}
	return &dirFile{f: f, info: info}, nil
}

// openRegular opens what is a regular file by its own name; for anything else
// it returns nil.
func (r *dirRoot) openRegular(name string) (fs.File, error) {
	var f *dirFile
	err := r.inParent("open", name, func(dir int, base string) error {
		var st unix.Stat_t
		if err := statAt(dir, base, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			return err
		}
		fd, err := openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW)
		if err != nil {
			return err
		}
		f = &dirFile{f: os.NewFile(uintptr(fd), base), info: r.info(base, &st)}
		return nil
	})
	if f == nil {
		return nil, err
	}
	return f, nil
}

func (r *dirRoot) Stat(name string) (fs.FileInfo, error) {
	if fi, err := r.Lstat(name); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		return fi, renamed(err, "stat")
	}
	h, err := r.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	defer h.close()
	return r.info(path.Base(name), &h.st), nil
}

func (r *dirRoot) Lstat(name string) (fs.FileInfo, error) {
	var st unix.Stat_t
	err := r.inParent("lstat", name, func(dir int, base string) error { return statAt(dir, base, &st) })
	if err != nil {
		return nil, err
	}
	return r.info(path.Base(name), &st), nil
}

func (r *dirRoot) ReadLink(name string) (target string, err error) {
	err = r.inParent("readlink", name, func(dir int, base string) (err error) {
		target, err = readLinkAt(dir, base)
		return err
	})
	return target, err
}

func (r *dirRoot) ReadDir(name string) ([]fs.DirEntry, error) {
	h, err := r.lookup("readdir", name)
	if err != nil {
		return nil, err
	}
	defer h.close()
	entries, err := r.entries(h)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

// entries lists a directory, each entry with its inode: one fstatat(2) on an
// open directory costs less than a lookup by name later, and every walk over
// an image wants to know more than the type.
func (r *dirRoot) entries(h *handle) ([]fs.DirEntry, error) {
	fd, err := openat(h.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(fd), ".")
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, underlying(err)
	}
	slices.Sort(names)
	entries := make([]fs.DirEntry, 0, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := retry(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		entries = append(entries, fs.FileInfoToDirEntry(r.info(name, &st)))
	}
	return entries, nil
}

// Xattrs reads through the folder's handle in /proc, because the system calls
// that take a handle (fgetxattr) refuse one on a link, and getxattrat is younger
// than the kernels in use.
func (r *dirRoot) Xattrs(name string) (attrs map[string][]byte, err error) {
	err = r.inParent("xattrs", name, func(dir int, base string) (err error) {
		attrs, err = xattrs(procPath(dir) + "/" + base)
		return err
	})
	return attrs, err
}

// xattrs reads the attributes of a file, which may be a symbolic link.
func xattrs(file string) (map[string][]byte, error) {
	list, err := grow(func(b []byte) (int, error) { return unix.Llistxattr(file, b) })
	if err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	out := map[string][]byte{}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		value, err := grow(func(b []byte) (int, error) { return unix.Lgetxattr(file, key, b) })
		switch err {
		case nil:
			out[key] = value
		case unix.ENODATA, unix.ENOTSUP:
			// Listed by the file system, but not for this process to read.
		default:
			return nil, fmt.Errorf("attribute %q: %w", key, err)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// grow calls f with a buffer that is as large as f asks for.
func grow(f func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := f(nil)
		if err != nil || n == 0 {
			return []byte{}, err
		}
		buf := make([]byte, n)
		n, err = f(buf)
		if err == unix.ERANGE {
			continue
		}
		return buf[:max(n, 0)], err
	}
}

// info makes the FileInfo of a stat(2) result.
func (r *dirRoot) info(name string, st *unix.Stat_t) *fileInfo {
	fi := &fileInfo{name: name, attrs: attrs{
		mode:  fileMode(st.Mode),
		size:  st.Size,
		mtime: time.Unix(st.Mtim.Unix()),
		stat: Stat{
			UID:   int(st.Uid),
			GID:   int(st.Gid),
			Mode:  st.Mode & 0o7777,
			Inode: r.inode(st),
			Nlink: uint64(st.Nlink), //nolint:unconvert // narrower on some architectures
		},
	}}
	if fi.mode&fs.ModeDevice != 0 {
		fi.stat.DevMajor, fi.stat.DevMinor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	return fi
}
