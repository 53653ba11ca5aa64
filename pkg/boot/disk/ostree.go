package disk

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/image"
)

const (
	sysrootDir = "sysroot" // in the caller's folder, while the disk is made
	// stateroot is the one that bootc makes.
	stateroot = "default"
	branch    = "bootkiln/image"
)

// makeOSTree deploys the root file system with the tool, and puts the deployment on the disk. What the machine then starts are kernel,
// initramfs and arguments of the boot loader entry that the deployment wrote.
//
// The sysroot is made in a folder first, where it takes the image's size once
// more: repository and deployment share their files as hard links, which the
// disk keeps. No mount and no loop device is needed, so none can be left behind.
func (m *maker) makeOSTree(ctx context.Context, tool *ostreeTool) (_ *Bootable, err error) {
	sum, err := measure(ctx, m.root, deployedName)
	if err != nil {
		return nil, err
	}
	space, err := checkSpace(m.dir, 2*(sum.bytes+sum.files*1024)+journalSize)
	if err != nil {
		return nil, err
	}
	sysroot := filepath.Join(m.dir, sysrootDir)
	b := &Bootable{
		Disk: filepath.Join(m.dir, diskFile), Kernel: filepath.Join(m.dir, "vmlinuz"), Initramfs: filepath.Join(m.dir, "initramfs.img"),
		Mode: OSTree, Release: m.kernel.release, Architecture: m.kernel.architecture, Notes: m.notes,
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(sysroot))
		if err != nil {
			err = space.explain(errors.Join(err, removeFiles(b.Disk, b.Kernel, b.Initramfs)))
		}
	}()
	if err := m.deploy(ctx, sysroot, tool); err != nil {
		return nil, err
	}
	entry, err := readEntry(sysroot)
	if err != nil {
		return nil, err
	}
	b.Cmdline = entry.options
	// Links, because the sysroot goes away.
	if err := errors.Join(os.Link(entry.linux, b.Kernel), os.Link(entry.initrd, b.Initramfs)); err != nil {
		return nil, fmt.Errorf("copying the kernel: %w", err)
	}
	root, err := image.OpenRoot(sysroot)
	if err != nil {
		return nil, err
	}
	err = makeExt4(ctx, root, b.Disk, m.free, &streamer{root: root})
	if err := errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	if err := makeImmutable(ctx, b.Disk, entry.deployment); err != nil {
		return nil, err
	}
	return b, nil
}

// needsOSTree returns what deploys the image, or why it cannot be deployed: an
// [*UnbootableError] where that is the image's fault.
func (m *maker) needsOSTree(ctx context.Context) (*ostreeTool, error) {
	if m.initrd.problem == "" && !m.initrd.prepareRoot {
		return nil, &UnbootableError{
			Reason: "the initramfs has no ostree-prepare-root, which alone finds the root file system of a deployment",
			Hint:   `add_dracutmodules+=" ostree " in /usr/lib/dracut/dracut.conf.d, and make the initramfs anew`,
		}
	}
	if exists(m.root, "etc") && exists(m.root, "usr/etc") {
		return nil, &UnbootableError{Reason: "it has both /etc and /usr/etc, which ostree does not deploy", Hint: "move what is in /usr/etc to /etc"}
	}
	if !m.machine.root {
		return nil, errors.New("making a disk: a deployment has files of several owners, which ostree keeps only as root")
	}
	composefs, err := usesComposefs(m.root)
	if err != nil {
		return nil, err
	}
	if m.initrd.problem != "" {
		// It boots neither way, which does not depend on this machine's ostree.
		composefs = false
	} else if composefs && !m.initrd.composefs {
		m.note("The image turns composefs on, and its ostree-prepare-root is too old to know of it: the root file system is mounted without.")
		composefs = false
	}
	return m.findOSTree(ctx, func(features string) error {
		if composefs && !strings.Contains(features, "- composefs") {
			return fmt.Errorf("making a disk: the image turns composefs on, which ostree of %s cannot make", firstVersion(features))
		}
		return nil
	})
}

