package disk

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// SpaceError says that the folder for the disk has too little space.
type SpaceError struct {
	// Dir is the folder.
	Dir string
	// Free is what it had at the start, and Needed what the disk takes, in
	// bytes, as far as that can be told beforehand.
	Free, Needed int64
	// Err is the write that failed; nil where none was tried.
	Err error
}

// Error returns the folder and what is missing; the hint is apart.
func (e *SpaceError) Error() string {
	sizes := fmt.Sprintf("it had %s free, and the disk takes %s",
		humanize.IBytes(uint64(max(e.Free, 0))), humanize.IBytes(uint64(max(e.Needed, 0))))
	if e.Err != nil {
		return fmt.Sprintf("making a disk in %q: the file system is full: %s: %v", e.Dir, sizes, e.Err)
	}
	return fmt.Sprintf("making a disk in %q: %s", e.Dir, sizes)
}

// Unwrap returns the write that failed.
func (e *SpaceError) Unwrap() error { return e.Err }

// MendHint says what can be done about it.
func (e *SpaceError) MendHint() string {
	return fmt.Sprintf("make room on the file system of %s, or choose a folder on a larger one with --tmpdir", e.Dir)
}

// freeSpace is what the file system of a folder has left for this user, in
// bytes.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("measuring the free space in %q: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

// space is what a folder had when it was asked.
type space struct {
	dir          string
	free, needed int64
}

// checkSpace refuses to begin what cannot end well.
func checkSpace(dir string, needed int64) (space, error) {
	free, err := freeSpace(dir)
	if err != nil {
		return space{}, err
	}
	if free < needed {
		return space{}, &SpaceError{Dir: dir, Free: free, Needed: needed}
	}
	return space{dir: dir, free: free, needed: needed}, nil
}

// explain makes a [*SpaceError] of an error that says that a disk ran full.
func (s space) explain(err error) error {
	if known := (*SpaceError)(nil); !isFull(err) || errors.As(err, &known) {
		return err
	}
	return &SpaceError{Dir: s.dir, Free: s.free, Needed: s.needed, Err: err}
}
