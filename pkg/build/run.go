package build

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	runPrefix = "run-"
	// callerLock is locked while the process that called Build lives,
	// workerLock while the worker does.
	callerLock = "caller.lock"
	workerLock = "worker.lock"
	// mountedFile holds the ID of an image that a run has mounted.
	mountedFile = "mounted"
	// ballastSize is kept occupied during a run and given back before its
	// clean-up: with a full disk the store cannot even be made smaller,
	// because it writes its records anew.
	ballastSize = 32 << 20
	// workerEnd is how long a worker may take to die after its caller did.
	workerEnd = 30 * time.Second
)

// runID is what [runDir.create] calls runs.
var runID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// runDir is the folder of all runs in one store.
type runDir struct {
	root string
}

// cache is where package caches are.
func (d runDir) cache() string { return filepath.Join(d.root, "cache") }

// lock serialises the creation and the removal of runs, so that a run is never
// seen without its lock.
func (d runDir) lock() (unlock func(), _ error) {
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return nil, fmt.Errorf("preparing the folder for builds: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(d.root, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("preparing the folder for builds: %w", err)
	}
	if err := flock(f, unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %q: %w", f.Name(), err), f.Close())
	}
	return func() { f.Close() }, nil
}

// create makes the folder of a new run, locked for this process.
func (d runDir) create() (*run, error) {
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var id [8]byte
	rand.Read(id[:]) // never fails
	r := &run{id: hex.EncodeToString(id[:])}
	r.dir = filepath.Join(d.root, runPrefix+r.id)
	if err := r.prepare(d); err != nil {
		r.unlock()
		return nil, errors.Join(fmt.Errorf("preparing a build: %w", err), os.RemoveAll(r.dir))
	}
	return r, nil
}

// abandoned returns the runs that no living process owns, locked for this one.
func (d runDir) abandoned(ctx context.Context) ([]*run, error) {
	orphans, err := d.orphans()
	// Without the lock of all runs, since a worker may take a while to die.
	orphans = slices.DeleteFunc(orphans, func(r *run) bool {
		takeErr := r.takeWorker(ctx)
		if takeErr == nil {
			return false
		}
		r.unlock()
		if !errors.Is(takeErr, unix.EWOULDBLOCK) {
			err = errors.Join(err, takeErr)
		}
		return true
	})
	if err != nil {
		err = fmt.Errorf("looking for unfinished builds: %w", err)
	}
	return orphans, err
}

// orphans returns the runs whose callers are dead, with this process as their
// caller. Their workers may live.
func (d runDir) orphans() ([]*run, error) {
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return nil, err
	}
	var runs []*run
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), runPrefix)
		if !ok || !runID.MatchString(id) || !e.IsDir() {
			continue
		}
		r := &run{id: id, dir: filepath.Join(d.root, e.Name())}
		switch r.caller, err = openLock(r.path(callerLock)); {
		case errors.Is(err, unix.EWOULDBLOCK):
		case err != nil:
			return runs, err
		default:
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// run is one build's folder.
type run struct {
	id, dir string
	// caller and worker are the open lock files. The worker's lock is held
	// through a descriptor that the worker inherits.
	caller, worker *os.File
}

func (r *run) path(elem ...string) string { return filepath.Join(append([]string{r.dir}, elem...)...) }

// suffix ends the names of the run's working containers.
func (r *run) suffix() string { return "bootkiln-" + r.id }

// cgroup is the path of the control group that the run's steps are in, below
// the root of the hierarchy.
func (r *run) cgroup() string { return "/bootkiln-" + r.id }

func (r *run) ballast() string { return r.path("ballast") }

func (r *run) prepare(d runDir) (err error) {
	for _, dir := range []string{r.dir, d.cache(), r.path("context"), r.path("tmp"), r.path("runtime")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// buildah keeps the caches below its temporary folder.
	if err := os.Symlink(d.cache(), r.path("tmp", "buildah-cache-0")); err != nil {
		return err
	}
	if r.caller, err = openLock(r.path(callerLock)); err != nil {
		return err
	}
	if r.worker, err = openLock(r.path(workerLock)); err != nil {
		return err
	}
	return nil
}

// holdBallast occupies space for the clean-up.
func (r *run) holdBallast() error {
	f, err := os.OpenFile(r.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// A file system that cannot reserve blocks gets none; that only costs the
	// comfort of a clean-up on a full disk.
	if err := unix.Fallocate(int(f.Fd()), 0, 0, ballastSize); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// takeWorker waits for the worker of an orphan to die, and locks the run in its
// place. It returns EWOULDBLOCK for a worker that does not die.
func (r *run) takeWorker(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, workerEnd)
	defer cancel()
	for {
		r.worker, err = openLock(r.path(workerLock))
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unlock gives the run up.
func (r *run) unlock() {
	for _, f := range []*os.File{r.caller, r.worker} {
		if f != nil {
			f.Close()
		}
	}
	r.caller, r.worker = nil, nil
}

// dropBallast gives back the space that was held for the clean-up.
func (r *run) dropBallast() error {
	if err := os.Remove(r.ballast()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// openLock opens the file, made where it is missing, and locks it, or returns
// EWOULDBLOCK.
func openLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
