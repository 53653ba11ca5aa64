package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// kernelArch maps OCI architectures to the names that bootc compares
// match-architectures with, those of Rust's std::env::consts::ARCH. Any other
// name matches no machine, without a word.
var kernelArch = map[string]string{
	"386":     "x86",
	"amd64":   "x86_64",
	"arm":     "arm",
	"arm64":   "aarch64",
	"loong64": "loongarch64",
	"ppc64le": "powerpc64",
	"riscv64": "riscv64",
	"s390x":   "s390x",
}

// kargsFirst is the number of the first file in kargs.d. bootc joins the files
// in the order of their names.
const kargsFirst = 50

// kernelArgs plans the word kernel.args: one file in kargs.d for each run of
// arguments that are for the same architectures, so that the order stays.
func (p *planner) kernelArgs() {
	type group struct {
		arches []string
		args   []Word
	}
	var groups []group
	for i, arg := range p.r.Kernel.Args {
		var arches []string
		for j, a := range arg.Architectures {
			name, ok := kernelArch[a.Value]
			if !ok {
				p.problem(a.Pos, "unknown-architecture", fmt.Sprintf("kernel.args[%d].architectures[%d]", i, j),
					"use one of "+strings.Join(sortedKeys(kernelArch), ", "), "unknown architecture %q", a.Value)
				continue
			}
			arches = append(arches, name)
		}
		slices.Sort(arches)
		arches = slices.Compact(arches)
		if n := len(groups); n == 0 || !slices.Equal(groups[n-1].arches, arches) {
			groups = append(groups, group{arches: arches})
		}
		last := &groups[len(groups)-1]
		last.args = append(last.args, Word{Value: arg.Arg.Value, Origin: arg.Arg.Pos})
	}
	if len(groups) == 0 {
		return
	}
	var all []Word
	c := Copy{Destination: "/usr/lib/bootc/kargs.d/", Mode: "0644", Origin: groups[0].args[0].Origin}
	for i, g := range groups {
		if kargsFirst+i > 99 {
			p.problem(g.args[0].Origin, "too-many", "kernel.args", "put arguments for the same architectures beside each other",
				"the arguments change between architectures more than %d times", 99-kargsFirst)
			return
		}
		name := fmt.Sprintf("%d-bootkiln.toml", kargsFirst+i)
		c.Sources = append(c.Sources, p.place(generated(kargs(g.args, g.arches), 0o644), "kernel", name))
		all = append(all, g.args...)
	}
	p.step(KindKernelArgs, "Kernel arguments", origins(all), Instruction{Copy: &c})
}

// kargs returns a file of kargs.d, as bootc's documentation has it.
func kargs(args []Word, arches []string) []byte {
	quoted := func(values []string) string {
		for i, v := range values {
			values[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
		}
		return strings.Join(values, ", ")
	}
	var values []string
	for _, w := range args {
		values = append(values, w.Value)
	}
	text := "kargs = [" + quoted(values) + "]\n"
	if len(arches) > 0 {
		text += "match-architectures = [" + quoted(slices.Clone(arches)) + "]\n"
	}
	return []byte(text)
}

// initramfs plans the word kernel.initramfs. It comes after everything that
// can bring a kernel, a module or a configuration of dracut, the steps under
// "run" among them.
func (p *planner) initramfs() {
	word := p.r.Kernel.Initramfs
	mode := word.Value
	var origin []diag.Pos
	if word.IsSet() {
		origin = []diag.Pos{word.Pos}
	} else {
		mode = "auto"
		for _, s := range p.plan.Steps {
			switch s.Kind {
			case KindInstall, KindOptional, KindRemove, KindLocale, KindDesktop, KindFiles, KindDracut, KindFlatpak, KindRun:
				origin = append(origin, s.Origin[0])
			}
		}
	}
	if mode == "never" || len(origin) == 0 {
		return // nothing in the recipe can change what it is made from
	}
	mounts := []Mount{p.script("initramfs.sh"), p.script("problem.sh")}
	if mode == "auto" {
		mounts = append(mounts, Mount{Type: MountBind, From: BaseStage, Source: "/", Target: "/run/bootkiln/base"})
	}
	p.step(KindInitramfs, "Initramfs ("+mode+")", origin, p.run([]Command{scriptCommand("initramfs.sh", p.dracutWords(), mode)}, mounts...))
}
