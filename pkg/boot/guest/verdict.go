package guest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// bound are units that need what a virtual machine without network and without
// hardware of its own does not have, so that their failure says nothing of the
// image. The list is short on purpose: a unit that fails is what the gate is
// for, and what a recipe knows better it allows itself.
var bound = []struct{ pattern, why string }{
	{"NetworkManager-wait-online.service", noNetwork},
	{"systemd-networkd-wait-online*.service", noNetwork},
	{"ifupdown-wait-online.service", noNetwork},
	{"cloud-init*.service", noNetwork},
	{"systemd-time-wait-sync.service", noNetwork},
	{"chrony-wait.service", noNetwork},
	{"bootc-fetch-apply-updates.service", noNetwork},
	{"rpm-ostreed-automatic.service", noNetwork},
	{"bootkiln-flatpak.service", noNetwork},
	{"dnf-makecache.service", noNetwork},
	{"apt-daily*.service", noNetwork},
	{"fwupd-refresh.service", noNetwork},
	{"nvidia-*.service", noHardware},
	{"smartd.service", noHardware},
	{"smartmontools.service", noHardware},
	{"mcelog.service", noHardware},
	{"rngd.service", noHardware},
	{"lm_sensors.service", noHardware},
	{"bootloader-update.service", "the throw-away disk has no boot loader"},
	{"systemd-boot-update.service", "the throw-away disk has no boot loader"},
}

const (
	noNetwork  = "the virtual machine has no network"
	noHardware = "the virtual machine has no such hardware"
)

// Allowance tells why a unit may fail: because of the patterns of the recipe,
// or because of what a virtual machine lacks. Empty is that it may not.
func Allowance(unit string, patterns []string) string {
	for _, p := range patterns {
		if ok, err := path.Match(p, unit); err == nil && ok {
			return "the recipe allows it"
		}
	}
	for _, b := range bound {
		if ok, err := path.Match(b.pattern, unit); err == nil && ok {
			return b.why
		}
	}
	return ""
}

// Problem is something that speaks against an image.
type Problem struct {
	// Summary is a sentence, Detail are lines of the guest's about it.
	Summary string
	Detail  []string
}

// OK reports whether the boot is good: the target is reached, no unit failed
// that may not, and all holds that the recipe expects.
func (r *Report) OK() bool { return len(r.Problems()) == 0 }

// Problems returns what went wrong, the weightiest first; none is a good boot.
func (r *Report) Problems() []Problem {
	if !r.Shell {
		return []Problem{{Summary: "systemd did not come far enough to be asked: no shell was opened on the second serial port"}}
	}
	var all []Problem
	if !r.Reached {
		all = append(all, Problem{r.unreached(), r.why()})
	}
	for _, u := range r.Failed {
		if u.Allowed == "" {
			all = append(all, Problem{u.what(), u.Log})
		}
	}
	for _, a := range r.Assertions {
		if !a.OK {
			all = append(all, Problem{Summary: fmt.Sprintf("expected that %s: %s", a.What, a.Found)})
		}
	}
	return all
}

// Notes returns what should be known, and is no failure.
func (r *Report) Notes() []string {
	var all []string
	for _, u := range r.Failed {
		if u.Allowed != "" {
			all = append(all, fmt.Sprintf("%s, which is allowed: %s", u.what(), u.Allowed))
		}
	}
	if r.Reached {
		for _, j := range r.Waiting {
			all = append(all, fmt.Sprintf("%s was reached while the job to %s %s was still %s", r.Target, j.Type, j.Unit, j.State))
		}
	}
	return all
}

// unreached says why the target is not reached.
func (r *Report) unreached() string {
	switch {
	case r.Emergency:
		return fmt.Sprintf("%s was not reached: the system fell into its emergency shell", r.Target)
	case r.TargetMissing:
		return fmt.Sprintf("%s was not reached: the image has no such unit, or it is masked or broken", r.Target)
	case r.Stalled:
		return fmt.Sprintf("%s was not reached: it waits for what does not come, and the system does nothing else", r.Target)
	case r.Lost && len(r.Failed) == 0 && len(r.Errors) == 0:
		return fmt.Sprintf("%s was not reached: the system came to rest without it, so its default target does not pull it in", r.Target)
	case r.Lost:
		return fmt.Sprintf("%s was not reached: what it needs failed", r.Target)
	}
	return fmt.Sprintf("%s was not reached in time", r.Target)
}

// why is what systemd said of it, and what it is still busy with where that is
// the reason.
func (r *Report) why() []string {
	if !r.TimedOut && !r.Stalled || r.Lost || r.Emergency {
		return r.Errors
	}
	return append(r.blockers(), r.Errors...)
}

// blockers are the jobs that the others wait for, those that run first.
func (r *Report) blockers() []string {
	jobs := slices.Clone(r.Waiting)
	slices.SortStableFunc(jobs, func(a, b Job) int {
		return strings.Compare(a.State, b.State) // "running" before "waiting"
	})
	var out []string
	for _, j := range jobs {
		out = append(out, fmt.Sprintf("the job to %s %s is %s", j.Type, j.Unit, j.State))
	}
	return out
}

// what tells how a unit failed.
func (u Unit) what() string {
	switch {
	case u.Result == "exit-code":
		return fmt.Sprintf("%s failed: exit status %d", u.Name, u.Status)
	case u.Result == "signal" || u.Result == "core-dump":
		return fmt.Sprintf("%s failed: signal %d", u.Name, u.Status)
	case u.Result == "":
		return u.Name + " failed"
	}
	return fmt.Sprintf("%s failed: %s", u.Name, u.Result)
}
