package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Assertions looks for what a recipe's "tests" say of the finished image. Each
// one that does not hold is an error at its line of the recipe; the error is
// about an image that cannot be read.
func Assertions(ctx context.Context, img image.Image, tests recipe.Tests) (_ diag.List, err error) {
	root, err := img.Root(ctx)
	if err != nil {
		return nil, fmt.Errorf("testing %q: %w", img.Location(), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	a := &assertions{ctx: ctx, root: root, tests: tests}
	for _, test := range []func() error{a.packages, a.units, a.files, a.size} {
		if err := test(); err != nil {
			return nil, fmt.Errorf("testing %q: %w", img.Location(), err)
		}
	}
	a.list.Sort()
	return a.list, nil
}

type assertions struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of Assertions
	root  image.Root
	tests recipe.Tests
	list  diag.List
}

func (a *assertions) fail(at diag.Pos, where, code, hint, format string, args ...any) {
	a.list.Add(diag.Diagnostic{Pos: at, Path: where, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func (a *assertions) packages() error {
	if len(a.tests.PackagesPresent)+len(a.tests.PackagesAbsent) == 0 {
		return nil
	}
	list, err := packagedb.Packages(a.ctx, a.root)
	if err != nil {
		return err
	}
	names := make([]string, len(list))
	installed := map[string]packagedb.Package{}
	for i, p := range list {
		names[i] = p.Name
		installed[p.Name] = p
	}
	for _, want := range a.tests.PackagesPresent {
		if _, ok := installed[want.Value]; ok {
			continue
		}
		hint := "add it to packages.install"
		if near := diag.Nearest(want.Value, names); near != "" {
			hint = fmt.Sprintf("%s, or did you mean %q, which is installed?", hint, near)
		}
		a.fail(want.Pos, "tests.packages.present", "package-absent", hint, "package %q is not in the image", want.Value)
	}
	for _, not := range a.tests.PackagesAbsent {
		if p, ok := installed[not.Value]; ok {
			a.fail(not.Pos, "tests.packages.absent", "package-present", "add it to packages.remove; another package may need it",
				"package %q is in the image (%s)", not.Value, p.Version)
		}
	}
	return nil
}

// unitDirs are where systemd looks for units and for the links that enable
// them, the ones that override the others first (systemd.unit(5)).
var unitDirs = []string{"etc/systemd/system", "usr/lib/systemd/system"}

func (a *assertions) units() error {
	if len(a.tests.UnitsEnabled) == 0 {
		return nil
	}
	enabled, err := enabledUnits(a.root)
	if err != nil {
		return err
	}
	for _, want := range a.tests.UnitsEnabled {
		unit := want.Value
		if path.Ext(unit) == "" {
			unit += ".service"
		}
		file, err := unitFile(a.root, unit)
		switch {
		case err != nil:
			return err
		case file == "":
			a.fail(want.Pos, "tests.units.enabled", "unit-absent", "install the package that has it", "unit %q is not in the image", unit)
		case file == masked:
			a.fail(want.Pos, "tests.units.enabled", "unit-masked", "take it off systemd.mask", "unit %q is masked", unit)
		case !enabled[unit]:
			a.fail(want.Pos, "tests.units.enabled", "unit-disabled", "add it to systemd.enable", "unit %q is not enabled", unit)
		}
	}
	return nil
}

// masked stands for the file of a unit that must not start.
const masked = "/dev/null"

// unitFile returns where the file of a unit is: "" where there is none, and
// masked for one that is masked. An instance has its template's file.
func unitFile(root image.Root, unit string) (string, error) {
	names := []string{unit}
	if at := strings.IndexByte(unit, '@'); at >= 0 {
		names = append(names, unit[:at+1]+path.Ext(unit))
	}
	for _, name := range names {
		for _, dir := range unitDirs {
			file := path.Join(dir, name)
			if target, err := root.ReadLink(file); err == nil && target == masked {
				return masked, nil
			}
			fi, err := root.Stat(file)
			switch {
			case err == nil && fi.Mode().IsRegular() && fi.Size() == 0:
				return masked, nil
			case err == nil:
				return file, nil
			case !isAbsent(err):
				return "", err
			}
		}
	}
	return "", nil
}

// enabledUnits lists the units that something starts: those linked into a
// .wants or .requires folder, and those that another name is a link to, as
// "display-manager.service" is.
func enabledUnits(root image.Root) (map[string]bool, error) {
	enabled := map[string]bool{}
	for _, dir := range unitDirs {
		entries, err := root.ReadDir(dir)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch ext := path.Ext(e.Name()); {
			case e.Type() == fs.ModeSymlink && dir == unitDirs[0]:
				// In /usr such links are names that the package gives its unit.
				target, err := root.ReadLink(name)
				if err != nil {
					return nil, err
				}
				enabled[path.Base(target)] = true
			case e.IsDir() && (ext == ".wants" || ext == ".requires"):
				links, err := root.ReadDir(name)
				if err != nil {
					return nil, err
				}
				for _, l := range links {
					enabled[l.Name()] = true
				}
			}
		}
	}
	return enabled, nil
}

func (a *assertions) files() error {
	for _, want := range a.tests.FilesPresent {
		name := rootName(want.Path.Value)
		_, err := a.root.Stat(name)
		if err == nil {
			continue
		}
		if !isAbsent(err) {
			return err
		}
		hint := "install the package that has it, or add it to files"
		if target, err := a.root.ReadLink(name); err == nil {
			a.fail(want.Path.Pos, "tests.files.present", "file-absent", hint, "%q is a link to %q, which is not in the image", want.Path.Value, target)
			continue
		}
		a.fail(want.Path.Pos, "tests.files.present", "file-absent", hint, "%q is not in the image", want.Path.Value)
	}
	for _, not := range a.tests.FilesAbsent {
		_, err := a.root.Lstat(rootName(not.Value))
		if err == nil {
			a.fail(not.Pos, "tests.files.absent", "file-present", "remove it in a run step, or the package that has it", "%q is in the image", not.Value)
		} else if !isAbsent(err) {
			return err
		}
	}
	return nil
}

// rootName is a path of a recipe as package image names it.
func rootName(p string) string {
	if name := strings.TrimPrefix(path.Clean("/"+p), "/"); name != "" {
		return name
	}
	return "."
}

// size adds the regular files up; a file with several names counts once.
func (a *assertions) size() error {
	if a.tests.Size == 0 {
		return nil
	}
	var sum int64
	seen := map[uint64]bool{}
	folders := map[string]int64{}
	err := fs.WalkDir(a.root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = a.ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := image.StatOf(info)
		if st.Nlink > 1 {
			if seen[st.Inode] {
				return nil
			}
			seen[st.Inode] = true
		}
		sum += info.Size()
		folders[topFolders(name)] += info.Size()
		return nil
	})
	if err != nil || sum <= a.tests.Size {
		return err
	}
	a.fail(a.tests.SizePos, "tests.size", "too-large", "the largest folders are "+largest(folders, 3),
		"the root file system has %s, and may have %s", bytesText(sum), bytesText(a.tests.Size))
	return nil
}

// topFolders is the folder that a file's size is booked to: two levels deep.
func topFolders(name string) string {
	parts := strings.SplitN(path.Dir(name), "/", 3)
	return "/" + path.Join(parts[:min(2, len(parts))]...)
}

func largest(folders map[string]int64, n int) string {
	var names []string
	for name := range folders {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		if folders[x] != folders[y] {
			return int(min(1, max(-1, folders[y]-folders[x])))
		}
		return strings.Compare(x, y)
	})
	names = names[:min(n, len(names))]
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%s)", quotePath(name), bytesText(folders[name]))
	}
	return strings.Join(names, ", ")
}

// bytesText writes a size in the units that recipes use.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}
