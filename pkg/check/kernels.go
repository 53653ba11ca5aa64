package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// Where bootc and ostree look for kernels: crates/lib/src/kernel.rs of bootc,
// get_kernel_from_tree of src/libostree/ostree-sysroot-deploy.c of ostree.
const (
	modulesDir = "usr/lib/modules"
	ukiDir     = "boot/EFI/Linux"
)

// bootKernel is a kernel that the machine could start: a kernel image in the
// folder of its modules, or a unified kernel image (UKI).
type bootKernel struct {
	name string // of the file in the image
	uki  bool
	// dir is the module folder it is in, whose name must be its release; "" for
	// a UKI elsewhere.
	dir string

	// problem says why the file is no kernel; then release and machine are "".
	problem string
	// release is what the kernel calls itself; for a UKI what its .uname says.
	release string
	// inner is what the kernel inside a UKI calls itself; else it is release.
	inner string
	// machine is the architecture it runs on, as image configurations name it.
	machine string

	// cmdline is a UKI's command line.
	cmdline string
	// tree reads the folder of its modules.
	tree func() (*kernel.ModuleTree, error)

	// initrdName is where its initramfs is, or for a UKI the UKI itself.
	initrdName string
	// initrd decodes the initramfs; nil where there is none.
	initrd func() (*kernel.Initramfs, error)
}

// moduleRelease is the release whose modules the kernel loads.
func (k *bootKernel) moduleRelease() string {
	if k.dir != "" {
		return k.dir
	}
	return k.release
}

// unified reports whether bootc takes the kernel for a unified one, and the
// image for one of its composefs back end: find_kernel in crates/lib/src/kernel.rs.
func (k *bootKernel) unified() bool { return k.uki && k.dir == "" }

// findKernels lists the kernels of an image, those in module folders first.
func findKernels(ctx context.Context, root image.Root) ([]*bootKernel, error) {
	var list []*bootKernel
	add := func(k *bootKernel) error {
		if err := k.read(ctx, root); err != nil {
			return fmt.Errorf("reading %q: %w", k.name, err)
		}
		k.tree = sync.OnceValues(func() (*kernel.ModuleTree, error) { return kernel.ReadModuleTree(root, k.moduleRelease()) })
		list = append(list, k)
		return nil
	}
	folders, err := root.ReadDir(modulesDir)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		dir := path.Join(modulesDir, folder.Name())
		files, err := root.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			uki := isUKIName(f.Name())
			if !uki && f.Name() != "vmlinuz" {
				continue
			}
			if err := add(&bootKernel{name: path.Join(dir, f.Name()), uki: uki, dir: folder.Name()}); err != nil {
				return nil, err
			}
		}
	}
	files, err := root.ReadDir(ukiDir)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	for _, f := range files {
		if isUKIName(f.Name()) {
			if err := add(&bootKernel{name: path.Join(ukiDir, f.Name()), uki: true}); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// isUKIName leaves out add-ons, which only add arguments to the command line of
// a UKI.
func isUKIName(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".efi") && !strings.HasSuffix(name, ".addon.efi")
}

// read fills k in. The error is one of reading; what is wrong with the file
// goes to k.problem.
func (k *bootKernel) read(ctx context.Context, root image.Root) error {
	fi, err := root.Lstat(k.name)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		k.problem = fmt.Sprintf("it is a %s, and bootc looks for a regular file", describeType(fi.Mode()))
		return nil
	}
	f, err := root.Open(k.name)
	if err != nil {
		return err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return errors.New("the file cannot be read at any place")
	}
	if k.uki {
		err = k.readUKI(ctx, root, at)
	} else {
		err = k.readImage(ctx, root, at, fi.Size())
	}
	var format *kernel.FormatError
	if errors.As(err, &format) {
		k.problem, err = format.Error(), nil
	}
	return err
}

func (k *bootKernel) readImage(ctx context.Context, root image.Root, r io.ReaderAt, size int64) error {
	// An initramfs is looked for even where the kernel cannot be read, so that
	// both are reported at once.
	k.initrdName = path.Join(path.Dir(k.name), "initramfs.img")
	fi, err := root.Stat(k.initrdName)
	switch {
	case err == nil && fi.Mode().IsRegular():
		k.initrd = sync.OnceValues(func() (*kernel.Initramfs, error) { return readInitramfs(ctx, root, k.initrdName) })
	case err != nil && !isAbsent(err):
		return err
	}
	img, err := kernel.ReadImage(r, size)
	if err != nil {
		return err
	}
	k.release, k.inner, k.machine = img.Release, img.Release, img.Architecture
	return nil
}

func (k *bootKernel) readUKI(ctx context.Context, root image.Root, r io.ReaderAt) error {
	k.initrdName = k.name
	uki, err := kernel.ReadUKI(r)
	if err != nil {
		return err
	}
	k.cmdline = uki.Cmdline
	if uki.Initrd != nil {
		k.initrd = sync.OnceValues(func() (*kernel.Initramfs, error) { return readUKIInitrd(ctx, root, k.name) })
	}
	img, err := kernel.ReadImage(uki.Linux, uki.Linux.Size())
	if err != nil {
		return err
	}
	k.release, k.inner, k.machine = uki.Uname, img.Release, uki.Architecture
	if k.release == "" {
		k.release = img.Release
	}
	return nil
}

func readInitramfs(ctx context.Context, root fs.FS, name string) (*kernel.Initramfs, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return kernel.ReadInitramfs(ctx, bufio.NewReaderSize(f, 1<<20), kernel.ReadOptions{})
}

// readUKIInitrd opens the UKI anew: its sections are read through a file that
// was closed since.
func readUKIInitrd(ctx context.Context, root fs.FS, name string) (*kernel.Initramfs, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	uki, err := kernel.ReadUKI(f.(io.ReaderAt))
	if err != nil {
		return nil, err
	}
	parts := []io.Reader{uki.Initrd}
	if uki.Ucode != nil {
		parts = []io.Reader{uki.Ucode, uki.Initrd}
	}
	return kernel.ReadInitramfs(ctx, io.MultiReader(parts...), kernel.ReadOptions{})
}

func describeType(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "regular file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeNamedPipe:
		return "FIFO"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeDevice:
		return "block device"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "character device"
	}
	return "file of type " + m.Type().String()
}
