package check

import (
	"context"
	"maps"
	"path"
	"slices"
)

func checkDefaultTarget(ctx context.Context, t *Target) ([]Finding, error) {
	u, err := t.systemUnits()
	if err != nil {
		return nil, err
	}
	if link, err := u.defaultTargetLink(); err != nil || link != nil {
		return link, err
	}
	_, problems, err := u.requiredByDefault(ctx)
	return problems, err
}

// requiredByDefault lists the units without which default.target does not
// start, with who requires them, in words, and what is wrong
// with them.
func (u *units) requiredByDefault(ctx context.Context) (requiredBy map[string]string, out []Finding, err error) {
	requiredBy = map[string]string{"default.target": ""}
	for queue := []string{"default.target"}; len(queue) > 0; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if len(requiredBy) > maxAsked {
			return nil, nil, errTooManyUnits
		}
		unit := queue[0]
		problems, required, err := u.essential(unit, requiredBy[unit])
		if err != nil {
			return nil, nil, err
		}
		out = append(out, problems...)
		for _, name := range required {
			if _, met := requiredBy[name]; !met {
				requiredBy[name] = ", which " + unit + " requires"
				queue = append(queue, name)
			}
		}
	}
	return requiredBy, out, nil
}

// defaultTargetLink finds a default.target that leads nowhere, which may look
// whole by the one of another folder that it overrides.
func (u *units) defaultTargetLink() ([]Finding, error) {
	const unit = "default.target"
	for _, dir := range u.scope.dirs {
		name := path.Join(dir, unit)
		target, err := u.root.ReadLink(name)
		switch {
		case err != nil:
			if _, err := u.root.Lstat(name); err == nil {
				return nil, nil // a file
			}
			continue
		case target == masked:
			return nil, nil
		case path.Ext(target) != path.Ext(unit):
			return found(name, "it leads to %q, which is no target", target), nil
		case path.Base(target) == unit:
			// One of the folders of units needs no link to be looked into.
			if slices.Contains(u.scope.dirs, path.Dir(fromRoot(target, dir))) {
				continue
			}
			if _, err := u.root.Stat(name); !isAbsent(err) {
				return nil, err
			}
			return found(name, "it leads to %q, which is not there", target), nil
		}
		// systemd goes by the name alone.
		file, err := u.file(unit)
		if err != nil || file != "" {
			return nil, err
		}
		return found(name, "it leads to %q, and %s is not in the image", target, u.canonical(unit)), nil
	}
	return nil, nil
}

// essential looks at a unit that must start, and lists those that it requires.
func (u *units) essential(unit, by string) (problems []Finding, required []string, err error) {
	if atBoot, err := madeAtBoot(u.root, unit); err != nil || atBoot {
		return nil, nil, err
	}
	file, err := u.file(unit)
	if err != nil {
		return nil, nil, err
	}
	switch file {
	case "":
		return found(path.Join(u.scope.dirs[len(u.scope.dirs)-1], unit), "%s is missing%s", unit, by), nil, nil
	case masked:
		return found(path.Join(u.scope.dirs[0], unit), "%s is masked%s", unit, by), nil, nil
	}
	settings, err := u.settings(file, unit, linkedName(u.root, file))
	if err != nil {
		return nil, nil, err
	}
	if problems, err = u.programProblems(file, unit, settings); err != nil {
		return nil, nil, err
	}
	required, err = u.required(settings, unit, linkedName(u.root, file))
	return problems, required, err
}

// required lists what a unit cannot start without.
func (u *units) required(settings unitSettings, names ...string) ([]string, error) {
	out := named(settings, names[0], "Requires", "Requisite", "BindsTo")
	for _, name := range names {
		for _, dir := range u.scope.dirs {
			links, err := u.root.ReadDir(path.Join(dir, name+".requires"))
			if err != nil && !isAbsent(err) {
				return nil, err
			}
			for _, l := range links {
				out = append(out, l.Name())
			}
		}
	}
	return out, nil
}

// essentials are units that nothing requires, and what a machine lacks without
// them.
var essentials = map[string]string{
	"dbus.service":                       "services do not reach each other, and nobody can log in to a desktop",
	"dbus.socket":                        "services do not reach each other, and nobody can log in to a desktop",
	"local-fs.target":                    "/boot and what /etc/fstab says are not mounted",
	"ostree-finalize-staged.service":     "updates are downloaded and never take effect",
	"ostree-remount.service":             "/var and /sysroot may stay read-only",
	"sockets.target":                     "services that start when they are needed do not start",
	"systemd-journald.service":           "there are no logs",
	"systemd-journald.socket":            "there are no logs",
	"systemd-logind.service":             "sessions have no seat: neither graphics nor power keys work",
	"systemd-tmpfiles-setup.service":     "folders of /var and /run that services need are not made",
	"systemd-udevd.service":              "devices have no names and their drivers are not loaded",
	"systemd-user-sessions.service":      "nobody but root can log in",
	"systemd-sysusers.service":           "users that updates bring are not made",
	"systemd-udev-trigger.service":       "drivers of devices that are there at boot are not loaded",
	"systemd-tmpfiles-setup-dev.service": "device nodes that services need are not made",
}

func checkMaskedEssentials(_ context.Context, t *Target) ([]Finding, error) {
	u, err := t.systemUnits()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, unit := range slices.Sorted(maps.Keys(essentials)) {
		file, err := u.file(unit)
		if err != nil {
			return nil, err
		}
		if file == masked {
			out = append(out, finding(path.Join(u.scope.dirs[0], unit), "%s is masked: %s", unit, essentials[unit]))
		}
	}
	return out, nil
}
