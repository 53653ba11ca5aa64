package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// read fills in what only the image knows: its version, where the recipe does
// not say it, and the release of its kernel.
func (f *Facts) read(ctx context.Context, img image.Image) (err error) {
	root, err := img.Root(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if f.Version == "" {
		release, err := image.OSRelease(root)
		if err != nil {
			return err
		}
		f.Version = release["VERSION_ID"]
	}
	kernels, err := fs.Glob(root, "usr/lib/modules/*/vmlinuz")
	if err != nil {
		return err
	}
	if len(kernels) == 1 {
		f.Kernel = path.Base(path.Dir(kernels[0]))
	}
	return nil
}
