package plan

import (
	"fmt"
	"slices"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// displayManager is what a display manager is called.
type displayManager struct {
	// dnf and apt are its package.
	dnf, apt string
	// units are what its unit may be called. Which one it is on a release, the
	// image tells.
	units []string
}

var displayManagers = map[string]displayManager{
	"gdm":         {dnf: "gdm", apt: "gdm3", units: []string{"gdm.service", "gdm3.service"}},
	"lightdm":     {dnf: "lightdm", apt: "lightdm", units: []string{"lightdm.service"}},
	"plasmalogin": {dnf: "plasma-login-manager", apt: "plasma-login-manager", units: []string{"plasmalogin.service"}},
	"sddm":        {dnf: "sddm", apt: "sddm", units: []string{"sddm.service"}},
}

// displayManagerInstead says what to use where a distribution may lack one.
const displayManagerInstead = "on Enterprise Linux, add epel and crb under repos, or use display-manager: gdm"

// desktop plans the words under "desktop", but for what comes after the files.
func (p *planner) desktop() {
	if p.manager == nil {
		return // reported; what a package is called is not known
	}
	p.fonts()
	p.inputMethod()
	word := p.r.Desktop.DisplayManager
	manager, ok := displayManagers[word.Value]
	if !ok || !p.displayManagerServes(word) {
		return
	}
	name := manager.dnf
	if p.plan.Base.Distro.family() == familyDebian {
		name = manager.apt
	}
	p.step(KindDesktop, "Package of the display manager "+word.Value, []diag.Pos{word.Pos},
		p.bring(fixed(word.Pos, name), displayManagerInstead)...)
}

// displayManager plans the words desktop.display-manager and desktop.session.
// It comes after the words under "files": a session may be one of them.
func (p *planner) displayManager() {
	word, session := p.r.Desktop.DisplayManager, p.r.Desktop.Session
	switch {
	case !word.IsSet() && session.IsSet():
		p.problem(session.Pos, "missing-key", "desktop.session", "add display-manager, as in display-manager: sddm",
			"the session %q is offered by a display manager, and there is none", session.Value)
	case session.IsSet() && word.Value == "plasmalogin" && recipe.InBundle(session.Pos):
		// The bundle says it for the display manager that the recipe has replaced.
		session = recipe.String{}
	case session.IsSet() && word.Value == "plasmalogin":
		p.problem(session.Pos, "not-supported", "desktop.session", "take it out, or use display-manager: sddm",
			"the session that plasmalogin offers first cannot be set")
	}
	if !word.IsSet() {
		return
	}
	manager, ok := displayManagers[word.Value]
	if !ok {
		p.problem(word.Pos, "invalid-value", "desktop.display-manager", "", "there is no display manager %q", word.Value)
		return
	}
	p.displayManagerClashes(word, manager)

	var set []Word
	if session.IsSet() {
		set = append(set, Word{Value: "--session=" + session.Value, Origin: session.Pos})
	}
	set = append(set, fixed(word.Pos, manager.units...)...)
	w := Work{Scripts: []string{"display-manager.sh", "ini.sh", "problem.sh"}, Commands: []Command{scriptCommand("display-manager.sh", set)}}
	if !p.r.Systemd.DefaultTarget.IsSet() {
		w.Commands = append(w.Commands, Command{
			Args:  []string{"SYSTEMD_OFFLINE=1", "systemctl", "set-default", "--"},
			Words: fixed(word.Pos, "graphical.target"),
		})
	}
	p.step(KindDesktop, "Display manager: "+word.Value, origins(set), p.scripted(w))
}

// displayManagerServes reports a display manager that the distribution does
// not have.
func (p *planner) displayManagerServes(word recipe.String) bool {
	d := p.plan.Base.Distro
	none := d.ID == "debian" && d.Major() > 0 && d.Major() <= 13 || d.family() == familyEL9
	if word.Value != "plasmalogin" || !none {
		return true
	}
	p.problem(word.Pos, "not-supported", "desktop.display-manager", "use display-manager: sddm",
		"plasmalogin is not supported on %s, which has no package plasma-login-manager", d)
	return false
}

// displayManagerClashes reports units of the display manager that the recipe
// keeps from starting.
func (p *planner) displayManagerClashes(word recipe.String, manager displayManager) {
	for _, list := range []struct {
		where string
		units []recipe.String
	}{{"systemd.disable", p.r.Systemd.Disable}, {"systemd.mask", p.r.Systemd.Mask}} {
		for i, u := range list.units {
			if slices.Contains(manager.units, u.Value) || u.Value == "display-manager.service" {
				p.problem(u.Pos, "conflict", fmt.Sprintf("%s[%d]", list.where, i), "take it out, or take desktop.display-manager out",
					"unit %q is the display manager %q (%s)", u.Value, word.Value, word.Pos)
			}
		}
	}
}

// scripted returns the instruction that runs scripts which need no package
// manager.
func (p *planner) scripted(w Work) Instruction {
	var mounts []Mount
	for _, name := range w.Scripts {
		mounts = append(mounts, p.script(name))
	}
	return p.run(w.Commands, mounts...)
}
