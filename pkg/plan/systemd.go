package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// presetFile holds what the recipe enables and disables. systemd applies the
// presets on a machine's first boot, to every unit; without the recipe's, the
// distribution's would undo it. The first file that names a unit wins.
const presetFile = "10-bootkiln.preset"

// unitScope is whose units are meant: the system's, or those of every user's
// own manager.
type unitScope struct {
	// script is what units.sh calls the scope, flags tell systemctl, and presets
	// is the folder of its presets.
	script  string
	flags   []string
	presets string
}

var (
	systemUnits = unitScope{script: "system", presets: "/usr/lib/systemd/system-preset/"}
	userUnits   = unitScope{script: "user", flags: []string{"--global"}, presets: "/usr/lib/systemd/user-preset/"}
)

// systemd plans the words under "systemd".
func (p *planner) systemd() {
	in := p.r.Systemd
	var target []Word
	if in.DefaultTarget.IsSet() {
		target = []Word{{Value: in.DefaultTarget.Value, Origin: in.DefaultTarget.Pos}}
	}
	p.units(systemUnits, "Units", words(in.Enable), words(in.Disable), words(in.Mask), target)
	p.units(userUnits, "Units of every user", words(in.User.Enable), words(in.User.Disable), words(in.User.Mask), nil)
}

// units plans what is enabled, disabled and masked in a scope, and the system's
// default target.
func (p *planner) units(scope unitScope, title string, enable, disable, mask, target []Word) {
	enable, disable, mask = unique(enable), unique(disable), unique(mask)
	var instructions []Instruction
	if preset := presets(enable, disable); preset != "" {
		instructions = append(instructions, p.preset(presetFile, preset, scope.presets, origins(enable, disable)[0]))
	}
	there := slices.Concat(enable, disable, target)
	for _, m := range mask {
		there = append(there, Word{Value: "--mask=" + m.Value, Origin: m.Origin})
	}
	w := Work{}
	if len(there) > 0 {
		w = Work{Scripts: []string{"units.sh", "problem.sh"}, Commands: []Command{scriptCommand("units.sh", there, scope.script)}}
	}
	for _, c := range []struct {
		verb  string
		words []Word
	}{{"enable", enable}, {"disable", disable}, {"mask", mask}, {"set-default", target}} {
		if len(c.words) > 0 {
			args := slices.Concat([]string{"SYSTEMD_OFFLINE=1", "systemctl"}, scope.flags, []string{c.verb, "--"})
			w.Commands = append(w.Commands, Command{Args: args, Words: c.words})
		}
	}
	if len(w.Commands) > 0 {
		instructions = append(instructions, p.scripted(w))
		p.step(KindSystemd, title, origins(enable, disable, mask, target), instructions...)
	}
}

// preset returns the copy of a file of presets into folder.
func (p *planner) preset(name, content, folder string, origin diag.Pos) Instruction {
	return Instruction{Copy: &Copy{
		Sources:     []string{p.place(generated([]byte(content), 0o644), "systemd", name)},
		Destination: folder,
		Mode:        "0644",
		Origin:      origin,
	}}
}

// presets returns the text of the preset file, systemd.preset(5).
func presets(enable, disable []Word) string {
	var b strings.Builder
	for _, w := range enable {
		fmt.Fprintf(&b, "enable %s\n", w.Value)
	}
	for _, w := range disable {
		fmt.Fprintf(&b, "disable %s\n", w.Value)
	}
	return b.String()
}