func firstVersion(features string) string {
	for line := range strings.Lines(features) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Version: "); ok {
			return "version " + strings.Trim(v, "'")
		}
	}
	return "no version that it tells"
}

// usesComposefs reports what prepare-root.conf says: ostree-prepare-root(1). A
// value of "maybe" is satisfied with either.
func usesComposefs(root image.Root) (bool, error) {
	for _, name := range []string{"etc/ostree/prepare-root.conf", "usr/lib/ostree/prepare-root.conf"} {
		if !exists(root, name) {
			continue
		}
		text, err := readText(root, name)
		if err != nil {
			return false, err
		}
		section := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") {
				section = line
			}
			key, value, _ := strings.Cut(line, "=")
			if section == "[composefs]" && strings.TrimSpace(key) == "enabled" {
				switch strings.TrimSpace(value) {
				case "yes", "true", "1", "verity", "signed":
					return true, nil
				}
			}
		}
		return false, nil
	}
	return false, nil
}

// apiDirs are the folders of which a commit has the folder alone: those that
// the machine mounts something on, and /var, which it fills at its first boot
// (tmpfiles.d). Clients drop the same, crates/ostree-ext/src/tar/write.rs of
// bootc, but for /var, which they unpack at the first installation alone: an
// image that needs that content fails on every machine that is updated to it.
var apiDirs = map[string]bool{"dev": true, "proc": true, "run": true, "sys": true, "tmp": true, "var": true, "sysroot": true}

// deployedName is what ostree commits a file of the image as.
func deployedName(name string, fi fs.FileInfo) (string, bool) {
	top, below, deep := strings.Cut(name, "/")
	switch {
	case deep && apiDirs[top]:
		return "", false
	case top != "etc":
		return name, true
	case (below == "hostname" || below == "resolv.conf") && fi.Mode().IsRegular() && fi.Size() == 0:
		// What builds leave of the container's own.
		return "", false
	}
	return "usr/" + name, true
}

// refuseUncommittable refuses what ostree has no objects for, with which bootc
// refuses the image.
func refuseUncommittable(name string, fi fs.FileInfo) error {
	kind := ""
	switch t := fi.Mode().Type(); {
	case !utf8.ValidString(name):
		kind = "a file whose name is not UTF-8"
	case t&fs.ModeDevice != 0:
		kind = "a device"
	case t == fs.ModeNamedPipe:
		kind = "a FIFO"
	case t == fs.ModeSocket:
		kind = "a socket"
	default:
		return nil
	}
	return &UnbootableError{
		Reason: fmt.Sprintf("%q is %s, which ostree cannot deploy", "/"+name, kind),
		Hint:   "remove it in the step that makes it; tmpfiles.d can make it on the machine",
	}
}

// deploy makes a sysroot in the new folder dir.
func (m *maker) deploy(ctx context.Context, dir string, tool *ostreeTool) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	repo := "--repo=" + path.Join(tool.sysroot, "ostree/repo")
	for _, args := range [][]string{
		{"admin", "init-fs", "--modern", tool.sysroot},
		{"admin", "os-init", "--sysroot=" + tool.sysroot, stateroot},
		// As bootc sets them; with "none" no boot loader of this machine is looked for.
		{"config", repo, "set", "sysroot.bootloader", "none"},
		{"config", repo, "set", "sysroot.readonly", "true"},
	} {
		if _, err := tool.run(ctx, nil, args...); err != nil {
			return fmt.Errorf("making a disk: %w", err)
		}
	}
	if err := m.commit(ctx, repo, tool); err != nil {
		return err
	}
	args := []string{"admin", "deploy", "--sysroot=" + tool.sysroot, "--os=" + stateroot}
	for _, arg := range m.cmdline() {
		// "--karg" would replace an earlier one of its name: two consoles are two.
		args = append(args, "--karg-append="+arg)
	}
	_, err := tool.run(ctx, nil, append(args, branch)...)
	return refusedBy(err, "ostree does not deploy it")
}

