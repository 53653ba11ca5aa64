package image

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxParents is how many folders a root keeps open: enough for several
// goroutines that walk, each looking at a folder and those above it.
const maxParents = 64

// parentCache keeps the folders open that files were looked up in last: whoever
// reads a whole image looks at all files of one folder, and each is then one
// system call away. The folder of a root does not change while it is open.
type parentCache struct {
	mu     sync.Mutex
	open   map[string]*os.File // O_PATH, by name; nil when closed
	oldest []string            // in the order in which they came
}

func (c *parentCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, f := range c.open {
		errs = append(errs, f.Close())
	}
	c.open, c.oldest = nil, nil
	return errors.Join(errs...)
}

func (c *parentCache) get(name string) (f *os.File, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[name], c.open == nil
}

// put takes f over and returns what is to be used for it.
func (c *parentCache) put(name string, f *os.File) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there := c.open[name]; there != nil || c.open == nil {
		f.Close() // another was faster, or the root is closed
		return there
	}
	if len(c.oldest) == maxParents {
		c.open[c.oldest[0]].Close() // once nobody uses it any more: see os.File
		delete(c.open, c.oldest[0])
		c.oldest = append(c.oldest[:0], c.oldest[1:]...)
	}
	c.open[name], c.oldest = f, append(c.oldest, name)
	return f
}

// inParent calls f with the folder that a file is in and the file's own name,
// which it must not follow. The error is complete.
func (r *dirRoot) inParent(op, name string, f func(dir int, base string) error) error {
	err := fs.ErrInvalid
	if validName(name) {
		above, base := "", name
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			above, base = name[:i], name[i+1:]
		}
		call := func(dir int) error { return f(dir, base) }
		if above == "" {
			err = r.withFD(call)
		} else {
			err = r.withParent(above, call)
		}
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (r *dirRoot) withParent(name string, call func(dir int) error) error {
	for {
		dir, closed := r.parents.get(name)
		if closed {
			return fs.ErrClosed
		}
		if dir == nil {
			h, err := r.lookup("open", name)
			if err != nil {
				return underlying(err)
			}
			if h.st.Mode&unix.S_IFMT != unix.S_IFDIR {
				h.close()
				return syscall.ENOTDIR
			}
			if dir = r.parents.put(name, os.NewFile(uintptr(h.fd), name)); dir == nil {
				continue
			}
		}
		// Another goroutine may have closed it meanwhile, to make room.
		if err := withFD(dir, call); err != errClosedFile {
			return err
		}
	}
}

func statAt(dir int, base string, st *unix.Stat_t) error {
	return retry(func() error { return unix.Fstatat(dir, base, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// renamed gives an error of an operation another's name.
func renamed(err error, op string) error {
	if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // it is this package's own
		pe.Op = op
	}
	return err
}
