package check

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// unitRules are those about what systemd starts.
var unitRules = []Rule{
	{
		ID:       "default-target",
		Summary:  "the target that machines start is there, with all that it requires",
		Severity: diag.Error,
		Doc:      "systemd starts default.target and what it requires, and ends in the emergency shell where one of them is missing, masked or has no program. default.target itself is a link as a rule: one that leads to a unit that is not there is as bad, and one that leads to a service or the like counts for nothing, so that another target starts than the one that was meant.",
		Source:   "systemd: bootup(7), Requires= of systemd.unit(5)",
		Hint:     "run: systemctl set-default multi-user.target, unmask the unit, or install the package that has it",
		Run:      checkDefaultTarget,
	},
	{
		ID:       "masked-essentials",
		Summary:  "no unit is masked that every machine needs",
		Severity: diag.Warning,
		Doc:      "The machine starts and lacks what the unit is for, which shows up in places that do not name it.",
		Source:   "systemd: bootup(7); ostree-finalize-staged.service of ostree",
		Hint:     "take it off systemd.mask, or run systemctl unmask on it",
		Run:      checkMaskedEssentials,
	},
	{
		ID:       "unit-links",
		Summary:  "each unit that is enabled is there",
		Severity: diag.Warning,
		Doc:      "systemd ignores the link: what it was to start does not run, and nothing says so but the journal.",
		Source:   "systemd.unit(5)",
		Hint:     "install the package that has the unit, or run systemctl disable on it before its package is removed",
		Run:      checkUnitLinks,
	},
	{
		ID:       "unit-programs",
		Summary:  "the programs of units that are started are there",
		Severity: diag.Warning,
		Doc:      "The unit fails at each boot (203/EXEC), or when a socket or timer starts it, and the system is degraded. Looked at are the units that are enabled, and all that they and default.target pull in. What is not looked at: programs that may fail (a dash before them), those under /run, /tmp and /var, and units whose conditions do not hold.",
		Source:   "ExecStart= of systemd.service(5)",
		Hint:     "install the package that has the program, correct the path in the unit, or disable the unit",
		Run:      checkUnitPrograms,
	},
}

// systemUnits returns the units of the system's own manager.
func (t *Target) systemUnits() (*enabledUnits, error) {
	if fi, err := t.lstat("usr/lib/systemd/systemd"); err != nil {
		return nil, err
	} else if fi == nil {
		return nil, NotApplicable("no systemd")
	}
	all, err := t.units()
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func checkUnitLinks(_ context.Context, t *Target) ([]Finding, error) {
	all, err := t.units()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, u := range all {
		for _, l := range u.links {
			unit, err := u.missing(l)
			if err != nil {
				return nil, err
			}
			// Of default.target, its own rule speaks.
			if unit != "" && l.unit != "default.target" {
				out = append(out, finding(l.name, "the unit %q is not in the image", unit))
			}
		}
	}
	return out, nil
}

// missing is the unit that a link names, where it is not there. systemd goes
// by names: where the link leads counts only for what is in none of its
// folders.
func (u *units) missing(l unitLink) (string, error) {
	unit := l.unit
	if l.alias {
		if _, err := u.root.Stat(l.name); err == nil || !isAbsent(err) {
			return "", err
		}
		unit = linkedName(u.root, l.name)
	}
	file, err := u.file(unit)
	if err != nil || file != "" {
		return "", err
	}
	atBoot, err := madeAtBoot(u.root, unit)
	if err != nil || atBoot {
		return "", err
	}
	return unit, nil
}

func checkUnitPrograms(ctx context.Context, t *Target) ([]Finding, error) {
	all, err := t.units()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, u := range all {
		required := map[string]bool{}
		if u.scope.section == systemUnits.section {
			// Of those that default.target requires, its own rule speaks.
			by, _, err := u.requiredByDefault(ctx)
			if err != nil {
				return nil, err
			}
			for name := range by {
				required[u.canonical(name)] = true
			}
		}
		started, err := u.started(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range started {
			if required[s.name] || path.Ext(s.name) != ".service" {
				continue
			}
			problems, err := u.programProblems(s.file, s.name, s.settings)
			if err != nil {
				return nil, err
			}
			out = append(out, problems...)
		}
	}
	return out, nil
}

// programProblems looks for the programs that a service cannot start without.
func (u *units) programProblems(file, unit string, settings unitSettings) ([]Finding, error) {
	for _, key := range []string{"RootDirectory", "RootImage", "ExecSearchPath", "ExtensionDirectories", "ExtensionImages"} {
		if settings.last("Service", key) != "" {
			return nil, nil // its programs are not those of the image
		}
	}
	if starts, err := u.mayStart(settings, unit); err != nil || !starts {
		return nil, err
	}
	var out []Finding
	for _, key := range []string{"ExecStartPre", "ExecStart"} {
		for _, value := range settings.list("Service", key) {
			p, ok := parseExec(value, unit)
			if !ok || p.mayFail {
				continue
			}
			problem, err := u.programProblem(p.name)
			if err != nil {
				return nil, err
			}
			if problem != "" {
				out = append(out, finding(file, "%s= of %s: the program %q %s", key, unit, p.name, problem))
			}
		}
	}
	return out, nil
}

// atRunTime are folders that machines fill.
var atRunTime = []string{"dev", "home", "mnt", "proc", "root", "run", "srv", "sys", "tmp", "var"}

func (u *units) programProblem(name string) (string, error) {
	candidates := []string{strings.TrimPrefix(path.Clean(name), "/")}
	if !path.IsAbs(name) {
		candidates = nil
		for _, dir := range programDirs {
			candidates = append(candidates, path.Join(dir, name))
		}
	}
	for _, c := range candidates {
		if top, _, _ := strings.Cut(behindLink(u.root, c), "/"); slices.Contains(atRunTime, top) {
			return "", nil
		}
		fi, err := u.root.Stat(c)
		switch {
		case isAbsent(err):
		case err != nil:
			return "", err
		case fi.IsDir():
			return "is a directory", nil
		case fi.Mode().Perm()&0o111 == 0:
			return fmt.Sprintf("may not be executed (mode %v)", fi.Mode()), nil
		default:
			return "", nil
		}
	}
	return "is not in the image", nil
}

// mayStart evaluates the conditions about files of the image itself, which
// packages use for what only does something beside another package.
func (u *units) mayStart(settings unitSettings, unit string) (bool, error) {
	for _, key := range []string{"ConditionPathExists", "ConditionPathIsDirectory", "ConditionFileIsExecutable", "ConditionFileNotEmpty", "ConditionDirectoryNotEmpty"} {
		for _, value := range settings.list("Unit", key) {
			name, ok := expandUnit(value, unit)
			// "|" makes it one of several, and "!" turns it around.
			if !ok || !strings.HasPrefix(name, "/") {
				continue
			}
			name = strings.TrimPrefix(path.Clean(name), "/")
			if top, _, _ := strings.Cut(behindLink(u.root, name), "/"); top == "etc" || slices.Contains(atRunTime, top) {
				continue
			}
			if _, err := u.root.Stat(name); isAbsent(err) {
				return false, nil
			} else if err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
