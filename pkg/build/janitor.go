package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// sweep removes what runs left that were killed, and only that.
func (b *Builder) sweep(ctx context.Context) error {
	runs, err := b.runs.abandoned(ctx)
	if len(runs) == 0 {
		return err
	}
	unlock, lockErr := b.runs.lock()
	if lockErr != nil {
		for _, r := range runs {
			r.unlock()
		}
		return errors.Join(err, lockErr)
	}
	defer unlock()
	errs := []error{err}
	for _, r := range runs {
		b.log.InfoContext(ctx, "removing what an interrupted build left", "run", r.id)
		errs = append(errs, b.remove(r))
	}
	return errors.Join(errs...)
}

// remove deletes everything that a run has outside of finished images: its
// working containers, its mount of an image, its control group and its folder. The worker is dead, and
// with it all processes and mounts. The run is given up.
func (b *Builder) remove(r *run) error {
	defer r.unlock()
	// First, because on a full disk nothing else works.
	errs := []error{r.dropBallast()}
	containers, err := b.store.Containers()
	errs = append(errs, err)
	for _, c := range containers {
		if !isOurs(c, r) {
			continue
		}
		// The mount went with the worker's namespace; the store's count of it
		// did not.
		if _, err := b.store.Unmount(c.ID, true); err != nil && !errors.Is(err, storage.ErrLayerNotMounted) {
			errs = append(errs, err)
		}
		if err := b.store.DeleteContainer(c.ID); err != nil && !errors.Is(err, storage.ErrContainerUnknown) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, b.unmountImage(r), removeCgroups(r.cgroup()))
	if errors.Join(errs...) == nil {
		// The folder goes last: as long as it is there, the next run tries
		// again.
		errs = append(errs, os.RemoveAll(r.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what build %q left: %w", r.id, err)
	}
	return nil
}

// copyNumber is what may follow the suffix of a container's name.
var copyNumber = regexp.MustCompile(`^(-[0-9]+)?$`)

// isOurs reports whether a container is a working container of the run. The
// library calls it "<base>-<suffix>", or the suffix alone, and appends a number
// where that is taken.
func isOurs(c storage.Container, r *run) bool {
	for _, name := range c.Names {
		before, number, found := strings.Cut(name, r.suffix())
		if found && (before == "" || strings.HasSuffix(before, "-")) && copyNumber.MatchString(number) {
			return true
		}
	}
	return false
}

// removeCgroups removes the empty control groups of that path in all
// hierarchies: the unified one, or those of version 1.
func removeCgroups(path string) error {
	const root = "/sys/fs/cgroup"
	found := []string{filepath.Join(root, path)}
	v1, err := filepath.Glob(filepath.Join(root, "*", path))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range append(found, v1...) {
		var dirs []string
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := unix.Rmdir(dirs[i]); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, fmt.Errorf("removing control group %q: %w", dirs[i], err))
			}
		}
	}
	return errors.Join(errs...)
}

// discard is [Builder.remove] for a run of this process.
func (b *Builder) discard(r *run) error {
	// A full disk does not stop the lock, but all that comes after it.
	if err := r.dropBallast(); err != nil {
		return err
	}
	unlock, err := b.runs.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return b.remove(r)
}
