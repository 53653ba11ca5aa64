package check

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// moduleRules look closer at the modules of the kernel than kernel-modules.
var moduleRules = []Rule{
	{
		ID:       "modules-dep",
		Summary:  "modules.dep names the modules that are there",
		Severity: diag.Warning,
		Doc:      "modprobe finds a module by that file: one that it does not name cannot be loaded, nor one that needs what is not there.",
		Source:   "modules.dep(5), depmod(8)",
		Hint:     "run depmod -a <release> after the last change of a module",
		Run:      checkModulesDep,
	},
	{
		ID:       "modules-vermagic",
		Summary:  "the kernel's modules were made with it",
		Severity: diag.Error,
		Doc:      `The kernel refuses them ("version magic … should be …"): most machines have neither disks nor network. To read thousands of modules takes long; eight of those in kernel/, evenly spread, are read, as they come from one package.`,
		Source:   "same_magic in kernel/module/version.c of Linux; bazzite's smoke test reads one",
		Hint:     "install the kernel and its modules from the same package version",
		Run:      checkModulesVermagic,
	},
	{
		ID:       "out-of-tree-modules",
		Summary:  "modules that the kernel did not bring were made for it",
		Severity: diag.Warning,
		Doc:      "The kernel refuses the module: no NVIDIA graphics, no ZFS. Every module outside of kernel/ is read, such as those in extra, updates and weak-updates. One of another release counts as good if it lists the checksums of its symbols, which such kernels compare instead.",
		Source:   "same_magic in kernel/module/version.c of Linux; ublue-os/main pull request 891",
		Hint:     "build the module for the kernel's release, from the same version as the kernel's package",
		Run:      checkOutOfTreeModules,
	},
}

// eachTree calls f for the module folder of each kernel that has one which can
// be read.
func eachTree(t *Target, f func(dir string, tree *kernel.ModuleTree) ([]Finding, error)) ([]Finding, error) {
	kernels, err := readableKernels(t)
	if err != nil {
		return nil, err
	}
	var out []Finding
	na := NotApplicable("the modules cannot be read: see rule kernel-modules")
	seen := map[string]bool{}
	for _, k := range kernels {
		dir := path.Join(modulesDir, k.moduleRelease())
		if seen[dir] {
			continue // a UKI beside the same kernel in another form
		}
		tree, err := k.tree()
		if malformed := (*kernel.ModulesError)(nil); errors.As(err, &malformed) || isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen[dir] = true
		findings, err := f(dir, tree)
		out = append(out, findings...)
		if err != nil {
			return out, err
		}
	}
	if len(seen) == 0 {
		return nil, na
	}
	return out, nil
}

// indexed counts the modules of modules.dep that are there.
func indexed(tree *kernel.ModuleTree) int {
	n := 0
	for _, f := range tree.Files {
		if _, ok := tree.Dep[f]; ok {
			n++
		}
	}
	return n
}

func checkModulesDep(_ context.Context, t *Target) ([]Finding, error) {
	return eachTree(t, func(dir string, tree *kernel.ModuleTree) ([]Finding, error) {
		if indexed(tree) == 0 && len(tree.Files)+len(tree.Dep) > 0 {
			return nil, NotApplicable("no module that is there is in modules.dep: see rule kernel-modules")
		}
		var out []Finding
		for _, f := range tree.Missing() {
			out = append(out, finding(path.Join(dir, "modules.dep"), "it names %s, which is not there", f))
		}
		for _, f := range tree.Files {
			if _, ok := tree.Dep[f]; !ok {
				out = append(out, finding(path.Join(dir, f), "modules.dep does not name it"))
			}
		}
		return out, nil
	})
}

// inTree reports whether a module came with the kernel: where the kernel's
// "make modules_install" puts those.
func inTree(file string) bool { return strings.HasPrefix(file, "kernel/") }

// sampledModules are how many modules of a kernel are read.
const sampledModules = 8

// sample takes evenly spread modules of those that came with the kernel.
func sample(tree *kernel.ModuleTree) []string {
	files := slices.DeleteFunc(slices.Clone(tree.Files), func(f string) bool { return !inTree(f) })
	if len(files) <= sampledModules {
		return files
	}
	var out []string
	for i := range sampledModules {
		out = append(out, files[i*len(files)/sampledModules])
	}
	return out
}

// moduleInfo reads a module. A link to nowhere, and a file that is no module,
// is a problem.
func (t *Target) moduleInfo(ctx context.Context, name string) (info *kernel.ModuleInfo, problem string, err error) {
	f, err := t.Root.Open(name)
	if isAbsent(err) {
		return nil, "it is a link to nothing", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	info, err = kernel.ReadModuleInfo(ctx, f)
	var format *kernel.FormatError
	switch {
	case errors.As(err, &format):
		return nil, format.Error(), nil
	case err != nil:
		return nil, "", err
	case info.Release == "":
		return nil, "it does not say which kernel it is for (vermagic)", nil
	}
	return info, "", nil
}

func checkModulesVermagic(ctx context.Context, t *Target) ([]Finding, error) {
	return eachTree(t, func(dir string, tree *kernel.ModuleTree) ([]Finding, error) {
		var out []Finding
		for _, f := range sample(tree) {
			name := path.Join(dir, f)
			info, problem, err := t.moduleInfo(ctx, name)
			switch {
			case err != nil:
				return nil, err
			case problem != "":
				out = append(out, finding(name, "%s", problem))
			case info.Release != tree.Release:
				out = append(out, finding(name, "it is of kernel %q, and the kernel is %q", info.Release, tree.Release))
			}
		}
		return out, nil
	})
}

func checkOutOfTreeModules(ctx context.Context, t *Target) ([]Finding, error) {
	return eachTree(t, func(dir string, tree *kernel.ModuleTree) ([]Finding, error) {
		options, err := t.kernelOptions(ctx, dir, tree)
		if err != nil {
			return nil, err
		}
		var out []Finding
		for _, f := range tree.Files {
			if inTree(f) {
				continue
			}
			name := path.Join(dir, f)
			info, problem, err := t.moduleInfo(ctx, name)
			switch {
			case err != nil:
				return nil, err
			case problem != "":
				out = append(out, finding(name, "%s", problem))
			case info.Release != tree.Release && !info.Checksums:
				out = append(out, finding(name, "it is for kernel %q, and the kernel is %q", info.Release, tree.Release))
			case options != "" && info.Options != options:
				out = append(out, finding(name, "it is for a kernel made with %q, and this one was made with %q", info.Options, options))
			}
		}
		return out, nil
	})
}

// kernelOptions are what the kernel asks of modules besides its release: those
// of the first that came with it. "" where none did.
func (t *Target) kernelOptions(ctx context.Context, dir string, tree *kernel.ModuleTree) (string, error) {
	for _, f := range sample(tree) {
		info, problem, err := t.moduleInfo(ctx, path.Join(dir, f))
		if err != nil {
			return "", err
		}
		if problem == "" && info.Release == tree.Release {
			return info.Options, nil
		}
	}
	return "", nil
}
