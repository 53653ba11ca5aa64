package boot

import (
	"context"
	"errors"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// startable returns an [*disk.UnbootableError] where the image has no kernel to
// start; that it cannot be read is for others to find.
func startable(ctx context.Context, img image.Image) error {
	root, err := img.Root(ctx)
	if err != nil {
		return nil //nolint:nilerr // what lacks here is told then
	}
	defer root.Close()
	if unbootable := (*disk.UnbootableError)(nil); errors.As(disk.HasKernel(root), &unbootable) {
		return unbootable
	}
	return nil
}
