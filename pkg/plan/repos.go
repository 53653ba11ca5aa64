package plan

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// repoFolder is where the steps of a build see the repositories of the recipe
// that are for the build only, and the keys of those. The image never has them.
const repoFolder = "/run/bootkiln/repos"

// repoEntry is an entry of "repos", with its path in the recipe.
type repoEntry struct {
	recipe.Repo
	where string
}

// what returns the value that names the repository.
func (e repoEntry) what() recipe.String {
	for _, s := range []recipe.String{e.Known, e.Copr, e.Name} {
		if s.IsSet() {
			return s
		}
	}
	return e.File.String
}

func (e repoEntry) keep() bool { return e.Keep.Value == "true" }

// repoSetup collects what the words under "repos" come to.
type repoSetup struct {
	*planner
	distro Distro
	// entries are those of the recipe.
	entries []repoEntry
	// mounted are the files of repoFolder, by name.
	mounted map[string]Source
	// owners are the entries that files are of, by path, and clashes those
	// entries of which it was said that a file is another one's, by path in the
	// recipe.
	owners  map[string]repoEntry
	clashes map[string]bool
	// kept are files that the image gets.
	kept []keptFile
	// words become Terms.Repos.
	words []Word
	// mountedWords stand for mounted files where no other word does.
	mountedWords []Word
	// prepare are commands that the image needs before anything is installed,
	// and scripts are what they use.
	prepare []Command
	scripts []string
	// releasing is true where packages bring repositories, of which those that
	// match stay are enabled in the image.
	// Of those, main are the IDs that are enabled even where a base disabled
	// them.
	releasing  bool
	stay, main []Word
	// hasKeys is true where the package of other distributions' keys is there,
	// and borrowed returns such packages.
	hasKeys  bool
	borrowed []Command
	// inImage names the repositories that change the image.
	inImage []Word
}

// keptFile is a file of the image.
type keptFile struct {
	folder, name string
	src          Source
	origin       diag.Pos
}

// repos plans the words under "repos". What is for the build only is mounted
// in the steps that install; what comes in a package of its own, and what the
// image keeps, is a step.
func (p *planner) repos() {
	if p.manager == nil {
		return
	}
	s := &repoSetup{planner: p, distro: p.plan.Base.Distro, mounted: map[string]Source{}, owners: map[string]repoEntry{}, clashes: map[string]bool{}, entries: repoEntries(p.r.Repos)}
	p.manager.Repos(s)

	p.manager = p.manager.With(s.terms())
	if len(s.mounted) > 0 {
		p.repoMounts = []Mount{{Type: MountBind, Source: p.placeAll(s.mounted), Target: repoFolder}}
	}
	var instructions []Instruction
	for _, folder := range []string{keyFolderDNF, repoFolderDNF, keyFolderAPT, repoFolderAPT, pinFolderAPT} {
		c := Copy{Destination: folder, Mode: "0644"}
		for _, f := range s.kept {
			if f.folder == folder {
				c.Sources = append(c.Sources, path.Dir(p.place(f.src, "repos", mountable(f.name), f.name))+"/")
				c.Origin = firstValid(c.Origin, f.origin)
			}
		}
		if len(c.Sources) > 0 {
			instructions = append(instructions, Instruction{Copy: &c})
		}
	}
	if len(s.prepare) > 0 {
		instructions = append(instructions, p.work(Work{Scripts: s.scripts, Commands: s.prepare}))
	}
	if len(instructions) > 0 {
		var names []string
		for _, w := range unique(s.inImage) {
			names = append(names, w.Value)
		}
		p.step(KindRepos, "Repositories: "+strings.Join(names, ", "), origins(s.inImage), instructions...)
	}
}

// terms are those of the transactions so far.
func (s *repoSetup) terms() Terms {
	return Terms{Repos: slices.Clone(s.words), Exclude: words(s.r.Packages.Exclude), WeakDeps: s.r.Packages.WeakDeps.Value}
}

// repoEntries returns the entries without repetitions, which bundles bring: the
// first one stands, and has what the others say beside it.
func repoEntries(list []recipe.Repo) []repoEntry {
	var entries []repoEntry
	for i, r := range list {
		e := repoEntry{r, fmt.Sprintf("repos[%d]", i)}
		at := slices.IndexFunc(entries, func(o repoEntry) bool {
			return o.Known.Value == e.Known.Value && o.Copr.Value == e.Copr.Value && o.Name.Value == e.Name.Value && o.File.Value == e.File.Value
		})
		if at < 0 {
			entries = append(entries, e)
			continue
		}
		first := &entries[at]
		for from, to := range map[*recipe.String]*recipe.String{&e.Keep: &first.Keep, &e.Priority: &first.Priority, &e.Chroot: &first.Chroot} {
			if from.IsSet() {
				*to = *from
			}
		}
		first.IncludePackages = slices.Concat(first.IncludePackages, e.IncludePackages)
		first.ExcludePackages = slices.Concat(first.ExcludePackages, e.ExcludePackages)
	}
	return entries
}

