package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"
)

// SpaceError says that the folder where layers wait for their upload has too
// little space.
type SpaceError struct {
	// Dir is the folder.
	Dir string
	// Free is what was there before the push, and Needed what its largest layer
	// takes, in bytes; both are 0 where the disk ran full during the push.
	Free, Needed int64
	// Err is the write that failed, nil where none was tried.
	Err error
}

// Error returns the folder and what is missing; the hint is apart.
func (e *SpaceError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("preparing layers in %q: the disk is full: %v", e.Dir, e.Err)
	}
	return fmt.Sprintf("preparing layers in %q: it has %s free, and the largest layer alone takes %s",
		e.Dir, humanize.IBytes(uint64(e.Free)), humanize.IBytes(uint64(e.Needed)))
}

// Unwrap returns the write that failed.
func (e *SpaceError) Unwrap() error { return e.Err }

// MendHint says what can be done about it.
func (e *SpaceError) MendHint() string {
	return fmt.Sprintf("make room on the file system of %s, or choose a folder on a larger one with --tmpdir", e.Dir)
}

// checkSpace refuses a push whose largest layer cannot wait in dir, and warns of
// one whose layers may not all fit that wait at a time.
func (o Options) checkSpace(ctx context.Context, ref types.ImageReference, sys *types.SystemContext, dir string) error {
	sizes, err := layerSizes(ctx, ref, sys)
	if err != nil || len(sizes) == 0 {
		return err
	}
	measure := freeSpace
	if o.freeSpace != nil {
		measure = o.freeSpace
	}
	free, err := measure(dir)
	if err != nil {
		return fmt.Errorf("measuring the free space in %q: %w", dir, err)
	}
	largest := sizes[0]
	if free < largest {
		return &SpaceError{Dir: o.tempDir(), Free: free, Needed: largest}
	}
	var together int64
	for _, size := range sizes[:min(len(sizes), parallelUploads)] {
		together += 2 * size // as it is in the store, and compressed
	}
	if free < together {
		o.stage().Warnf("%q has %s free; the layers that wait for their upload may take up to %s",
			o.tempDir(), humanize.IBytes(uint64(free)), humanize.IBytes(uint64(together)))
	}
	return nil
}

// layerSizes are the sizes of the layers as they are copied out of the source,
// the largest first; those that are not known are left out.
func layerSizes(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (_ []int64, err error) {
	img, err := ref.NewImage(ctx, sys)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", ref.StringWithinTransport(), err)
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	layers, err := img.LayerInfosForCopy(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the layers of %q: %w", ref.StringWithinTransport(), err)
	}
	if layers == nil {
		layers = img.LayerInfos()
	}
	var sizes []int64
	for _, l := range layers {
		if l.Size > 0 {
			sizes = append(sizes, l.Size)
		}
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	return sizes, nil
}

// freeSpace is what the file system of a folder has left for this user.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
