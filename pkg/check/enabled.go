package check

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
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

// maxAsked bounds the units that are asked for: systems have some hundreds, and
// a hostile unit file names as many as it likes.
const maxAsked = 100_000

var errTooManyUnits = errors.New("the units of the image ask for more than 100000 others")

// startedUnit is a unit that systemd starts, with what its files say.
type startedUnit struct {
	name, file string
	settings   unitSettings
}

// started are the units that are enabled, those that default.target and they
// pull in, and the services for which sockets and timers wait: each by its own
// name, whichever others it has, and sorted by it. Those that cannot start, as
// they are masked or not there, are left out.
func (e *enabledUnits) started(ctx context.Context) ([]startedUnit, error) {
	queue := []string{"default.target"}
	asked := map[string]bool{}
	ask := func(unit string) {
		if !asked[unit] {
			asked[unit] = true
			queue = append(queue, unit)
		}
	}
	for _, l := range e.links {
		ask(l.unit)
	}
	var out []startedUnit
	met := map[string]bool{}
	for ; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(asked) > maxAsked {
			return nil, errTooManyUnits
		}
		unit := e.canonical(queue[0])
		if met[unit] {
			continue
		}
		met[unit] = true
		file, err := e.file(unit)
		if err != nil {
			return nil, err
		}
		if file == "" || file == masked {
			continue
		}
		settings, err := e.settings(file, unit, linkedName(e.root, file))
		if err != nil {
			return nil, err
		}
		out = append(out, startedUnit{unit, file, settings})
		for _, name := range named(settings, unit, "Wants", "Requires", "BindsTo", "Upholds") {
			ask(name)
		}
		if service := activated(settings, unit); service != "" {
			ask(service)
		}
	}
	slices.SortFunc(out, func(a, b startedUnit) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// named lists the units that settings of a unit name.
func named(settings unitSettings, unit string, keys ...string) []string {
	var out []string
	for _, key := range keys {
		for _, value := range settings.list("Unit", key) {
			for _, word := range strings.Fields(value) {
				if name, ok := expandUnit(word, unit); ok && path.Ext(name) != "" {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// activated is the unit that a socket, a timer or a path starts when it is time;
// "" for other units.
func activated(settings unitSettings, unit string) string {
	stem, ext := strings.TrimSuffix(unit, path.Ext(unit)), path.Ext(unit)
	section, key := "", "Unit"
	switch ext {
	case ".socket":
		section, key = "Socket", "Service"
		switch strings.ToLower(settings.last(section, "Accept")) {
		case "yes", "y", "true", "t", "on", "1":
			return stem + "@.service" // one instance for each connection
		}
	case ".timer":
		section = "Timer"
	case ".path":
		section = "Path"
	default:
		return ""
	}
	if name, ok := expandUnit(settings.last(section, key), unit); ok && name != "" {
		return name
	}
	return stem + ".service"
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
