package diff

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// unitKey names a unit of one of systemd's managers.
type unitKey struct {
	user bool
	unit string
}

// unitFolders are where the managers look for units and for the links that
// enable them, the administrator's first, which override the others
// (systemd.unit(5)).
var unitFolders = map[bool][]string{
	false: {"etc/systemd/system", "usr/lib/systemd/system"},
	true:  {"etc/systemd/user", "usr/lib/systemd/user"},
}

// units says of every unit in an image whether systemd starts it.
func units(root image.Root) (map[unitKey]UnitState, error) {
	states := map[unitKey]UnitState{}
	for user, dirs := range unitFolders {
		u := unitReader{root: root, files: map[string]UnitState{}, started: map[string]bool{}}
		for i, dir := range dirs {
			if err := u.read(dir, i == 0); err != nil {
				return nil, err
			}
		}
		for unit, state := range u.files {
			if state == UnitDisabled && u.started[unit] {
				state = UnitEnabled
			}
			states[unitKey{user, unit}] = state
		}
		// Instances have no file of their own, only the link.
		for unit := range u.started {
			at, ext := strings.IndexByte(unit, '@'), path.Ext(unit)
			if _, ok := u.files[unit]; ok || at < 0 {
				continue
			}
			switch u.files[unit[:at]+"@"+ext] {
			case UnitDisabled:
				states[unitKey{user, unit}] = UnitEnabled
			case UnitMasked:
				states[unitKey{user, unit}] = UnitMasked
			}
		}
	}
	return states, nil
}

type unitReader struct {
	root image.Root
	// files are the units that have one: disabled unless they are masked.
	files   map[string]UnitState
	started map[string]bool
}

func (u *unitReader) read(dir string, administrators bool) error {
	entries, err := u.root.ReadDir(dir)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch ext := path.Ext(e.Name()); {
		case e.IsDir() && (ext == ".wants" || ext == ".requires"):
			links, err := u.root.ReadDir(name)
			if err != nil {
				return err
			}
			for _, l := range links {
				u.started[l.Name()] = true
			}
		case !e.IsDir():
			if err := u.file(name, e, administrators); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unitReader) file(name string, e fs.DirEntry, administrators bool) error {
	unit, state := e.Name(), UnitDisabled
	if e.Type() == fs.ModeSymlink {
		target, err := u.root.ReadLink(name)
		switch {
		case err != nil:
			return err
		case target == "/dev/null":
			state = UnitMasked
		case administrators && path.Base(target) != unit:
			// Another name that the unit goes by, as display-manager.service; in
			// /usr such names are the package's own and start nothing.
			u.started[path.Base(target)] = true
			return nil
		}
	} else {
		fi, err := e.Info()
		if err != nil {
			return err
		}
		if fi.Size() == 0 && fi.Mode().IsRegular() {
			state = UnitMasked
		}
	}
	if _, overridden := u.files[unit]; !overridden {
		u.files[unit] = state
	}
	return nil
}

// unitChanges lists the units that one image starts or masks and the other
// does not. One that is only there or not is a file among others.
func unitChanges(old, new map[unitKey]UnitState) []UnitChange {
	keys := map[unitKey]bool{}
	for k := range old {
		keys[k] = true
	}
	for k := range new {
		keys[k] = true
	}
	var list []UnitChange
	matters := func(s UnitState) bool { return s == UnitEnabled || s == UnitMasked }
	for k := range keys {
		c := UnitChange{Unit: k.unit, User: k.user, Old: cmp.Or(old[k], UnitAbsent), New: cmp.Or(new[k], UnitAbsent)}
		if c.Old != c.New && (matters(c.Old) || matters(c.New)) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b UnitChange) int {
		if a.User != b.User {
			if b.User {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Unit, b.Unit)
	})
	return list
}
