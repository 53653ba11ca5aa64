package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// packages plans the words under "packages" that install: what is there has to
// be there, and what is optional is there where it can be.
func (p *planner) packages() {
	if p.manager == nil {
		return // reported; what a name means is not known
	}
	in := p.r.Packages
	names, files := p.asked()
	groups := p.groups()
	names, groups = unique(names), unique(groups)
	optional := words(in.Optional)
	p.checkNames("packages.optional", optional)
	p.checkNames("packages.exclude", words(in.Exclude))
	p.ask(Questions{Exclude: words(in.Exclude)})
	// What has to be there is not optional.
	optional = slices.DeleteFunc(unique(optional), func(w Word) bool { return has(names, w.Value) })

	if all := slices.Concat(names, groups, files.words); len(all) > 0 {
		title := "Install "
		if n := len(names) + len(files.words); n > 0 {
			title += count(n, "package")
		}
		if len(groups) > 0 {
			title += strings.Repeat(" and ", min(len(all)-len(groups), 1)) + count(len(groups), "group")
		}
		work := p.installing(all)
		work.Scripts = append(files.scripts, work.Scripts...)
		work.Commands = append(files.commands, work.Commands...)
		step := p.work(work)
		step.Run.Mounts = append(step.Run.Mounts, files.mounts...)
		p.step(KindInstall, title, origins(all), step)
	}
	if len(optional) > 0 {
		p.step(KindOptional, "Install where available: "+count(len(optional), "package"), origins(optional), p.optional(optional))
	}
}

// removeAndLock plans the words packages.remove and packages.lock. They come
// after all words that install something: what is removed may be something that
// came along with a package, and stays away; and what is locked is at its
// version from then on.
func (p *planner) removeAndLock() {
	if p.manager == nil {
		return
	}
	remove, lock := words(p.r.Packages.Remove), words(p.r.Packages.Lock)
	p.checkNames("packages.remove", remove)
	p.checkNames("packages.lock", lock)
	p.checkNeeded(remove)
	if remove = unique(remove); len(remove) > 0 {
		p.step(KindRemove, "Remove "+count(len(remove), "package"), origins(remove), p.work(p.removing(remove)))
	}
	if lock = unique(lock); len(lock) > 0 {
		if !p.hasPackageFiles() {
			p.ask(Questions{Lock: lock})
		}
		p.step(KindLock, "Keep at the version that is installed: "+listed(lock), origins(lock), p.work(p.manager.Lock(lock)))
	}
}

// asked returns the names under packages.install, and its files.
func (p *planner) asked() (names []Word, files packageFiles) {
	for i, pkg := range p.r.Packages.Install {
		where := fmt.Sprintf("packages.install[%d]", i)
		switch {
		case pkg.URL.IsSet():
			p.remoteFile(&files, pkg, where)
		case pkg.IsFile():
			p.localFile(&files, pkg.Name, where)
		default:
			w := Word{Value: pkg.Name.Value, Origin: pkg.Name.Pos}
			p.checkName(where, w)
			names = append(names, w)
			if pkg.Instead.IsSet() {
				p.ask(Questions{Doubtful: []Doubt{{Instead: pkg.Instead.Value, Words: []Word{w}}}})
			}
		}
	}
	return names, files
}

// groups returns the words that install packages.groups.
func (p *planner) groups() []Word {
	var groups []Word
	for i, g := range p.r.Packages.Groups {
		name := strings.TrimPrefix(g.Value, "@")
		if wrong := p.manager.CheckGroup(name); wrong != "" {
			p.problem(g.Pos, "not-supported", fmt.Sprintf("packages.groups[%d]", i), "", "%q: %s", g.Value, wrong)
		}
		groups = append(groups, Word{Value: "@" + name, Origin: g.Pos})
	}
	return groups
}

// hasPackageFiles reports whether packages come from files: what is in those no
// repository can say.
func (p *planner) hasPackageFiles() bool {
	return slices.ContainsFunc(p.r.Packages.Install, func(pkg recipe.Package) bool { return pkg.IsFile() || pkg.URL.IsSet() })
}

// checkNeeded reports packages to be removed that other words of the recipe
// need. Those under packages.install the recipe has compared itself.
func (p *planner) checkNeeded(remove []Word) {
	for i, w := range remove {
		for _, needed := range p.questions.Install {
			if needed.Value == w.Value {
				p.problem(w.Origin, "conflict", fmt.Sprintf("packages.remove[%d]", i), "take it out, or what needs it",
					"the package %q is to be removed, and is needed by another word of the recipe (%s)", w.Value, needed.Origin)
				break
			}
		}
	}
}

func (p *planner) checkNames(where string, words []Word) {
	for i, w := range words {
		p.checkName(fmt.Sprintf("%s[%d]", where, i), w)
	}
}

func (p *planner) checkName(where string, w Word) {
	if wrong := p.manager.Check(w.Value); wrong != "" {
		p.problem(w.Origin, "invalid-value", where, "", "%q: %s", w.Value, wrong)
	}
}

// optional returns the instruction that installs what can be of the words. The
// first one of a plan takes away the report of a base that was built like this:
// what could not be installed there is no matter of this image.
func (p *planner) optional(words []Word) Instruction {
	p.ask(Questions{Optional: words})
	p.plan.Optional = append(p.plan.Optional, words...)
	i := p.work(p.manager.InstallOptional(words))
	if !p.reporting {
		p.reporting = true
		i.Run.Commands = append([]Command{{Args: []string{"rm", "-f", OptionalReport}}}, i.Run.Commands...)
	}
	return i
}

// work returns the instruction that does the package manager's work.
func (p *planner) work(w Work) Instruction {
	mounts := p.manager.Caches(p.plan.Base.Distro)
	if !w.Local {
		mounts = append(mounts, p.repoMounts...)
	}
	for i, name := range w.Scripts {
		if !slices.Contains(w.Scripts[:i], name) {
			mounts = append(mounts, p.script(name))
		}
	}
	i := p.run(w.Commands, mounts...)
	if !w.Local {
		i = p.trusting(i)
	}
	return p.subscribed(i, w.Local)
}

// has reports whether value is in list.
func has(list []Word, value string) bool {
	return slices.ContainsFunc(list, func(w Word) bool { return w.Value == value })
}

// listed returns the words for a title: a few of them, or how many there are.
func listed(list []Word) string {
	const few = 4
	if len(list) > few {
		return count(len(list), "package")
	}
	var values []string
	for _, w := range list {
		values = append(values, w.Value)
	}
	return cmp.Or(strings.Join(values, ", "), "nothing")
}
