package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// checkKernel finds images without a kernel, with several, and with files that
// only have a kernel's name.
func checkKernel(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	if len(kernels) == 0 {
		return noKernel(t)
	}
	var out []Finding
	// A UKI may stand beside the same kernel in another form. Rule
	// kernel-release compares them.
	groups := map[string][]*bootKernel{}
	for _, k := range kernels {
		kind := "image"
		if k.uki {
			kind = "UKI in /" + path.Dir(k.name)
		}
		groups[kind] = append(groups[kind], k)
	}
	for _, same := range groups {
		for _, k := range same[1:] {
			out = append(out, finding(k.name, "one of %d kernels, beside /%s; which of them would start is left to chance", len(same), same[0].name))
		}
	}
	for _, k := range kernels {
		if k.problem != "" {
			out = append(out, finding(k.name, "not a kernel: %s", k.problem))
		}
	}
	return out, nil
}

// noKernel says where the kernel of an image without one may have gone.
func noKernel(t *Target) ([]Finding, error) {
	f := finding(modulesDir, "no kernel: neither /%s/<release>/vmlinuz nor /%s/*.efi", modulesDir, ukiDir)
	boot, err := t.readDir("boot")
	if err != nil {
		return nil, err
	}
	for _, e := range boot {
		if strings.HasPrefix(e.Name(), "vmlinuz") {
			f.Hint = fmt.Sprintf("move /boot/%s to /%s/<release>/vmlinuz, with its initramfs beside it as initramfs.img: bootc does not look in /boot", e.Name(), modulesDir)
			break
		}
	}
	return []Finding{f}, nil
}

// readableKernels are those that further rules can judge.
func readableKernels(t *Target) ([]*bootKernel, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	kernels = slices.DeleteFunc(slices.Clone(kernels), func(k *bootKernel) bool { return k.problem != "" })
	if len(kernels) == 0 {
		return nil, NotApplicable("no kernel that can be read: see rule kernel")
	}
	return kernels, nil
}

func checkKernelRelease(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := readableKernels(t)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for i, k := range kernels {
		switch {
		case k.release != k.inner:
			out = append(out, finding(k.name, "the UKI says release %q, and the kernel in it %q", k.release, k.inner))
		case k.dir != "" && k.release != k.dir:
			out = append(out, finding(k.name, "the kernel is release %q, and its modules are in the folder of %q", k.release, k.dir))
		case k.dir == "" && i > 0 && k.release != kernels[0].moduleRelease():
			out = append(out, finding(k.name, "the UKI is release %q, and the kernel image beside it %q", k.release, kernels[0].moduleRelease()))
		}
	}
	return out, nil
}

func checkKernelArchitecture(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := readableKernels(t)
	if err != nil {
		return nil, err
	}
	want, err := t.architecture()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, k := range kernels {
		if k.machine != want {
			out = append(out, finding(k.name, "the kernel is for %s, and the image for %s", k.machine, want))
		}
	}
	return out, nil
}

func checkInit(_ context.Context, t *Target) ([]Finding, error) {
	p, err := t.program()
	if err != nil {
		return nil, err
	}
	switch {
	case p.name == "":
		return found("sbin/init", "no first process: neither /usr/lib/systemd/systemd nor /sbin/init leads to a program"), nil
	case p.machine == "":
		return found(p.name, "not an ELF program"), nil
	case !p.executable():
		return found(p.name, "it may not be executed (mode %v)", p.mode), nil
	}
	return nil, nil
}

func checkArchitecture(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, NotApplicable("a folder has no configuration")
	}
	if t.Config.Architecture == "" {
		return found("", "the image's configuration names no architecture"), nil
	}
	p, err := t.program()
	if err != nil {
		return nil, err
	}
	switch {
	case p.machine == "":
		return nil, NotApplicable("no first process: see rule init")
	case p.machine != t.Config.Architecture:
		return found(p.name, "the program is for %s, and the image's configuration says %s", p.machine, t.Config.Architecture), nil
	}
	return nil, nil
}

