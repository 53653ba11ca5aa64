package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Where the image gets the repositories that it keeps, and their keys.
const (
	repoFolderDNF = "/etc/yum.repos.d/"
	keyFolderDNF  = "/etc/pki/rpm-gpg/"
)

// foldersDNF returns the folders where the image's DNF looks for repositories
// unless it is told otherwise ("reposdir" in libdnf's and libdnf5's ConfigMain).
func (s *repoSetup) foldersDNF(separator string) string {
	folders := []string{"/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d"}
	if s.manager.Name() == (dnf5{}).Name() {
		folders = []string{"/etc/yum.repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d"}
	}
	return strings.Join(folders, separator)
}

// useFolderDNF lets dnf read repoFolder beside the folders of the image.
func (s *repoSetup) useFolderDNF() string {
	return "--setopt=reposdir=" + s.foldersDNF(",") + "," + repoFolder
}

// dnf plans the repositories for DNF: what is written out here first, since it
// may replace what the rest needs; then what the base or a package has, in the
// order in which one needs the other.
func (s *repoSetup) dnf() {
	for _, e := range s.entries {
		if !e.keep() {
			s.buildKeys = s.foldersDNF(":")
		}
		switch {
		case e.Copr.IsSet():
			s.copr(e)
		case e.Name.IsSet():
			s.describedDNF(e)
		case e.File.IsSet():
			s.fileDNF(e)
		case e.Known.Value == "compose":
			s.compose(e)
		case slices.Contains(debianWords, e.Known.Value):
			s.notSupported(e, "that is a part of Debian; here there are epel, crb, rpmfusion-free and rpmfusion-nonfree")
		}
	}
	if e, ok := s.known("crb"); ok {
		s.crb(e)
	}
	if e, ok := s.known("epel"); ok {
		s.epel(e)
	}
	for _, kind := range []string{"free", "nonfree"} {
		if e, ok := s.known("rpmfusion-" + kind); ok {
			s.rpmFusion(e, kind)
		}
	}
	s.endReleases()
}

// addRepo writes a repository file of one section.
func (s *repoSetup) addRepo(e repoEntry, file, id, title string, lines ...string) {
	all := append([]string{"[" + id + "]", "name=" + title}, lines...)
	all = append(all, "gpgcheck=1", "enabled=1")
	all = append(all, restrictions(e)...)
	s.addRepoFile(e, file+".repo", generated([]byte(strings.Join(all, "\n")+"\n"), 0o644))
}

func (s *repoSetup) addRepoFile(e repoEntry, file string, src Source) {
	first := len(s.mounted) == 0 || !slices.ContainsFunc(s.words, func(w Word) bool { return w.Value == s.useFolderDNF() })
	s.add(e, repoFolderDNF, file, src)
	if first && !e.keep() {
		s.words = append(s.words, e.word(s.useFolderDNF()))
	}
}

// restrictions are the lines of a repository file that say what is taken from
// the repository.
func restrictions(e repoEntry) []string {
	var lines []string
	for _, o := range options(e) {
		lines = append(lines, o.Value)
	}
	return lines
}

// options are what the recipe says of what is taken from a repository, as
// dnf.conf(5) writes it.
func options(e repoEntry) []Word {
	var list []Word
	if e.Priority.IsSet() {
		list = append(list, Word{Value: "priority=" + e.Priority.Value, Origin: e.Priority.Pos})
	}
	for _, o := range []struct {
		key    string
		values []recipe.String
	}{{"includepkgs", e.IncludePackages}, {"excludepkgs", e.ExcludePackages}} {
		if len(o.values) > 0 {
			list = append(list, Word{Value: o.key + "=" + joined(o.values, ","), Origin: o.values[0].Pos})
		}
	}
	return list
}

func joined(values []recipe.String, separator string) string {
	var list []string
	for _, v := range values {
		list = append(list, v.Value)
	}
	return strings.Join(list, separator)
}

// describedDNF plans a repository that the recipe describes.
func (s *repoSetup) describedDNF(e repoEntry) {
	id := e.Name.Value
	if e.Suite.IsSet() || len(e.Components) > 0 {
		s.notSupported(e, "suite and components are for apt; a repository of "+s.manager.Name()+" has an address only")
		return
	}
	key := s.key(e, keyFolderDNF, "RPM-GPG-KEY-"+mountable(id), true)
	if strings.HasPrefix(key, "/") {
		key = "file://" + key
	}
	var lines []string
	for _, at := range []struct{ key, value string }{
		{"baseurl", e.BaseURL.Value}, {"metalink", e.Metalink.Value}, {"mirrorlist", e.Mirrorlist.Value}, {"gpgkey", key},
	} {
		if at.value != "" {
			lines = append(lines, at.key+"="+at.value)
		}
	}
	s.addRepo(e, mountable(id), id, id, lines...)
}

// copr plans a project of COPR, as "dnf copr enable" would write it; but the
// build fails where the project cannot be read, instead of going on without.
func (s *repoSetup) copr(e repoEntry) {
	const hub = "copr.fedorainfracloud.org"
	owner, project, _ := strings.Cut(e.Copr.Value, "/")
	chroot := s.chroot() + "-$basearch"
	if e.Chroot.IsSet() {
		chroot = e.Chroot.Value
	}
	// A group is "@name" in addresses, and "group_name" elsewhere.
	id := strings.Join([]string{"copr", hub, strings.Replace(owner, "@", "group_", 1), project}, ":")
	results := "https://download." + hub + "/results/" + owner + "/" + project + "/"
	s.addRepo(e, "_"+id, id, fmt.Sprintf("Copr repo for %s owned by %s", project, owner),
		"baseurl="+results+chroot+"/",
		"type=rpm-md",
		"skip_if_unavailable=0",
		"gpgkey="+results+"pubkey.gpg",
		"repo_gpgcheck=0",
		"enabled_metadata=1",
	)
}

// chroot is the one of COPR that is named like the distribution, without its
// architecture.
func (s *repoSetup) chroot() string {
	if s.isEnterprise() {
		return fmt.Sprintf("epel-%d", s.distro.Major())
	}
	return "fedora-$releasever"
}

func (s *repoSetup) isEnterprise() bool { return s.distro.Is(enterprise...) }

// fileDNF plans a repository file of the project.
func (s *repoSetup) fileDNF(e repoEntry) {
	if !strings.HasSuffix(e.File.Value, ".repo") {
		s.notSupported(e, "name a file that ends in .repo, which "+s.manager.Name()+" reads")
		return
	}
	text, src, ok := s.fileText(e.File, e.where+".file")
	if !ok {
		return
	}
	s.checkRepoFile(e, text)
	if extra := restrictions(e); len(extra) > 0 {
		src = generated(insertInSections(text, extra), 0o644)
	}
	s.addRepoFile(e, path.Base(e.File.Value), src)
}
