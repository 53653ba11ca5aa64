package check

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// unitScope is one of systemd's managers. dirs are where it looks for units
// and for the links that enable them, the administrator's first, which
// override the others (systemd.unit(5)).
type unitScope struct {
	dirs []string
	// section is where a recipe speaks of its units.
	section string
}

var (
	systemUnits = unitScope{[]string{"etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"}, "systemd"}
	userUnits   = unitScope{[]string{
		"etc/systemd/user", "usr/local/share/systemd/user", "usr/share/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user",
	}, "systemd.user"}
)

func (a *assertions) units() error {
	t := a.tests
	if len(t.UnitsEnabled)+len(t.UnitsDisabled)+len(t.UnitsMasked) > 0 {
		u, err := systemUnits.read(a.root)
		if err != nil {
			return err
		}
		for _, want := range t.UnitsEnabled {
			if err := a.enabled(u, want, "tests.units.enabled"); err != nil {
				return err
			}
		}
		for _, want := range t.UnitsDisabled {
			if err := a.disabled(u, want); err != nil {
				return err
			}
		}
		for _, want := range t.UnitsMasked {
			if err := a.masked(u, want); err != nil {
				return err
			}
		}
	}
	if len(t.UserUnitsEnabled) == 0 {
		return nil
	}
	u, err := userUnits.read(a.root)
	if err != nil {
		return err
	}
	for _, want := range t.UserUnitsEnabled {
		if err := a.enabled(u, want, "tests.units.user-enabled"); err != nil {
			return err
		}
	}
	return nil
}

func (a *assertions) enabled(u *units, want recipe.String, where string) error {
	unit := unitName(want.Value)
	file, err := u.file(unit)
	switch {
	case err != nil:
		return err
	case file == "":
		a.fail(want.Pos, where, "unit-absent", u.orNear("install the package that has it", unit),
			"unit %q is not in the image", unit)
	case file == masked:
		a.fail(want.Pos, where, "unit-masked", "take it off "+u.scope.section+".mask", "unit %q is masked", unit)
	case u.starts(unit) == "":
		a.fail(want.Pos, where, "unit-disabled", "add it to "+u.scope.section+".enable", "unit %q is not enabled", unit)
	}
	return nil
}

// disabled holds for a unit that nothing starts, which one that is masked or
// not there is too.
func (a *assertions) disabled(u *units, want recipe.String) error {
	unit := unitName(want.Value)
	link := u.starts(unit)
	if link == "" {
		return nil
	}
	file, err := u.file(unit)
	if err != nil || file == "" || file == masked {
		return err
	}
	hint := "add it to systemd.disable"
	if !strings.HasPrefix(link, u.scope.dirs[0]+"/") {
		hint = "it is its package that enables it, and no preset: add it to systemd.mask"
	}
	a.fail(want.Pos, "tests.units.disabled", "unit-enabled", hint, "unit %q is enabled by %q", unit, "/"+link)
	return nil
}

func (a *assertions) masked(u *units, want recipe.String) error {
	unit := unitName(want.Value)
	file, err := u.file(unit)
	if err != nil || file == masked {
		return err
	}
	hint, state := "add it to systemd.mask", "is not masked"
	if file == "" {
		hint, state = u.orNear(hint, unit), "is neither masked nor in the image"
	}
	a.fail(want.Pos, "tests.units.masked", "unit-not-masked", hint, "unit %q %s", unit, state)
	return nil
}

// unitName is a unit as systemctl takes it: a service needs no suffix.
func unitName(unit string) string {
	if path.Ext(unit) == "" {
		return unit + ".service"
	}
	return unit
}

// units are what one of the managers finds in an image.
type units struct {
	scope unitScope
	root  image.Root
	// names are what may be files of units, sorted.
	names []string
	// enabledBy has the link that starts a unit: from a .wants or .requires
	// folder, or from another name, as display-manager.service is.
	enabledBy map[string]string
}

func (s unitScope) read(root image.Root) (*units, error) {
	u := &units{scope: s, root: root, enabledBy: map[string]string{}}
	for _, dir := range s.dirs {
		entries, err := root.ReadDir(dir)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := u.add(dir, e); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(u.names)
	u.names = slices.Compact(u.names)
	return u, nil
}

func (u *units) add(dir string, e fs.DirEntry) error {
	name := path.Join(dir, e.Name())
	switch ext := path.Ext(e.Name()); {
	case e.IsDir() && (ext == ".wants" || ext == ".requires"):
		links, err := u.root.ReadDir(name)
		if err != nil {
			return err
		}
		for _, l := range links {
			u.startedBy(l.Name(), path.Join(name, l.Name()))
		}
	case e.Type() == fs.ModeSymlink && dir == u.scope.dirs[0]:
		// In /usr such links are names that the package gives its unit.
		target, err := u.root.ReadLink(name)
		if err != nil {
			return err
		}
		u.startedBy(path.Base(target), name)
	default:
		u.names = append(u.names, e.Name())
	}
	return nil
}

// orNear compares without the suffix: it is most of a short name.
func (u *units) orNear(hint, unit string) string {
	suffix := path.Ext(unit)
	var known []string
	for _, name := range u.names {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			known = append(known, stem)
		}
	}
	near := diag.Nearest(strings.TrimSuffix(unit, suffix), known)
	if near == "" {
		return hint
	}
	return orMeant(hint, near+suffix, "which is in the image")
}

// startedBy notes the first link: the administrator's folder comes first.
func (u *units) startedBy(unit, link string) {
	if u.enabledBy[unit] == "" {
		u.enabledBy[unit] = link
	}
}

// starts returns the link that starts a unit, by any of its names; "" where
// there is none.
func (u *units) starts(unit string) string {
	if link := u.enabledBy[unit]; link != "" {
		return link
	}
	name := u.canonical(unit)
	for _, other := range slices.Sorted(maps.Keys(u.enabledBy)) {
		if u.canonical(other) == name {
			return u.enabledBy[other]
		}
	}
	return ""
}

// canonical returns the name that a unit has itself: display-manager.service is
// a link to the display manager's, and Debian's sshd.service one to ssh.service.
func (u *units) canonical(unit string) string {
	// A chain that is longer goes in a circle.
	for range 8 {
		target := u.alias(unit)
		if target == "" {
			return unit
		}
		unit = target
	}
	return unit
}

// alias returns the name that a unit's name is a link to; "" where it is none.
func (u *units) alias(unit string) string {
	for _, dir := range u.scope.dirs {
		name := path.Join(dir, unit)
		target, err := u.root.ReadLink(name)
		if err != nil {
			if _, err := u.root.Lstat(name); err == nil {
				return ""
			}
			continue
		}
		if base := path.Base(target); base != unit && path.Ext(base) == path.Ext(unit) {
			return base
		}
		return ""
	}
	return ""
}

// masked stands for the file of a unit that must not start.
const masked = "/dev/null"

// file returns where the file of a unit is: "" where there is none, and masked
// for one that is masked. An instance has its template's file, and another name
// that of the unit's own.
func (u *units) file(unit string) (string, error) {
	unit = u.canonical(unit)
	names := []string{unit}
	if at := strings.IndexByte(unit, '@'); at >= 0 {
		names = append(names, fmt.Sprintf("%s@%s", unit[:at], path.Ext(unit)))
	}
	for _, name := range names {
		for _, dir := range u.scope.dirs {
			file := path.Join(dir, name)
			if target, err := u.root.ReadLink(file); err == nil && target == masked {
				return masked, nil
			}
			fi, err := u.root.Stat(file)
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