// checkKernelModules finds kernels whose module folder holds little more than
// the kernel, as the purge of a package leaves it where the kernel was copied.
func checkKernelModules(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := readableKernels(t)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, k := range kernels {
		release := k.moduleRelease()
		dir := path.Join(modulesDir, release)
		tree, err := k.tree()
		var malformed *kernel.ModulesError
		switch {
		case errors.As(err, &malformed):
			out = append(out, finding(malformed.Path, "line %d: %s", malformed.Line, malformed.Reason))
		case isAbsent(err):
			out = append(out, finding(dir, "there is no such folder, and the kernel of /%s looks for its modules there", k.name))
		case err != nil:
			return nil, err
		case len(tree.Files) == 0 && tree.Builtin == nil:
			// A kernel with all of its drivers built in has modules.builtin.
			out = append(out, finding(dir, "it holds the kernel, and none of its modules"))
		case len(tree.Files) == 0 && len(tree.Dep) > 0:
			out = append(out, finding(dir, "modules.dep names %d modules, and none is there", len(tree.Dep)))
		case len(tree.Files) > 0 && len(tree.Dep) == 0:
			out = append(out, finding(path.Join(dir, "modules.dep"), "it is missing or empty: modprobe finds none of the %d modules", len(tree.Files)))
		case len(tree.Files) > 0 && indexed(tree) == 0:
			// As when the modules were compressed later.
			out = append(out, finding(path.Join(dir, "modules.dep"), "it names none of the %d modules that are there, but %s", len(tree.Files), tree.Missing()[0]))
		case len(tree.Files) > 0:
			index := path.Join(dir, "modules.dep.bin")
			if _, err := t.Root.Stat(index); isAbsent(err) {
				out = append(out, finding(index, "it is missing, and modprobe reads no other"))
			} else if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// checkStaleModules finds module trees that no kernel of the image loads.
// Only folders that are named like a release count: others, such as kabi-*,
// are no kernel's. Nor does one whose modules the kernel takes over.
func checkStaleModules(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	if len(kernels) == 0 {
		return nil, NotApplicable("no kernel: see rule kernel")
	}
	folders, err := t.readDir(modulesDir)
	if err != nil {
		return nil, err
	}
	lent, err := lentModules(t, kernels)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, folder := range folders {
		used := slices.ContainsFunc(kernels, func(k *bootKernel) bool { return k.moduleRelease() == folder.Name() })
		if !folder.IsDir() || used || !looksLikeRelease(folder.Name()) {
			continue
		}
		dir := path.Join(modulesDir, folder.Name())
		if lent[folder.Name()] {
			own, err := t.lstat(path.Join(dir, "kernel"))
			if err != nil {
				return nil, err
			}
			if own == nil {
				continue
			}
		}
		out = append(out, finding(dir, "modules of a kernel that is not in the image"))
	}
	return out, nil
}

// lentModules are the releases from whose folders a kernel takes modules over:
// packages of modules (kmod-*) put them into the folder of the kernel that they
// were made with, and weak-modules(8) links them into weak-updates of those that
// can load them too.
func lentModules(t *Target, kernels []*bootKernel) (map[string]bool, error) {
	lent := map[string]bool{}
	for _, k := range kernels {
		if k.problem != "" {
			continue // see rule kernel
		}
		dir := path.Join(modulesDir, k.moduleRelease())
		tree, err := k.tree()
		if malformed := (*kernel.ModulesError)(nil); errors.As(err, &malformed) || isAbsent(err) {
			continue // see rule kernel-modules
		}
		if err != nil {
			return nil, err
		}
		for _, file := range tree.Files {
			name := path.Join(dir, file)
			if !strings.HasPrefix(file, "weak-updates/") {
				continue
			}
			target, err := t.Root.ReadLink(name)
			if err != nil {
				continue // a module of its own
			}
			target = fromRoot(target, path.Dir(name))
			if !strings.HasPrefix(target, "usr/") {
				target = "usr/" + target // /lib is a link
			}
			if below, ok := strings.CutPrefix(target, modulesDir+"/"); ok {
				if _, err := t.Root.Stat(target); err == nil {
					release, _, _ := strings.Cut(below, "/")
					lent[release] = true
				}
			}
		}
	}
	return lent, nil
}

// looksLikeRelease reports whether a name begins with two numbers, as in "6.12".
func looksLikeRelease(name string) bool {
	major, rest, ok := strings.Cut(name, ".")
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	return ok && digit(rest) && digit(major) && strings.Trim(major, "0123456789") == ""
}
