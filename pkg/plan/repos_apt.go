package plan

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/repofile"
)

// Where apt looks for repositories, keys and pins in the image.
const (
	folderAPT     = "/etc/apt"
	repoFolderAPT = folderAPT + "/sources.list.d/"
	keyFolderAPT  = folderAPT + "/keyrings/"
	pinFolderAPT  = folderAPT + "/preferences.d/"
)

// aptBuildFolder has the same folders for a step of the build: what the image
// has, and what only the build has.
const aptBuildFolder = "/run/bootkiln/apt"

// aptRepoScripts are what apt-repos.sh needs, and itself.
var aptRepoScripts = []string{"fetch.sh", "apt-repos.sh"}

// debianWords are the repositories that are parts of Debian.
var debianWords = []string{"contrib", "non-free", "non-free-firmware", "backports"}

// apt plans the repositories for apt.
func (s *repoSetup) apt() {
	s.onlyNames("packages.exclude", s.r.Packages.Exclude)
	var kept []Word
	for _, e := range s.entries {
		s.onlyNames(e.where+".includepkgs", e.IncludePackages)
		s.onlyNames(e.where+".excludepkgs", e.ExcludePackages)
		var own []Word
		switch {
		case e.Copr.IsSet():
			s.notSupported(e, "COPR has packages for dnf; name a repository for apt")
		case e.Name.IsSet():
			own = s.describedAPT(e)
		case e.File.IsSet():
			s.fileAPT(e)
		case slices.Contains(debianWords, e.Known.Value):
			own = s.debian(e)
		case strings.HasPrefix(e.Known.Value, "rpmfusion"):
			s.notSupported(e, "what it has is in contrib and non-free here")
		default:
			s.notSupported(e, "it is for the family of Enterprise Linux; on Debian there are contrib, non-free, non-free-firmware and backports")
		}
		if e.keep() {
			kept = append(kept, own...)
		} else {
			s.words = append(s.words, own...)
		}
	}
	if len(kept) > 0 {
		s.scripts = append(s.scripts, append([]string{"apt.conf"}, aptRepoScripts...)...)
		s.prepare = append(s.prepare, aptConfigure("apt.conf"), aptFolders, scriptCommand("apt-repos.sh", kept, folderAPT))
	}
	// What is mounted is read by the script, which runs where it has a word.
	if len(s.mounted) > 0 && len(s.words) == 0 {
		s.words = s.mountedWords
	}
}

// describedAPT plans a repository that the recipe describes. The words are
// what the script has to do for it.
func (s *repoSetup) describedAPT(e repoEntry) (own []Word) {
	id := repofile.FileName(e.Name.Value)
	if e.Metalink.IsSet() || e.Mirrorlist.IsSet() || !e.Suite.IsSet() {
		s.notSupported(e, "a repository for apt has a baseurl, a suite and components, as in suite: bookworm")
		return nil
	}
	key := s.key(e, keyFolderAPT, id, false)
	if strings.Contains(key, "://") {
		own = append(own, Word{Value: "--key=" + id + ".asc=" + key, Origin: e.GPGKey.Pos})
		key = aptBuildFolder + "/keyrings/" + id + ".asc"
		if e.keep() {
			key = keyFolderAPT + id + ".asc"
		}
	}
	lines := []string{"Types: deb", "URIs: " + e.BaseURL.Value, "Suites: " + e.Suite.Value}
	if !strings.HasSuffix(e.Suite.Value, "/") {
		components := joined(e.Components, " ")
		if components == "" {
			components = "main"
		}
		lines = append(lines, "Components: "+components)
	}
	lines = append(lines, "Signed-By: "+key)
	s.addAPT(e, repoFolderAPT, id+".sources", generated([]byte(strings.Join(lines, "\n")+"\n"), 0o644))
	host := ""
	if u, err := url.Parse(e.BaseURL.Value); err == nil {
		host = u.Hostname()
	}
	if s.pin(e, id, fmt.Sprintf("origin %q", host)) {
		own = append(own, e.word("--pin="+id+"="+host))
	}
	return own
}

// addAPT is add, for files that a script has to put into place where they are
// for the build only.
func (s *repoSetup) addAPT(e repoEntry, folder, file string, src Source) {
	s.add(e, folder, file, src)
	if !e.keep() {
		s.mountedWords = []Word{e.word("--mounted")}
	}
}

