package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// maker is one call of [Make].
type maker struct {
	root image.Root
	dir  string
	free int64
	more []string // the caller's kernel arguments
	// reference is the image's name for podman, "" without one.
	reference string
	machine   machine
	kernel    *bootKernel
	initrd    initrdFacts
	kargs     []string // the image's
	notes     []string
	// unlabelled says that the image has an SELinux policy, and its files no
	// labels.
	unlabelled bool
}

// Make makes root bootable, with files in the folder dir, which must be there
// and should be empty. After an error, and when ctx is cancelled, nothing of
// its own is left in dir.
//
// An image that lacks what is needed to try is an [*UnbootableError], a folder
// whose file system is too small a [*SpaceError], and a program that is not
// installed a [*MissingError].
//
// The strongest possible way is [OSTree] where it can be taken, else [Direct].
// [Install] is taken only when it is asked for: it runs the image's own programs
// with all privileges on this machine, its devices included.
func Make(ctx context.Context, root image.Root, dir string, o Options) (*Bootable, error) {
	m := &maker{root: root, dir: dir, free: cmp.Or(o.Free, DefaultFree), more: o.Kargs, reference: o.Reference}
	m.machine = machine{root: os.Geteuid() == 0, firmwares: firmwares}
	if o.machine != nil {
		m.machine = *o.machine
	}
	var err error
	if m.kernel, err = findKernel(root); err != nil {
		return nil, err
	}
	if m.kargs, err = imageKargs(root, m.kernel.architecture); err != nil {
		return nil, err
	}
	m.notes = m.kernel.notes
	if o.Mode == Install {
		return m.makeInstall(ctx)
	}
	if m.initrd, err = m.kernel.inspect(ctx, root); err != nil {
		return nil, err
	}
	if err := m.checkDriver(); err != nil {
		return nil, err
	}
	if m.unlabelled, err = hasPolicy(root); err != nil {
		return nil, err
	}
	if m.unlabelled {
		m.note("The files have no SELinux labels, which bootc makes when it installs the image: the kernel got enforcing=0.")
	}
	if m.initrd.problem != "" {
		m.note("The initramfs cannot be read: %s.", m.initrd.problem)
	}
	switch o.Mode {
	case Direct:
		return m.makeDirect(ctx)
	case OSTree:
		tool, err := m.needsOSTree(ctx)
		if err != nil {
			return nil, err
		}
		return m.makeOSTree(ctx, tool)
	case "":
		return m.makeStrongest(ctx)
	}
	return nil, fmt.Errorf("making a disk: unknown mode %q", o.Mode)
}

func (m *maker) makeStrongest(ctx context.Context) (*Bootable, error) {
	if exists(m.root, "usr/bin/bootc") {
		m.note("The image can install itself, which is closer to what a machine does; mode %q has it do so, with all privileges on this machine.", Install)
	}
	why := m.lacksDeployment()
	if why == "" {
		tool, err := m.needsOSTree(ctx)
		if err == nil {
			return m.makeOSTree(ctx, tool)
		}
		if unbootable := (*UnbootableError)(nil); errors.As(err, &unbootable) || ctx.Err() != nil {
			return nil, err
		}
		why = strings.TrimPrefix(err.Error(), "making a disk: ")
	}
	m.note("The image was not deployed with ostree: %s.", why)
	return m.makeDirect(ctx)
}

// lacksDeployment says why the image is none that ostree deploys, "" where it
// is one. An image with ostree's program, and without it in its initramfs, is
// one that does not boot: needsOSTree refuses it.
func (m *maker) lacksDeployment() string {
	switch {
	case m.kernel.uki && strings.HasPrefix(m.kernel.name, ukiDir):
		return "its unified kernel image is for bootc's composefs back end"
	case m.initrd.prepareRoot || m.initrd.problem != "" && exists(m.root, prepareRootProgram):
		return ""
	case m.initrd.composefsSetup:
		return "its initramfs is for bootc's composefs back end"
	case exists(m.root, prepareRootProgram):
		return ""
	}
	return "it has no ostree-prepare-root"
}

// checkDriver refuses what cannot mount the disks that are made here.
func (m *maker) checkDriver() error {
	switch {
	case !m.initrd.lacksExt4:
		return nil
	case len(m.initrd.others) == 0:
		return &UnbootableError{
			Reason: "neither the initramfs nor the kernel has a driver for a root file system: not ext4, xfs or btrfs",
			Hint:   "make the initramfs for any machine: hostonly=no in /usr/lib/dracut/dracut.conf.d",
		}
	}
	return fmt.Errorf("making a disk: the disk is ext4, whose driver neither the initramfs nor the kernel has; they have %s", strings.Join(m.initrd.others, ", "))
}

func (m *maker) note(format string, args ...any) {
	m.notes = append(slices.Clip(m.notes), fmt.Sprintf(format, args...))
}
