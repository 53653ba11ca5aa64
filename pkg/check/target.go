package check

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Target is the image that rules look at. What costs time is read when the
// first rule asks for it, and then shared.
type Target struct {
	// Root is the image's root file system.
	Root image.Root
	// Config is the image's configuration; it is empty for a bare folder.
	Config *imgspecv1.Image
	// Folder is set where the target is a folder and no image: it has neither
	// labels nor an architecture.
	Folder bool

	// repos are the recipe's own, some of which it keeps.
	repos []recipe.Repo
	// kernels lists what the machine could start.
	kernels func() ([]*bootKernel, error)
	// program returns the program that the kernel runs as the first process of
	// the system itself.
	program func() (initProgram, error)
	// linked are the files that rule hard-links has found, by their inode. Only
	// the walk uses it.
	linked []uint64

	facts
}

func newTarget(ctx context.Context, location string, root image.Root, config *imgspecv1.Image) *Target {
	t := &Target{Root: root, Config: config, Folder: strings.HasPrefix(location, image.DirPrefix)}
	t.kernels = sync.OnceValues(func() ([]*bootKernel, error) { return findKernels(ctx, t.Root) })
	t.program = sync.OnceValues(func() (initProgram, error) { return findInit(t.Root) })
	t.facts = newFacts(ctx, t.Root)
	return t
}

// initProgram is the first process of the system.
type initProgram struct {
	name string // "" where there is none
	mode fs.FileMode
	// machine is its architecture as image configurations name it, "" where it
	// is no ELF program.
	machine string
}

// executable reports whether root may execute it, for whom one bit is enough.
func (p *initProgram) executable() bool { return p.mode&0o111 != 0 }

// findInit looks where systemd's and the kernel's own search would: the first
// is what bootc's systems have. What may not be executed is gone past as it is
// there, and is returned where there is nothing else.
func findInit(root image.Root) (initProgram, error) {
	var first initProgram
	for _, name := range []string{"usr/lib/systemd/systemd", "sbin/init"} {
		fi, err := root.Stat(name)
		if isAbsent(err) || err == nil && !fi.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return initProgram{}, err
		}
		f, err := root.Open(name)
		if err != nil {
			return initProgram{}, err
		}
		defer f.Close()
		machine, err := elfArchitecture(f)
		if err != nil {
			return initProgram{}, fmt.Errorf("reading %q: %w", name, err)
		}
		p := initProgram{name, fi.Mode(), machine}
		if p.executable() {
			return p, nil
		}
		if first.name == "" {
			first = p
		}
	}
	return first, nil
}

// isAbsent reports whether a name leads to no file: there is none, or a link
// on the way leads in a circle or to what is no folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR)
}

// elfArchitecture returns the architecture of an ELF file by the name it has
// in image configurations (that of GOARCH), and "" for what is no ELF file.
func elfArchitecture(r io.Reader) (string, error) {
	// e_ident, e_type and e_machine.
	head := make([]byte, 20)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	if n < len(head) || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return "", nil
	}
	little := elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2LSB
	wide := elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64
	machine := elf.Machine(head[18])<<8 | elf.Machine(head[19])
	if little {
		machine = elf.Machine(head[19])<<8 | elf.Machine(head[18])
	}
	for _, a := range elfMachines {
		if a.machine == machine && a.wide == wide && a.little == little {
			return a.name, nil
		}
	}
	return fmt.Sprintf("unknown (%v)", machine), nil
}

var elfMachines = []struct {
	machine      elf.Machine
	wide, little bool
	name         string
}{
	{elf.EM_X86_64, true, true, "amd64"},
	{elf.EM_386, false, true, "386"},
	{elf.EM_AARCH64, true, true, "arm64"},
	{elf.EM_ARM, false, true, "arm"},
	{elf.EM_PPC64, true, true, "ppc64le"},
	{elf.EM_PPC64, true, false, "ppc64"},
	{elf.EM_S390, true, false, "s390x"},
	{elf.EM_RISCV, true, true, "riscv64"},
	{elf.EM_LOONGARCH, true, true, "loong64"},
}

// architecture returns what the image is for: what its configuration says, or
// for a folder what its first process is made for.
func (t *Target) architecture() (string, error) {
	if t.Config.Architecture != "" {
		return t.Config.Architecture, nil
	}
	if !t.Folder {
		return "", NotApplicable("the configuration names no architecture: see rule architecture")
	}
	p, err := t.program()
	if err != nil {
		return "", err
	}
	if p.machine == "" {
		return "", NotApplicable("nothing says which architecture the folder is for")
	}
	return p.machine, nil
}

// labelled reports whether the image says that it is bootable, as bootc looks
// for it.
func (t *Target) labelled() bool {
	for _, label := range []string{"containers.bootc", "ostree.bootable"} {
		if _, ok := t.Config.Config.Labels[label]; ok {
			return true
		}
	}
	return false
}

// usesOSTree reports whether the root file system will be set up by
// ostree-prepare-root or its successor: the image is for bootc.
func (t *Target) usesOSTree() (bool, error) {
	if t.labelled() {
		return true, nil
	}
	_, err := t.Root.Lstat("ostree")
	if isAbsent(err) {
		return false, nil
	}
	return err == nil, err
}

// lstat describes a file that may be absent: then both results are nil.
func (t *Target) lstat(name string) (fs.FileInfo, error) {
	fi, err := t.Root.Lstat(name)
	if isAbsent(err) {
		return nil, nil
	}
	return fi, err
}

// readDir lists a folder that may be absent.
func (t *Target) readDir(name string) ([]fs.DirEntry, error) {
	entries, err := t.Root.ReadDir(name)
	if isAbsent(err) {
		return nil, nil
	}
	return entries, err
}

// readSmall reads a configuration file that may be absent: then it is nil.
func readSmall(root fs.FS, name string) ([]byte, error) {
	const limit = 1 << 20
	f, err := root.Open(name)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("%q is larger than %d bytes", name, limit)
	}
	if data == nil {
		data = []byte{}
	}
	return data, err
}