// fileAPT plans a repository file of the project.
func (s *repoSetup) fileAPT(e repoEntry) {
	if strings.HasSuffix(e.File.Value, ".repo") {
		s.notSupported(e, "name a file that ends in .sources or .list, which apt reads")
		return
	}
	if len(e.IncludePackages)+len(e.ExcludePackages) > 0 {
		s.notSupported(e, "what is taken from a repository can be said in an entry with name, baseurl and suite")
		return
	}
	text, src, ok := s.fileText(e.File, e.where+".file")
	if !ok {
		return
	}
	where := e.where + ".file"
	name := path.Base(e.File.Value)
	suffix := path.Ext(name)
	stem := cmp.Or(strings.TrimLeft(repofile.FileName(strings.TrimSuffix(name, suffix)), "."), "site")
	if wanted := stem + suffix; wanted != name {
		s.problem(e.File.Pos, "invalid-value", where, fmt.Sprintf("call it %q", wanted),
			"apt passes over a file with the name %q", name)
		return
	}
	entries := repofile.Entries(name, text)
	if !slices.ContainsFunc(entries, repofile.Entry.Binary) {
		s.problem(e.File.Pos, "invalid-value", where, "as it is described in sources.list(5)",
			"%q describes no repository of packages that can be installed", e.File.Value)
	}
	for _, o := range repofile.Unchecked(entries) {
		s.problem(diag.Pos{File: e.File.Name(), Line: o.Line, Col: 1}, "unchecked-packages", where,
			"take that out, and name the key in Signed-By", "the repository does not check its signature: %s is %q", o.Name, o.Value)
	}
	s.addAPT(e, repoFolderAPT, name, src)
}

// debian plans a part of Debian: it is where the base's own parts are.
func (s *repoSetup) debian(e repoEntry) []Word {
	name := e.Known.Value
	switch major := s.distro.Major(); {
	case s.distro.ID != "debian":
		s.notSupported(e, "that is a part of Debian; describe the repository in an entry with name, baseurl and suite")
		return nil
	case name == "non-free-firmware" && major > 0 && major < 12:
		s.notSupported(e, "before Debian 12, firmware is in non-free")
		return nil
	case name == "backports" && major == 0:
		s.notSupported(e, "a release that goes on changing has no backports")
		return nil
	case name == "backports":
		s.pin(e, name, "release n=*-backports")
	default:
		s.pin(e, name, "release o=Debian,c="+name)
	}
	if e.keep() {
		s.inImage = append(s.inImage, e.word(name))
	}
	return []Word{e.word("--debian=" + name)}
}

// pin writes what the recipe says of what is taken from a repository, as
// apt_preferences(5) has it: there, the highest number wins, and 500 is what a
// repository has of which nothing is said. It reports whether there is any.
func (s *repoSetup) pin(e repoEntry, id, which string) bool {
	const usual, never = 500, -1
	number := usual
	if n, err := strconv.Atoi(e.Priority.Value); err == nil {
		number += 4 * (99 - n) // below 1000, where packages are downgraded
	}
	var text []string
	add := func(packages string, priority int) {
		text = append(text, fmt.Sprintf("Package: %s\nPin: %s\nPin-Priority: %d\n", packages, which, priority))
	}
	names := func(values []recipe.String) string { return joined(values, " ") }
	if len(e.ExcludePackages) > 0 {
		add(names(e.ExcludePackages), never)
	}
	switch {
	case len(e.IncludePackages) > 0:
		add(names(e.IncludePackages), number)
		add("*", never)
	case e.Priority.IsSet():
		add("*", number)
	}
	if len(text) > 0 {
		s.addAPT(e, pinFolderAPT, "bootkiln-"+id+".pref", generated([]byte(strings.Join(text, "\n")), 0o644))
	}
	return len(text) > 0
}

// onlyNames reports what a pin of apt's would match no package with.
func (s *repoSetup) onlyNames(where string, values []recipe.String) {
	for i, v := range values {
		if name, _, more := strings.Cut(v.Value, "="); more {
			s.problem(v.Pos, "invalid-value", fmt.Sprintf("%s[%d]", where, i), fmt.Sprintf("write %q, which means all of its versions", name),
				"%q: apt takes or leaves out packages by name, whatever their version", v.Value)
		}
	}
}
