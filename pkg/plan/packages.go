package plan

import (
	"fmt"
	"slices"
)

// packages plans the words under "packages": what is there has to be there,
// what is optional is there where it can be, and what is removed goes last, so
// that it may be something that an installed package brought along.
func (p *planner) packages() {
	in := p.r.Packages
	var install []Word
	for _, pkg := range in.Install {
		install = append(install, Word{Value: pkg.Name.Value, Origin: pkg.Name.Pos})
	}
	optional, remove := words(in.Optional), words(in.Remove)
	if p.manager == nil {
		return // reported; what a name means is not known
	}
	for _, list := range []struct {
		where string
		words []Word
	}{{"packages.install", install}, {"packages.optional", optional}, {"packages.remove", remove}} {
		for i, w := range list.words {
			if wrong := p.manager.Check(w.Value, list.where == "packages.optional"); wrong != "" {
				p.problem(w.Origin, "invalid-value", fmt.Sprintf("%s[%d]", list.where, i), "", "%q: %s", w.Value, wrong)
			}
		}
	}

	install, remove = unique(install), unique(remove)
	// What has to be there is not optional.
	optional = slices.DeleteFunc(unique(optional), func(w Word) bool { return has(install, w.Value) })
	for i, w := range remove {
		for _, list := range []struct {
			where string
			words []Word
		}{{"packages.install", install}, {"packages.optional", optional}} {
			if at := slices.IndexFunc(list.words, func(o Word) bool { return o.Value == w.Value }); at >= 0 {
				p.problem(w.Origin, "conflict", fmt.Sprintf("packages.remove[%d]", i), "take it out of one of them",
					"package %q is also in %s (%s)", w.Value, list.where, list.words[at].Origin)
			}
		}
	}

	if len(install) > 0 {
		p.step(KindInstall, "Install "+count(len(install), "package"), origins(install), p.work(p.manager.Install(install)))
	}
	if len(optional) > 0 {
		p.step(KindOptional, "Install where available: "+count(len(optional), "package"), origins(optional), p.optional(optional))
	}
	if len(remove) > 0 {
		p.step(KindRemove, "Remove "+count(len(remove), "package"), origins(remove), p.work(p.manager.Remove(remove)))
	}
}

// optional returns the instruction that installs what can be of the words. The
// first one of a plan takes away the report of a base that was built like this:
// what could not be installed there is no matter of this image.
func (p *planner) optional(words []Word) Instruction {
	w := p.manager.InstallOptional(words)
	if !p.reporting {
		p.reporting = true
		w.Commands = append([]Command{{Args: []string{"rm", "-f", OptionalReport}}}, w.Commands...)
	}
	return p.work(w)
}

// work returns the instruction that does the package manager's work.
func (p *planner) work(w Work) Instruction {
	mounts := p.manager.Caches(p.plan.Base.Distro)
	for _, name := range w.Scripts {
		mounts = append(mounts, p.script(name))
	}
	return p.run(w.Commands, mounts...)
}

// has reports whether value is in list.
func has(list []Word, value string) bool {
	return slices.ContainsFunc(list, func(w Word) bool { return w.Value == value })
}
