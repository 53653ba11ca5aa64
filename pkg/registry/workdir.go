package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// workDir is a temporary folder that is locked as long as its process lives, so
// that the next one can tell what a killed one left behind.
type workDir struct {
	path string
	lock *os.File
	log  *slog.Logger
}

const workDirPattern = "bootkiln-registry-"

// WorkDir makes a folder for temporary files in TempDir and returns its path and
// what removes it. What a process left there that was killed before it could
// remove it, the next call does.
func (o Options) WorkDir() (path string, remove func(), err error) {
	w, err := newWorkDir(o.tempDir(), o.log())
	if err != nil {
		return "", nil, err
	}
	return w.path, w.remove, nil
}

// newWorkDir makes a work folder in parent, after it removed those whose
// process is gone.
func newWorkDir(parent string, log *slog.Logger) (*workDir, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making the temporary folder: %w", err)
	}
	sweep(parent, log)
	for {
		path, err := os.MkdirTemp(parent, workDirPattern)
		if err != nil {
			return nil, fmt.Errorf("making the temporary folder: %w", err)
		}
		lock, err := lockDir(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue // another process swept it before it was locked
		}
		if err != nil {
			_ = os.Remove(path)
			return nil, fmt.Errorf("locking the temporary folder: %w", err)
		}
		return &workDir{path, lock, log}, nil
	}
}

func (w *workDir) remove() {
	if err := os.RemoveAll(w.path); err != nil {
		w.log.Warn("removing the temporary folder", "error", err)
	}
	_ = w.lock.Close()
}

// sweep removes the work folders in parent that no process holds.
func sweep(parent string, log *slog.Logger) {
	left, err := filepath.Glob(filepath.Join(parent, workDirPattern+"*"))
	if err != nil {
		log.Warn("looking for left temporary folders", "error", err)
	}
	for _, path := range left {
		lock, err := lockDir(path)
		if err != nil {
			continue // in use, somebody else's, or gone
		}
		log.Info("removing what a killed process left", "path", path)
		(&workDir{path, lock, log}).remove()
	}
}

// lockDir opens a folder and locks it: unix.EWOULDBLOCK where it is locked
// already, os.ErrNotExist where it is gone by then.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		// It may have been removed between the two.
		_, err = os.Lstat(path)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
