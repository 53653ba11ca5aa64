package plan

import (
	"fmt"
	"slices"
	"strings"
)

// presetFile holds what the recipe enables and disables. systemd applies the
// presets on a machine's first boot, to every unit; without the recipe's, the
// distribution's would undo it. The first file that names a unit wins.
const presetFile = "10-bootkiln.preset"

// systemd plans the words under "systemd".
func (p *planner) systemd() {
	in := p.r.Systemd
	enable, disable, mask := unique(words(in.Enable)), unique(words(in.Disable)), unique(words(in.Mask))
	clash := func(where string, list []Word, otherWhere string, other []Word) {
		for i, w := range list {
			if at := slices.IndexFunc(other, func(o Word) bool { return o.Value == w.Value }); at >= 0 {
				p.problem(w.Origin, "conflict", fmt.Sprintf("%s[%d]", where, i), "take it out of one of them",
					"unit %q is also in %s (%s)", w.Value, otherWhere, other[at].Origin)
			}
		}
	}
	clash("systemd.disable", disable, "systemd.enable", enable)
	clash("systemd.mask", mask, "systemd.enable", enable)

	var instructions []Instruction
	if preset := presets(enable, disable); preset != "" {
		at := p.place(generated([]byte(preset), 0o644), "systemd", presetFile)
		instructions = append(instructions, Instruction{Copy: &Copy{
			Sources:     []string{at},
			Destination: "/usr/lib/systemd/system-preset/",
			Mode:        "0644",
			Origin:      origins(enable, disable)[0],
		}})
	}
	var target []Word
	if in.DefaultTarget.IsSet() {
		target = []Word{{Value: in.DefaultTarget.Value, Origin: in.DefaultTarget.Pos}}
	}
	var commands []Command
	for _, c := range []struct {
		verb  string
		words []Word
	}{{"enable", enable}, {"disable", disable}, {"mask", mask}, {"set-default", target}} {
		if len(c.words) > 0 {
			commands = append(commands, Command{Args: []string{"SYSTEMD_OFFLINE=1", "systemctl", c.verb, "--"}, Words: c.words})
		}
	}
	if len(commands) > 0 {
		instructions = append(instructions, p.run(commands))
		p.step(KindSystemd, "Units", origins(enable, disable, mask, target), instructions...)
	}
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