// commit streams the root file system into the repository.
func (m *maker) commit(ctx context.Context, repo string, tool *ostreeTool) error {
	s := &streamer{root: m.root, rename: deployedName, refuse: refuseUncommittable}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.copyTo(ctx, w)
		w.CloseWithError(err) // nil is the end of the archive
		done <- err
	}()
	// The disk is thrown away: nothing has to survive a power cut.
	_, err := tool.run(ctx, r, "commit", repo, "--branch="+branch, "--subject=bootkiln", "--no-bindings", "--fsync=no",
		"--tar-autocreate-parents", "--tree=tar=/dev/stdin")
	r.CloseWithError(err)
	if sent := <-done; sent != nil && !errors.Is(sent, io.ErrClosedPipe) && !errors.Is(sent, err) {
		return sent
	}
	return refusedBy(err, "ostree does not commit it")
}

// refusedBy makes an image failure of what ostree says about an image. That the
// disk is full, or that ostree was stopped, is none.
func refusedBy(err error, what string) error {
	failed := (*commandError)(nil)
	// 125 to 127 are podman's own, which then did not come to run the program.
	if !errors.As(err, &failed) || failed.status < 0 || failed.status >= 125 || isFull(err) {
		return err
	}
	return &UnbootableError{Reason: what + ": " + strings.ReplaceAll(failed.output, "\n", "; ")}
}

// bootEntry is what the deployment tells the boot loader, with names of files
// on this machine but for deployment, which is that of the disk.
type bootEntry struct {
	linux, initrd string
	options       []string
	deployment    string
}

// readEntry reads the only entry of a new sysroot
// (https://uapi-group.org/specifications/specs/boot_loader_specification/).
func readEntry(sysroot string) (e bootEntry, err error) {
	boot := filepath.Join(sysroot, "boot")
	names, err := filepath.Glob(filepath.Join(boot, "loader/entries/*.conf"))
	if err == nil && len(names) != 1 {
		err = fmt.Errorf("ostree wrote %d boot loader entries", len(names))
	}
	if err != nil {
		return e, fmt.Errorf("making a disk: %w", err)
	}
	f, err := os.Open(names[0])
	if err != nil {
		return e, fmt.Errorf("making a disk: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "linux":
			e.linux = filepath.Join(boot, value)
		case "initrd":
			e.initrd = filepath.Join(boot, value)
		case "options":
			e.options = strings.Fields(value)
		}
	}
	for _, arg := range e.options {
		if name, ok := strings.CutPrefix(arg, "ostree="); ok {
			link, err := filepath.EvalSymlinks(filepath.Join(sysroot, name))
			if err != nil {
				return e, fmt.Errorf("making a disk: %w", err)
			}
			top, err := filepath.EvalSymlinks(sysroot)
			if err != nil {
				return e, fmt.Errorf("making a disk: %w", err)
			}
			e.deployment = strings.TrimPrefix(link, top)
		}
	}
	if err := lines.Err(); err != nil || e.linux == "" || e.initrd == "" || e.deployment == "" {
		return e, fmt.Errorf("making a disk: ostree's boot loader entry has not all that is needed: %w", cmp.Or(err, errors.ErrUnsupported))
	}
	return e, nil
}

// makeImmutable does to the deployment on the disk what ostree was kept from
// doing in the folder.
func makeImmutable(ctx context.Context, disk, deployment string) error {
	out, err := run(ctx, nil, "debugfs", "-R", "stat "+deployment, disk)
	if err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	var flags uint32
	if _, at, ok := strings.Cut(out, "Flags: "); !ok {
		return fmt.Errorf("making a disk: debugfs does not find %q", deployment)
	} else if _, err := fmt.Sscanf(at, "0x%x", &flags); err != nil {
		return fmt.Errorf("making a disk: reading the flags of %q: %w", deployment, err)
	}
	const immutable = 0x10 // EXT4_IMMUTABLE_FL
	_, err = run(ctx, nil, "debugfs", "-w", "-R", fmt.Sprintf("set_inode_field %s flags 0x%x", deployment, flags|immutable), disk)
	if err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	return nil
}
