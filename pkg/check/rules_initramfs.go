package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/kernel"
)

func checkInitramfsMissing(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	if len(kernels) == 0 {
		return nil, NotApplicable("no kernel: see rule kernel")
	}
	var out []Finding
	for _, k := range kernels {
		switch {
		case k.initrd != nil:
		case k.initrdName == "" || k.uki && k.problem != "":
			// It is no kernel, and no initramfs would make it one.
		case k.uki:
			out = append(out, finding(k.name, "the UKI has no initramfs (no .initrd section)"))
		default:
			f := finding(k.initrdName, "no initramfs beside the kernel /%s", k.name)
			other := path.Join(path.Dir(k.name), "initramfs")
			if fi, err := t.lstat(other); err != nil {
				return nil, err
			} else if fi != nil {
				f.Hint = fmt.Sprintf("rename /%s to initramfs.img: ostree takes both names, bootc's composefs back end only that one", other)
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func checkInitramfsDecodes(_ context.Context, t *Target) ([]Finding, error) {
	return eachInitramfs(t, func(k *bootKernel, i *kernel.Initramfs, err error) ([]Finding, error) {
		var broken *kernel.InitramfsError
		switch {
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, kernel.ErrLimit):
			// A kernel may be able to read it: that is no verdict.
			return nil, fmt.Errorf("/%s: %w", k.initrdName, err)
		case errors.As(err, &broken):
			return found(k.initrdName, "it cannot be unpacked to its end: %v", broken), nil
		case err != nil:
			return nil, err
		}
		var out []Finding
		for n, a := range i.Archives {
			if a.Unsupported != "" {
				out = append(out, finding(k.initrdName, "archive %d at offset %d is skipped or refused by the kernel: %s", n, a.Offset, a.Unsupported))
			}
		}
		return out, nil
	})
}

// eachInitramfs calls f for the initramfs of each kernel that has one.
func eachInitramfs(t *Target, f func(*bootKernel, *kernel.Initramfs, error) ([]Finding, error)) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	var out []Finding
	var errs []error
	na := NotApplicable("no initramfs: see rule initramfs-missing")
	judged := false
	for _, k := range kernels {
		if k.initrd == nil {
			continue
		}
		i, err := k.initrd()
		findings, err := f(k, i, err)
		out = append(out, findings...)
		if reason := NotApplicable(""); errors.As(err, &reason) {
			na = reason
			continue
		}
		judged = true
		errs = append(errs, err)
	}
	if !judged {
		return nil, na
	}
	return out, errors.Join(errs...)
}

// eachDecoded calls f for each initramfs that can be read.
func eachDecoded(t *Target, f func(*bootKernel, *kernel.Initramfs) ([]Finding, error)) ([]Finding, error) {
	return eachInitramfs(t, func(k *bootKernel, i *kernel.Initramfs, err error) ([]Finding, error) {
		if err != nil {
			return nil, NotApplicable("the initramfs cannot be read: see rule initramfs-decodes")
		}
		return f(k, i)
	})
}

// checkInitramfsInit asks for /init, which alone the kernel starts
// (ramdisk_execute_command in init/main.c): without it, the archive is ignored.
func checkInitramfsInit(_ context.Context, t *Target) ([]Finding, error) {
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		e, ok := i.Lookup("init")
		if ok && e.Mode.IsRegular() && e.Mode&0o111 != 0 && e.Size > 0 {
			return nil, nil
		}
		itself, present := i.Entries["init"]
		switch {
		case !present:
			return found(k.initrdName, "no /init in it"), nil
		case !ok:
			return found(k.initrdName, "/init in it is a link to %q, which is not there", itself.Link), nil
		case !e.Mode.IsRegular():
			return found(k.initrdName, "/init in it is a %s", describeType(e.Mode)), nil
		case e.Size == 0:
			return found(k.initrdName, "/init in it is empty"), nil
		}
		return found(k.initrdName, "/init in it may not be executed (mode %v)", e.Mode), nil
	})
}

// checkInitramfsKernel compares the module trees with the kernel's release.
func checkInitramfsKernel(_ context.Context, t *Target) ([]Finding, error) {
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		want := k.moduleRelease()
		if want == "" {
			return nil, NotApplicable("no kernel that can be read: see rule kernel")
		}
		versions := i.Versions()
		var out []Finding
		for _, v := range versions {
			if v != want {
				out = append(out, finding(k.initrdName, "it has modules of kernel %q, and the kernel is %q", v, want))
			}
		}
		if slices.Contains(versions, want) || len(out) > 0 {
			return out, nil
		}
		// A kernel without modules has none to load early either.
		tree, err := k.tree()
		if isAbsent(err) || err == nil && len(tree.Files) == 0 {
			return nil, nil
		}
		var malformed *kernel.ModulesError
		if err != nil && !errors.As(err, &malformed) {
			return nil, err
		}
		return found(k.initrdName, "it has no modules of kernel %q (lib/modules/%s)", want, want), nil
	})
}

// rootSetup is what mounts the deployment in the initramfs: a program, its
// unit, and the link by which initrd-root-fs.target starts the unit.
type rootSetup struct{ program, unit string }

// The dracut modules "ostree" (src/boot/dracut/module-setup.sh of ostree) and
// "bootc" (crates/initramfs of bootc) install these.
var rootSetups = []rootSetup{
	{"usr/lib/ostree/ostree-prepare-root", "ostree-prepare-root.service"},
	{"usr/lib/bootc/initramfs-setup", "bootc-root-setup.service"},
}

// missing lists what an initramfs lacks of it.
func (s rootSetup) missing(i *kernel.Initramfs) []string {
	var out []string
	if e, ok := i.Lookup(s.program); !ok || !e.Mode.IsRegular() || e.Mode&0o111 == 0 {
		out = append(out, "/"+s.program)
	}
	var unit, wanted bool
	for _, dir := range []string{"usr/lib/systemd/system", "etc/systemd/system"} {
		if e, ok := i.Lookup(path.Join(dir, s.unit)); ok && e.Mode.IsRegular() {
			unit = true
		}
		// The target of the link does not matter to systemd, only its name does.
		for _, kind := range []string{"wants", "requires"} {
			folder, ok := i.Lookup(path.Join(dir, "initrd-root-fs.target."+kind))
			if !ok || folder.Mode.Type() != fs.ModeDir {
				continue
			}
			if _, ok := i.Entries[path.Join(folder.Name, s.unit)]; ok {
				wanted = true
			}
		}
	}
	if !unit {
		out = append(out, "the unit "+s.unit)
	}
	if !wanted {
		out = append(out, "its link in initrd-root-fs.target.wants")
	}
	return out
}

func checkInitramfsPrepareRoot(_ context.Context, t *Target) ([]Finding, error) {
	uses, err := t.usesOSTree()
	if err != nil {
		return nil, err
	}
	if !uses {
		return nil, NotApplicable("neither a label nor /ostree says that the image is for bootc or ostree")
	}
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		var least []string
		for n, s := range rootSetups {
			missing := s.missing(i)
			if len(missing) == 0 {
				return nil, nil
			}
			if n == 0 || len(missing) < len(least) {
				least = missing
			}
		}
		return found(k.initrdName, "nothing in it can mount the deployed root file system; it lacks %s", strings.Join(least, ", ")), nil
	})
}
