package disk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// Where bootc and ostree look for kernels: crates/lib/src/kernel.rs of bootc,
// get_kernel_from_tree of src/libostree/ostree-sysroot-deploy.c of ostree.
const (
	modulesDir = "usr/lib/modules"
	ukiDir     = "boot/EFI/Linux"
)

// bootKernel is the kernel that bootc would start.
type bootKernel struct {
	name      string // of the file in the image
	initramfs string // of the file in the image, "" for a UKI, which has it inside
	uki       bool

	release, architecture string
	cmdline               string // of a UKI
	notes                 []string
}

// HasKernel says what keeps every machine from starting an image: an
// [*UnbootableError] where there is no kernel or no initramfs in root. [Make] says
// the same, of an image that it makes a disk of.
func HasKernel(root image.Root) error {
	_, err := findKernel(root)
	return err
}

// findKernel takes the kernel that bootc takes: the first UKI, else the one
// beside its modules. That a machine can start it is not looked into.
func findKernel(root image.Root) (*bootKernel, error) {
	k, err := chooseKernel(root)
	if err != nil {
		return nil, err
	}
	err = withFile(root, k.name, func(f io.ReaderAt, size int64) error { return k.read(f, size) })
	if malformed := (*kernel.FormatError)(nil); errors.As(err, &malformed) {
		return nil, &UnbootableError{
			Reason: fmt.Sprintf("%q is no kernel: %v", "/"+k.name, malformed),
			Hint:   "install the kernel's package anew",
		}
	}
	return k, err
}