// known returns the entry of a repository that bootkiln knows by name.
func (s *repoSetup) known(name string) (repoEntry, bool) {
	at := slices.IndexFunc(s.entries, func(e repoEntry) bool { return e.Known.Value == name })
	if at < 0 {
		return repoEntry{}, false
	}
	return s.entries[at], true
}

// notSupported reports a repository that makes no sense on the distribution.
func (s *repoSetup) notSupported(e repoEntry, instead string) {
	what := e.what()
	s.problem(what.Pos, "not-supported", e.where, instead, "the repository %q is not supported on %s", what.Value, s.distro)
}

// word gives a word of bootkiln's the place of a repository.
func (e repoEntry) word(value string) Word { return Word{Value: value, Origin: e.what().Pos} }

// add puts a file of a repository where transactions find it: into the folder
// of the image where the repository is kept, else into the mounted one. It
// returns the path there.
//
// Names are made of those of repositories, and of files, which can be the same
// where the repositories are not: one file would take the place of the other.
func (s *repoSetup) add(e repoEntry, folder, name string, src Source) string {
	at := repoFolder + "/" + name
	if e.keep() {
		at = folder + name
	}
	if first, taken := s.owners[at]; !taken {
		s.owners[at] = e
	} else if first.where != e.where && !s.clashes[e.where] {
		s.clashes[e.where] = true // which the file of its key would say again
		s.problem(e.what().Pos, "conflict", e.where, "give one of them another name",
			"the repository %q has the same file, %q, as %q (%s)", e.what().Value, name, first.what().Value, first.what().Pos)
	}
	if e.keep() {
		s.kept = append(s.kept, keptFile{folder, name, src, e.what().Pos})
		s.inImage = append(s.inImage, e.word(e.what().Value))
	} else {
		s.mounted[name] = src
	}
	return at
}

// key returns where the key of a repository is: its address, or the path of
// the file of the project that holds it. armored is for programs that read
// nothing else.
func (s *repoSetup) key(e repoEntry, folder, name string, armored bool) string {
	if strings.Contains(e.GPGKey.Value, "://") {
		return e.GPGKey.Value
	}
	where := e.where + ".gpgkey"
	text, src, ok := s.fileText(e.GPGKey, where)
	if !ok {
		return ""
	}
	isArmored := bytes.Contains(text, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----"))
	switch {
	case bytes.Contains(text, []byte("PRIVATE KEY")):
		s.problem(e.GPGKey.Pos, "invalid-value", where, "export the public one, as with gpg --armor --export",
			"%q is a private key", e.GPGKey.Value)
		return ""
	case armored && !isArmored:
		s.problem(e.GPGKey.Pos, "invalid-value", where, "convert it, as with gpg --enarmor",
			"%q is no key that %s can read: it has no line \"-----BEGIN PGP PUBLIC KEY BLOCK-----\"", e.GPGKey.Value, s.manager.Name())
		return ""
	case isArmored:
		name += ".asc"
	default:
		name += ".gpg"
	}
	return s.add(e, folder, name, src)
}

// fileText reads a file of the project.
func (s *repoSetup) fileText(at recipe.Path, where string) (text []byte, src Source, ok bool) {
	src, isFolder, ok := s.source(at, where, 0o644)
	if isFolder {
		s.problem(at.Pos, "wrong-kind", where, "", "%q is a folder, and not a file", at.Value)
	}
	if !ok || isFolder {
		return nil, Source{}, false
	}
	text, err := src.text(s.o.Read)
	if err != nil {
		s.fail(fmt.Errorf("reading %q: %w", at.Value, err))
	}
	return text, src, err == nil
}

// placeAll puts files into one folder of the build context, and returns its
// path there.
func (p *planner) placeAll(files map[string]Source) string {
	sum := sha256.New()
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		fmt.Fprintf(sum, "%s %s\n", files[name].Digest, name)
	}
	folder := path.Join("repos", fmt.Sprintf("%x", sum.Sum(nil))[:16])
	for _, name := range names {
		p.plan.Context[path.Join(folder, name)] = files[name]
	}
	return folder
}
