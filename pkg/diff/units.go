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
		u := unitReader{root: root, files: map[string]UnitState{}, started: map[string]bool{}, linked: map[string]bool{}}
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
	// linked are the links that have been seen ("basic.target.wants/x.service").
	linked map[string]bool
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
		case e.IsDir() && (ext == ".wants" || ext == ".requires" || ext == ".upholds"):
			if err := u.links(name); err != nil {
				return err
			}
		case !e.IsDir():
			if err := u.file(name, e, administrators); err != nil {
				return err
			}
		}
	}
	return nil
}

// links reads a folder of links to units that another one starts. Systemd takes
// nothing but links for such, and those of the administrator before others of
// the same name.
func (u *unitReader) links(dir string) error {
	entries, err := u.root.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		link := path.Join(path.Base(dir), e.Name())
		if e.Type() != fs.ModeSymlink || u.linked[link] {
			continue
		}
		u.linked[link] = true
		target, err := u.root.ReadLink(path.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if target != devNull {
			u.started[e.Name()] = true
		}
	}
	return nil
}

// devNull is where the links lead that mask.
const devNull = "/dev/null"

func (u *unitReader) file(name string, e fs.DirEntry, administrators bool) error {
	unit, state := e.Name(), UnitDisabled
	if e.Type() == fs.ModeSymlink {
		target, err := u.root.ReadLink(name)
		switch {
		case err != nil:
			return err
		case target == devNull:
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
func unitChanges(before, after map[unitKey]UnitState) []UnitChange {
	keys := map[unitKey]bool{}
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	var list []UnitChange
	matters := func(s UnitState) bool { return s == UnitEnabled || s == UnitMasked }
	for k := range keys {
		c := UnitChange{Unit: k.unit, User: k.user, Old: cmp.Or(before[k], UnitAbsent), New: cmp.Or(after[k], UnitAbsent)}
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
