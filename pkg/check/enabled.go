package check

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// enabledUnits are what one of systemd's managers starts by itself.
type enabledUnits struct {
	*units
	links []unitLink
}

// unitLink is a link that makes a unit start, or gives it another name.
type unitLink struct {
	// unit is the one that is meant, name that of the link.
	unit, name string
	// alias is set where the link is a name of the unit.
	alias bool
}

func readEnabledUnits(ctx context.Context, root image.Root) ([]*enabledUnits, error) {
	var all []*enabledUnits
	for _, scope := range []unitScope{systemUnits, userUnits} {
		u, err := scope.read(root)
		if err != nil {
			return nil, err
		}
		e := &enabledUnits{units: u}
		for _, dir := range scope.dirs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := e.addLinks(dir); err != nil {
				return nil, err
			}
		}
		all = append(all, e)
	}
	return all, nil
}

// addLinks lists the links of a folder for units. Names that a package gives
// its unit in /usr are no links that enable it.
func (e *enabledUnits) addLinks(dir string) error {
	entries, err := e.root.ReadDir(dir)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch ext := path.Ext(name); {
		case entry.IsDir() && (ext == ".wants" || ext == ".requires" || ext == ".upholds"):
			links, err := e.root.ReadDir(name)
			if err != nil {
				return err
			}
			for _, l := range links {
				if target, err := e.root.ReadLink(path.Join(name, l.Name())); err == nil && target != masked {
					e.links = append(e.links, unitLink{unit: l.Name(), name: path.Join(name, l.Name())})
				}
			}
		case entry.Type() == fs.ModeSymlink && dir == e.scope.dirs[0]:
			target, err := e.root.ReadLink(name)
			if err != nil {
				return err
			}
			if target != masked {
				e.links = append(e.links, unitLink{unit: entry.Name(), name: name, alias: true})
			}
		}
	}
	return nil
}

// services are the services that are enabled and can start, with their files:
// each by its own name, whichever others it has.
func (e *enabledUnits) services() (map[string]string, error) {
	services := map[string]string{}
	for _, l := range e.links {
		if path.Ext(l.unit) != ".service" {
			continue
		}
		unit := e.canonical(l.unit)
		file, err := e.file(unit)
		if err != nil {
			return nil, err
		}
		if file != "" && file != masked {
			services[unit] = file
		}
	}
	return services, nil
}

// madeAtBoot reports whether a unit needs no file in the image: it stands for
// what the machine has, is made from /etc/fstab, or from a script of System V.
func madeAtBoot(root image.Root, unit string) (bool, error) {
	switch path.Ext(unit) {
	case ".automount", ".device", ".mount", ".scope", ".slice", ".swap":
		return true, nil
	case ".service":
		script := path.Join("etc/init.d", strings.TrimSuffix(unit, ".service"))
		_, err := root.Stat(script)
		if isAbsent(err) {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}
