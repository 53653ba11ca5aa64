package plan

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Query asks the base and its repositories for the names that a plan installs,
// before anything long is begun. The answer is for package resolve to read.
type Query struct {
	// Steps are a plan of their own: those of the plan that the names depend
	// on, and one that asks. The last one never ends well, since a builder
	// keeps nothing of a step that fails.
	Steps []Step
	// Context and Secrets are what those steps take, as in [Plan].
	Context map[string]Source
	Secrets []Secret
}

// Questions are names that a package manager is asked for, each in the word
// that stands in the work that installs or removes it.
type Questions struct {
	// Install has to be there, and so have Groups, each with an "@" before it.
	Install, Groups []Word
	// Doubtful has to be there as well; it may stand in Install too.
	Doubtful []Doubt
	// Optional is there where it can be.
	Optional []Word
	// Remove is taken away where it is there.
	Remove []Word
	// Lock has to be installed in the end, by the base or by the build.
	Lock []Word
	// Exclude is never installed.
	Exclude []Word
}

// Doubt are packages that not every distribution has.
type Doubt struct {
	// Instead says what can be done where one is not there.
	Instead string
	Words   []Word
}

// words returns all names once, each with an option before it that says what it
// is. What is doubtful comes after what to use instead.
func (q Questions) words() []Word {
	var list []Word
	seen := map[string]bool{}
	add := func(option string, words []Word) (added bool) {
		for _, w := range words {
			if !seen[w.Value] {
				list = append(list, Word{Value: option + w.Value, Origin: w.Origin})
				added = true
			}
			seen[w.Value] = true
		}
		return added
	}
	for _, d := range q.Doubtful {
		at := len(list)
		if add("--doubtful=", d.Words) {
			list = slices.Insert(list, at, Word{Value: "--instead=" + d.Instead, Origin: list[at].Origin})
		}
	}
	add("--install=", q.Install)
	add("--group=", q.Groups)
	installed := maps.Clone(seen)
	add("--optional=", q.Optional)
	add("--remove=", q.Remove)
	// What is installed can be locked; what may not be there has to be asked for
	// all the same.
	seen = installed
	add("--lock=", q.Lock)
	add("--excluded=", q.Exclude)
	return list
}

// needRepositories reports whether the build itself reads repositories, or
// depends on what they have. What is locked or excluded alone does not, and must
// not need a network.
func (q Questions) needRepositories() bool {
	return len(q.Install)+len(q.Groups)+len(q.Optional)+len(q.Remove) > 0
}

// ask adds to what the query asks for.
func (p *planner) ask(q Questions) {
	p.questions.Install = append(p.questions.Install, q.Install...)
	p.questions.Groups = append(p.questions.Groups, q.Groups...)
	p.questions.Doubtful = append(p.questions.Doubtful, q.Doubtful...)
	p.questions.Optional = append(p.questions.Optional, q.Optional...)
	p.questions.Remove = append(p.questions.Remove, q.Remove...)
	p.questions.Lock = append(p.questions.Lock, q.Lock...)
	p.questions.Exclude = append(p.questions.Exclude, q.Exclude...)
}

// installing returns the work that installs the words, and asks for those that
// are names before.
func (p *planner) installing(words []Word) Work {
	var q Questions
	for _, w := range words {
		switch {
		case isPackageFile(w):
		case strings.HasPrefix(w.Value, "@"):
			q.Groups = append(q.Groups, w)
		default:
			q.Install = append(q.Install, w)
		}
	}
	p.ask(q)
	return p.manager.Install(words)
}

// removing returns the work that removes the words, and asks for them before:
// a name that nobody knows was hardly meant.
func (p *planner) removing(words []Word) Work {
	p.ask(Questions{Remove: words})
	return p.manager.Remove(words)
}

// resolve makes the query of all that was asked for. The steps before the first
// that installs are those that prepare repositories.
func (p *planner) resolve() {
	words := p.questions.words()
	if !p.questions.needRepositories() {
		return
	}
	origin := origins(words)
	if len(origin) == 0 {
		origin = []diag.Pos{p.plan.Origin}
	}
	// The image's own context gets nothing that only the query needs.
	context := p.plan.Context
	p.plan.Context = maps.Clone(context)
	steps := append(slices.Clone(p.plan.Steps[:p.prepared]), Step{
		Kind: KindResolve, Title: "Ask for " + count(len(words), "name"), Origin: origin,
		Instructions: []Instruction{p.work(p.manager.Resolve(p.questions))},
	})
	q := &Query{Steps: steps, Context: p.plan.Context}
	p.plan.Context = context

	sources, secrets := taken(steps)
	maps.DeleteFunc(q.Context, func(at string, _ Source) bool {
		// A step takes a file, or the folder that it is in.
		for ; at != "."; at = path.Dir(at) {
			if sources[at] {
				return false
			}
		}
		return true
	})
	for _, s := range p.plan.Secrets {
		if secrets[s.ID] {
			q.Secrets = append(q.Secrets, s)
		}
	}
	p.plan.Query = q
}

// taken returns what the steps take: paths of the build context, and IDs of
// secrets.
func taken(steps []Step) (sources, secrets map[string]bool) {
	sources, secrets = map[string]bool{}, map[string]bool{}
	for _, s := range steps {
		for _, i := range s.Instructions {
			if i.Copy != nil {
				for _, at := range i.Copy.Sources {
					sources[strings.TrimSuffix(at, "/")] = true
				}
			}
			if i.Run == nil {
				continue
			}
			for _, m := range i.Run.Mounts {
				switch m.Type {
				case MountBind:
					sources[m.Source] = true
				case MountSecret:
					secrets[m.ID] = true
				case MountCache, MountTmpfs:
				}
			}
		}
	}
	return sources, secrets
}

// resolveScripts are what the scripts that ask need.
var resolveScripts = []string{"problem.sh", "question.sh"}

// dnfResolve asks with the command that installs, so that both have the same
// repositories and options.
func dnfResolve(program string, t Terms, q Questions) Work {
	c := dnfInstall(program, t, nil)
	return Work{
		Scripts: append(slices.Clone(resolveScripts), "rpm-installed.sh", "resolve-dnf.sh"),
		Commands: []Command{{
			Args:  append([]string{"/bin/bash", scriptTarget("resolve-dnf.sh")}, c.Args...),
			Words: append(c.Words, q.words()...),
		}},
	}
}

// Resolve implements [PackageManager].
func (m dnf4) Resolve(q Questions) Work { return dnfResolve("dnf", m.terms, q) }

// Resolve implements [PackageManager].
func (m dnf5) Resolve(q Questions) Work { return dnfResolve("dnf5", m.terms, q) }

// Resolve implements [PackageManager]. The script learns itself what there is,
// to tell a name that is unknown from a repository that is.
func (m apt) Resolve(q Questions) Work {
	w := m.begin(append(slices.Clone(resolveScripts), "resolve-apt.sh")...)
	w.Commands[len(w.Commands)-1] = scriptCommand("resolve-apt.sh", q.words(), "apt-get", "install", m.recommends())
	return w
}
