package diff

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// kernels lists the releases of the kernels that a machine could start: those
// beside their modules, and unified kernel images, where bootc looks for both.
// A kernel that cannot be read counts by the name of its folder or file: what
// is wrong with it is for the checks to say.
func kernels(root image.Root) ([]string, error) {
	var list []string
	for _, dir := range []string{"usr/lib/modules", "boot/EFI/Linux"} {
		entries, err := root.ReadDir(dir)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				name = path.Join(name, "vmlinuz")
			} else if !strings.HasSuffix(strings.ToLower(name), ".efi") {
				continue
			}
			release, err := kernelRelease(root, name)
			if isAbsent(err) {
				continue
			}
			var broken *kernel.FormatError
			if errors.As(err, &broken) {
				release, err = e.Name(), nil
			}
			if err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
			list = append(list, release)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func kernelRelease(root image.Root, name string) (string, error) {
	fi, err := root.Stat(name)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", &kernel.FormatError{Reason: "not a regular file"}
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content := f.(io.ReaderAt) // which every regular file of a Root is
	if strings.HasSuffix(strings.ToLower(name), ".efi") {
		uki, err := kernel.ReadUKI(content)
		if err != nil {
			return "", err
		}
		if uki.Uname != "" {
			return uki.Uname, nil
		}
		content = uki.Linux
		img, err := kernel.ReadImage(content, uki.Linux.Size())
		if err != nil {
			return "", err
		}
		return img.Release, nil
	}
	img, err := kernel.ReadImage(content, fi.Size())
	if err != nil {
		return "", err
	}
	return img.Release, nil
}

func kernelChanges(before, after []string) Kernels {
	return Kernels{Added: without(after, before), Removed: without(before, after)}
}

// without lists what is in the first list alone.
func without(list, others []string) []string {
	var left []string
	for _, s := range list {
		if !slices.Contains(others, s) {
			left = append(left, s)
		}
	}
	return left
}
