package pipeline

import (
	"io/fs"
	"path"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// read fills in what only the image knows: its version, where the recipe does
// not say it, and the release of its kernel.
func (f *Facts) read(root image.Root) error {
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