func chooseKernel(root image.Root) (*bootKernel, error) {
	unified, err := filesIn(root, ukiDir, isUKIName)
	if err != nil {
		return nil, err
	}
	if len(unified) > 0 {
		return &bootKernel{name: unified[0], uki: true}, nil
	}
	folders, err := filesIn(root, modulesDir, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	var found []*bootKernel
	for _, dir := range folders {
		images, err := filesIn(root, dir, func(name string) bool { return name == "vmlinuz" })
		if err != nil {
			return nil, err
		}
		if len(images) > 0 {
			found = append(found, &bootKernel{name: images[0], release: path.Base(dir)})
			continue
		}
		if unified, err = filesIn(root, dir, isUKIName); err != nil {
			return nil, err
		}
		if len(unified) > 0 {
			found = append(found, &bootKernel{name: unified[0], release: path.Base(dir), uki: true})
		}
	}
	if len(found) == 0 {
		return nil, &UnbootableError{
			Reason: fmt.Sprintf("no kernel: neither /%s/*/vmlinuz nor /%s/*.efi", modulesDir, ukiDir),
			Hint:   "install a kernel; it must be beside its modules, not in /boot",
		}
	}
	k := found[0]
	if len(found) > 1 {
		k.notes = append(k.notes, fmt.Sprintf("The image has %d kernels, of which bootc takes none and ostree the first that it meets; %s was taken.", len(found), k.release))
	}
	if k.uki {
		return k, nil
	}
	// bootc knows the first name only, ostree both.
	for _, name := range []string{"initramfs.img", "initramfs"} {
		name = path.Join(path.Dir(k.name), name)
		if fi, err := root.Stat(name); err == nil && fi.Mode().IsRegular() {
			k.initramfs = name
			return k, nil
		} else if err != nil && !isAbsent(err) {
			return nil, err
		}
	}
	return nil, &UnbootableError{
		Reason: fmt.Sprintf("no initramfs beside the kernel: /%s is not there", path.Join(path.Dir(k.name), "initramfs.img")),
		Hint:   "make it with dracut as the last step that touches the kernel",
	}
}

func (k *bootKernel) read(f io.ReaderAt, size int64) error {
	if !k.uki {
		img, err := kernel.ReadImage(f, size)
		if err != nil {
			return err
		}
		k.architecture = img.Architecture
		return nil
	}
	uki, err := kernel.ReadUKI(f)
	if err != nil {
		return err
	}
	if uki.Initrd == nil {
		return &UnbootableError{Reason: fmt.Sprintf("no initramfs in the unified kernel image %q", "/"+k.name)}
	}
	k.architecture, k.cmdline = uki.Architecture, uki.Cmdline
	if k.release == "" {
		k.release = uki.Uname
	}
	return nil
}

// copyTo copies the kernel and its initramfs into dir.
func (k *bootKernel) copyTo(ctx context.Context, root image.Root, dir string) (kernelFile, initramfsFile string, err error) {
	kernelFile, initramfsFile = filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initramfs.img")
	defer func() {
		if err != nil {
			err = errors.Join(err, removeFiles(kernelFile, initramfsFile))
		}
	}()
	err = withFile(root, k.name, func(f io.ReaderAt, size int64) error {
		if !k.uki {
			return copyFile(ctx, kernelFile, io.NewSectionReader(f, 0, size))
		}
		uki, err := kernel.ReadUKI(f)
		if err != nil {
			return err
		}
		return errors.Join(copyFile(ctx, kernelFile, uki.Linux), copyFile(ctx, initramfsFile, initrdOf(uki)))
	})
	if err == nil && !k.uki {
		err = withFile(root, k.initramfs, func(f io.ReaderAt, size int64) error {
			return copyFile(ctx, initramfsFile, io.NewSectionReader(f, 0, size))
		})
	}
	return kernelFile, initramfsFile, err
}

// initrdFacts is what is asked of an initramfs.
type initrdFacts struct {
	// problem says why it cannot be read; then nothing else is known.
	problem string
	// prepareRoot and composefsSetup say which programs it has that find the
	// root file system of a deployment: ostree's, and that of bootc's own back
	// end.
	prepareRoot, composefsSetup bool
	// composefs says that its ostree-prepare-root knows of composefs.
	composefs bool
	// lacksExt4 says that neither it nor the kernel has the driver, and others
	// are the drivers for root file systems that they do have.
	lacksExt4 bool
	others    []string
}

const (
	prepareRootProgram = "usr/lib/ostree/ostree-prepare-root"
	bootcSetupProgram  = "usr/lib/bootc/initramfs-setup"
)

// inspect reads the initramfs. The error is one of reading; what is wrong with
// the initramfs is a fact, because it is the machine that shows what comes of it.
func (k *bootKernel) inspect(ctx context.Context, root image.Root) (f initrdFacts, err error) {
	var i *kernel.Initramfs
	read := func(r io.Reader) error {
		i, err = kernel.ReadInitramfs(ctx, bufio.NewReaderSize(r, 1<<20), kernel.ReadOptions{
			Keep: func(name string) bool { return name == prepareRootProgram },
		})
		return err
	}
	name := k.initramfs
	if k.uki {
		name = k.name
	}
	err = withFile(root, name, func(at io.ReaderAt, size int64) error {
		if !k.uki {
			return read(io.NewSectionReader(at, 0, size))
		}
		uki, err := kernel.ReadUKI(at)
		if err != nil {
			return err
		}
		return read(initrdOf(uki))
	})
	if malformed := (*kernel.InitramfsError)(nil); errors.As(err, &malformed) {
		return initrdFacts{problem: malformed.Error()}, nil
	}
	if err != nil {
		return f, err
	}
	prepare, ok := i.Lookup(prepareRootProgram)
	f.prepareRoot = ok
	f.composefs = ok && bytes.Contains(prepare.Content, []byte("composefs"))
	_, f.composefsSetup = i.Lookup(bootcSetupProgram)
	tree, err := kernel.ReadModuleTree(root, k.release)
	if malformed := (*kernel.ModulesError)(nil); errors.As(err, &malformed) || isAbsent(err) || err == nil && tree.Builtin == nil {
		return f, nil // nothing says what is built in
	}
	if err != nil {
		return f, err
	}
	for _, driver := range []string{"ext4", "xfs", "btrfs"} {
		has := tree.Builtin[driver] || i.HasModule(driver)
		switch {
		case driver == "ext4":
			f.lacksExt4 = !has
		case has:
			f.others = append(f.others, driver)
		}
	}
	return f, nil
}

// initrdOf is the initramfs as the boot stub puts it together.
func initrdOf(u *kernel.UKI) io.Reader {
	if u.Ucode != nil {
		return io.MultiReader(u.Ucode, u.Initrd)
	}
	return u.Initrd
}

// isUKIName leaves out add-ons, which only add arguments to the command line of
// a UKI.
func isUKIName(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".efi") && !strings.HasSuffix(name, ".addon.efi")
}

// filesIn lists what is in a folder by its whole name, sorted: regular files
// and folders. A folder that is not there has nothing in it.
func filesIn(root image.Root, dir string, wanted func(string) bool) ([]string, error) {
	entries, err := root.ReadDir(dir)
	if err != nil && !isAbsent(err) {
		return nil, fmt.Errorf("reading root file system: %w", err)
	}
	var names []string
	for _, e := range entries {
		if wanted(e.Name()) && (e.IsDir() || e.Type().IsRegular()) {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// isAbsent reports whether an error says that a file is not there.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func exists(root image.Root, name string) bool {
	_, err := root.Stat(name)
	return err == nil
}

func withFile(root image.Root, name string, f func(r io.ReaderAt, size int64) error) error {
	file, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("reading root file system: %w", err)
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading root file system: %w", err)
	}
	at, ok := file.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("reading root file system: %q cannot be read at any place", name)
	}
	return f(at, fi.Size())
}

// copyFile makes the file name of what r has.
func copyFile(ctx context.Context, name string, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copying the kernel: %w", err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close(), ctx.Err()); err != nil {
		return fmt.Errorf("copying the kernel: %w", err)
	}
	return nil
}

func removeFiles(names ...string) error {
	var errs []error
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
