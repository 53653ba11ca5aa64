package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// dracutNeeded are the modules of dracut without which an initramfs cannot
// start a deployment.
var dracutNeeded = []string{"base", "ostree", "systemd", "systemd-initrd"}

// dracutConf is the configuration file that the recipe's words become.
const dracutConf = "50-bootkiln.conf"

// dracut plans the words under kernel.dracut: a file of dracut.conf.d. The
// initramfs is built from it later, when all kernel modules are there.
func (p *planner) dracut() {
	in := p.r.Kernel.Dracut
	add, omit, drivers := unique(words(in.Add)), unique(words(in.Omit)), unique(words(in.Drivers))
	for i, w := range omit {
		if slices.Contains(dracutNeeded, w.Value) {
			p.problem(w.Origin, "invalid-value", fmt.Sprintf("kernel.dracut.omit[%d]", i), "take it out", "without dracut's module %q the image cannot boot", w.Value)
		}
	}
	all := origins(add, omit, drivers)
	if len(all) == 0 {
		return
	}
	if mode := p.r.Kernel.Initramfs; mode.Value == "never" {
		p.diags.Add(diag.Diagnostic{
			Pos: mode.Pos, Path: "kernel.initramfs", Severity: diag.Warning, Code: "no-effect",
			Message: "what is under kernel.dracut has no effect: the initramfs stays as it is",
			Hint:    "say initramfs: auto",
		})
	}
	var conf strings.Builder
	for _, l := range []struct {
		key   string
		words []Word
	}{{"add_dracutmodules", add}, {"omit_dracutmodules", omit}, {"add_drivers", drivers}} {
		if len(l.words) == 0 {
			continue
		}
		// Dracut joins what the files say without a blank between.
		fmt.Fprintf(&conf, "%s+=\"", l.key)
		for _, w := range l.words {
			conf.WriteString(" " + w.Value)
		}
		conf.WriteString(" \"\n")
	}
	p.step(KindDracut, "Configuration of dracut", all, Instruction{Copy: &Copy{
		Sources:     []string{p.place(generated([]byte(conf.String()), 0o644), "kernel", dracutConf)},
		Destination: "/usr/lib/dracut/dracut.conf.d/",
		Mode:        "0644",
		Origin:      all[0],
	}})
}

// dracutWords are the words under kernel.dracut as initramfs.sh takes them,
// which looks whether they are names of something.
func (p *planner) dracutWords() []Word {
	in := p.r.Kernel.Dracut
	var list []Word
	for _, l := range []struct {
		option string
		words  []Word
	}{{"--add=", words(in.Add)}, {"--omit=", words(in.Omit)}, {"--driver=", words(in.Drivers)}} {
		for _, w := range unique(l.words) {
			list = append(list, Word{Value: l.option + w.Value, Origin: w.Origin})
		}
	}
	return list
}
