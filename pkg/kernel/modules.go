package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// ModuleTree is the module folder of one kernel, /usr/lib/modules/<kver>.
type ModuleTree struct {
	// Release is the name of the folder.
	Release string
	// Files are the paths of the module files (.ko, .ko.gz, .ko.xz, .ko.zst)
	// found in the folder, relative to it and sorted.
	Files []string
	// Dep is modules.dep: the path of each module, relative to the folder, with
	// the paths of the modules it needs. Nil without modules.dep; empty if the
	// file is empty.
	Dep map[string][]string
	// Builtin is modules.builtin: the modules built into the kernel, by
	// normalised name. Nil without modules.builtin.
	Builtin map[string]bool
}

// ReadModuleTree reads usr/lib/modules/<kver> below fsys, the root of an image.
// A folder that does not exist is an error that matches [fs.ErrNotExist]; a
// missing modules.dep or modules.builtin is not an error. A malformed one is a
// *ModulesError. The format of both files is depmod's (modules.dep(5)).
func ReadModuleTree(fsys fs.FS, kver string) (*ModuleTree, error) {
	dir := path.Join("usr/lib/modules", kver)
	if path.Dir(dir) != "usr/lib/modules" || path.Base(dir) != kver {
		return nil, &fs.PathError{Op: "open", Path: "usr/lib/modules/" + kver, Err: fs.ErrInvalid}
	}
	t := &ModuleTree{Release: kver}
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && ModuleName(name) != "" {
			t.Files = append(t.Files, strings.TrimPrefix(name, dir+"/"))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading module tree: %w", err)
	}
	slices.Sort(t.Files)
	err = readFile(fsys, path.Join(dir, "modules.dep"), func(r io.Reader, name string) (err error) {
		t.Dep, err = parseModulesDep(r, name, kver)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = readFile(fsys, path.Join(dir, "modules.builtin"), func(r io.Reader, name string) (err error) {
		t.Builtin, err = parseModulesBuiltin(r, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// readFile passes the named file to parse, unless it does not exist.
func readFile(fsys fs.FS, name string, parse func(io.Reader, string) error) error {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading module tree: %w", err)
	}
	defer f.Close()
	return parse(f, name)
}

// maxModuleLines bounds a file of module names, in lines. A kernel with all of
// its drivers has about 7,000 modules.
const maxModuleLines = 1_000_000

// eachLine calls line for each line of r that is not empty. What line returns
// as reason is the error for the line.
func eachLine(r io.Reader, name string, line func(string) (reason string)) error {
	s := bufio.NewScanner(r)
	n := 0
	for s.Scan() {
		n++
		if n > maxModuleLines {
			return &ModulesError{Path: name, Line: n, Reason: "too many lines"}
		}
		if text := strings.TrimSpace(s.Text()); text != "" {
			if reason := line(text); reason != "" {
				return &ModulesError{Path: name, Line: n, Reason: reason}
			}
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return &ModulesError{Path: name, Line: n + 1, Reason: "line longer than 64 KiB"}
	}
	if s.Err() != nil {
		return fmt.Errorf("reading %q: %w", name, s.Err())
	}
	return nil
}

// parseModulesDep reads lines of "module: dependency dependency…".
func parseModulesDep(r io.Reader, name, kver string) (map[string][]string, error) {
	dep := map[string][]string{}
	err := eachLine(r, name, func(line string) string {
		mod, needs, ok := strings.Cut(line, ":")
		if !ok {
			return "no colon behind the module's path"
		}
		paths := append([]string{mod}, strings.Fields(needs)...)
		for i, p := range paths {
			if ModuleName(p) == "" {
				return fmt.Sprintf("%q is no module's path", p)
			}
			paths[i] = inTree(p, kver)
		}
		if _, twice := dep[paths[0]]; twice {
			return fmt.Sprintf("%q for the second time", paths[0])
		}
		dep[paths[0]] = paths[1:]
		return ""
	})
	return dep, err
}

// inTree makes an absolute path into the tree relative to the tree, as depmod
// wrote it before paths were relative and as it still may for folders outside.
func inTree(p, kver string) string {
	if tree, below, ok := moduleTree(strings.TrimPrefix(p, "/")); ok && tree == kver && p[0] == '/' {
		return below
	}
	return p
}

// parseModulesBuiltin reads one path a line.
func parseModulesBuiltin(r io.Reader, name string) (map[string]bool, error) {
	builtin := map[string]bool{}
	err := eachLine(r, name, func(line string) string {
		m := ModuleName(line)
		if m == "" {
			return fmt.Sprintf("%q is no module's path", line)
		}
		builtin[m] = true
		return ""
	})
	return builtin, err
}

// Has reports whether the kernel has module name, as a file or built in. The
// name may be written with "-" or "_".
func (t *ModuleTree) Has(name string) bool {
	name = normalise(name)
	return t.Builtin[name] || slices.ContainsFunc(t.Files, func(f string) bool { return ModuleName(f) == name })
}

// Missing lists the paths that modules.dep names and that are not in the
// folder, sorted, each once.
func (t *ModuleTree) Missing() []string {
	have := make(map[string]bool, len(t.Files))
	for _, f := range t.Files {
		have[f] = true
	}
	missing := map[string]bool{}
	for mod, needs := range t.Dep {
		for _, p := range append([]string{mod}, needs...) {
			if !have[p] {
				missing[p] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

// ModuleName is the normalised name of the kernel module in the named file:
// "kernel/fs/nls/nls-utf8.ko.xz" is "nls_utf8". It is "" for a file that is no
// module.
func ModuleName(file string) string {
	base := path.Base(file)
	for _, suffix := range []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"} {
		if name, ok := strings.CutSuffix(base, suffix); ok {
			return normalise(name)
		}
	}
	return ""
}

// normalise writes a module's name as the kernel does in /proc/modules.
func normalise(name string) string { return strings.ReplaceAll(name, "-", "_") }

// ModulesError says that a line of modules.dep or modules.builtin is malformed.
type ModulesError struct {
	// Path is the file, relative to the root of the image.
	Path string
	// Line counts from 1.
	Line int
	// Reason says what is wrong with it.
	Reason string
}

// Error gives the file, the line and the reason.
func (e *ModulesError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Reason)
}
