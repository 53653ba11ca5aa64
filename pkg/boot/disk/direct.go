package disk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// diskFile is the name of the disk in the caller's folder.
const diskFile = "disk.raw"

// makeDirect puts the root file system on the disk as it is. The image's
// /etc/fstab stays as it is too: "bootc install to-disk" writes none, so that
// what the image has in it is in force on the machines.
func (m *maker) makeDirect(ctx context.Context) (_ *Bootable, err error) {
	b := &Bootable{Disk: filepath.Join(m.dir, diskFile), Mode: Direct, Release: m.kernel.release, Architecture: m.kernel.architecture}
	if b.Kernel, b.Initramfs, err = m.kernel.copyTo(ctx, m.root, m.dir); err != nil {
		return nil, err
	}
	s := &streamer{root: m.root}
	if err := makeExt4(ctx, m.root, b.Disk, m.free, s); err != nil {
		return nil, errors.Join(err, removeFiles(b.Kernel, b.Initramfs))
	}
	b.Cmdline = m.cmdline()
	b.Notes = append(m.notes, socketNote(s.skipped)...)
	return b, nil
}

// cmdline is what both ways that give the kernel to the machine have in common.
func (m *maker) cmdline() []string {
	args := []string{"root=UUID=" + rootUUID, "rw"}
	for _, arg := range strings.Fields(m.kernel.cmdline) {
		// They are for the disk that the image would be installed on.
		switch key, _, _ := strings.Cut(arg, "="); key {
		case "root", "rootflags", "rootfstype", "ostree", "composefs", "rw", "ro":
		default:
			args = append(args, arg)
		}
	}
	args = append(args, m.kargs...)
	if m.unlabelled {
		args = append(args, "enforcing=0")
	}
	return append(args, m.more...)
}

func socketNote(skipped int) []string {
	if skipped == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Sockets are not on the disk: the image has %d.", skipped)}
}

// hasPolicy reports whether the image has an SELinux policy, which would be in
// force on files that have no labels: bootc makes them on the machine.
func hasPolicy(root image.Root) (bool, error) {
	types, err := filesIn(root, "etc/selinux", func(string) bool { return true })
	if err != nil {
		return false, err
	}
	for _, dir := range types {
		policies, err := filesIn(root, dir+"/policy", func(name string) bool { return strings.HasPrefix(name, "policy.") })
		if err != nil {
			return false, err
		}
		if len(policies) > 0 {
			labels, err := root.Xattrs("usr")
			return labels["security.selinux"] == nil, err
		}
	}
	return false, nil
}
