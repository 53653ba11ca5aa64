package image

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

var errNotRegular = errors.New("not a regular file")

// dirRoot is a Root over a folder. Names are looked up by openat2(2) with
// RESOLVE_IN_ROOT, and where a kernel or a seccomp filter does not have that,
// component by component without following links.
type dirRoot struct {
	dir     *os.File // opened with O_PATH
	device  uint64   // st_dev of the folder itself
	parents parentCache

	mu         sync.Mutex
	noOpenat2  bool
	foreign    map[deviceInode]uint64
	lastNumber uint64
}

// deviceInode names a file of the machine.
type deviceInode struct{ dev, ino uint64 }

// inode returns a number that is unique in the root even where it spans
// several file systems (mounts, or overlayfs over more than one). The files of
// the root's own device keep theirs; the others are numbered from the top, where
// no file system puts its inodes.
func (r *dirRoot) inode(st *unix.Stat_t) uint64 {
	if st.Dev == r.device {
		return st.Ino
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := deviceInode{st.Dev, st.Ino}
	n, ok := r.foreign[key]
	if !ok {
		n = math.MaxUint64 - r.lastNumber
		r.lastNumber++
		r.foreign[key] = n
	}
	return n
}

// handle is an O_PATH descriptor of a file and what it is.
type handle struct {
	fd int
	st unix.Stat_t
}

func newHandle(fd int) (*handle, error) {
	h := &handle{fd: fd}
	if err := retry(func() error { return unix.Fstat(fd, &h.st) }); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *handle) close() { unix.Close(h.fd) }

// errClosedFile says that a file was closed before it was used.
var errClosedFile = errors.New("closed")

// withFD calls f with a file's descriptor, which stays open meanwhile. The
// error is f's, or errClosedFile.
func withFD(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return errClosedFile
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return errClosedFile
	}
	return inner
}

// withFD calls f with the root's descriptor. The error is f's, or fs.ErrClosed.
func (r *dirRoot) withFD(f func(fd int) error) error {
	err := withFD(r.dir, f)
	if err == errClosedFile {
		return fs.ErrClosed
	}
	return err
}

// lookup opens the file that the name leads to; the caller closes it. Its errors
// are complete.
func (r *dirRoot) lookup(op, name string) (*handle, error) {
	if !validName(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	var h *handle
	err := r.withFD(func(root int) (err error) {
		h, err = r.lookupFrom(root, name)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return h, nil
}

func (r *dirRoot) lookupFrom(root int, name string) (*handle, error) {
	r.mu.Lock()
	stepwise := r.noOpenat2
	r.mu.Unlock()
	if stepwise {
		return lookupStepwise(root, name)
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Openat2(root, name, &how)
		return err
	})
	switch err {
	case nil:
		return newHandle(fd)
	case unix.ENOSYS, unix.EPERM:
		// Older than Linux 5.6, or a seccomp profile that does not know it.
		r.mu.Lock()
		r.noOpenat2 = true
		r.mu.Unlock()
		return lookupStepwise(root, name)
	}
	return nil, err
}

// lookupStepwise is openat2 with RESOLVE_IN_ROOT made of openat(2).
func lookupStepwise(root int, name string) (*handle, error) {
	open := func(dir int, name string) (*handle, error) {
		fd, err := openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return nil, err
		}
		return newHandle(fd)
	}
	start, err := open(root, ".")
	if err != nil {
		return nil, err
	}
	found, err := resolver[*handle]{
		root:  start,
		child: func(dir *handle, name string) (*handle, error) { return open(dir.fd, name) },
		isDir: func(h *handle) bool { return h.st.Mode&unix.S_IFMT == unix.S_IFDIR },
		link: func(h *handle) (string, bool, error) {
			if h.st.Mode&unix.S_IFMT != unix.S_IFLNK {
				return "", false, nil
			}
			target, err := readLinkAt(h.fd, "")
			return target, true, err
		},
		drop: (*handle).close,
	}.resolve(name, true)
	if found != start {
		start.close()
	}
	return found, err
}

// retry repeats a system call that a signal, or for openat2 a rename
// elsewhere in the tree, interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR && err != unix.EAGAIN {
			return err
		}
	}
}

func openat(dir int, name string, flags int) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// readLinkAt returns the target of a link in a folder; "" names the link that
// dir itself is open on.
func readLinkAt(dir int, base string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, base, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// procPath names an open file by its descriptor.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// underlying strips the os package's own path, which means nothing to the
// caller.
func underlying(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// dirFile is an opened regular file of a dirRoot.
type dirFile struct {
	f    *os.File
	info *fileInfo
}

func (d *dirFile) Stat() (fs.FileInfo, error)              { return d.info, nil }
func (d *dirFile) Read(b []byte) (int, error)              { return d.f.Read(b) }
func (d *dirFile) ReadAt(b []byte, off int64) (int, error) { return d.f.ReadAt(b, off) }
func (d *dirFile) Seek(off int64, whence int) (int64, error) {
	return d.f.Seek(off, whence)
}
func (d *dirFile) Close() error { return d.f.Close() }
