package plan

import (
	"fmt"
	"strings"
)

// What the repositories that are known by name are on the distributions of
// DNF.

// transaction is a command that installs words with what is set up so far.
func (s *repoSetup) transaction(words []Word, options ...string) Command {
	return dnfInstall(s.manager.Name(), s.terms(), words, options...)
}

// release installs a package that brings repositories, after the commands
// before it. All of them are disabled again at the end of the step, but for
// those that match keep, where the recipe keeps them. Then those with the IDs
// are enabled, also where the base has the package already and disabled them.
func (s *repoSetup) release(e repoEntry, keep string, ids []string, before []Command, install Command, after ...Command) {
	if !s.releasing {
		s.releasing = true
		s.sections("save", nil)
	}
	s.prepare = append(append(append(s.prepare, before...), install), after...)
	s.inImage = append(s.inImage, e.word(e.Known.Value))
	if e.keep() {
		s.stay = append(s.stay, e.word(keep))
		s.main = append(s.main, fixed(e.what().Pos, ids...)...)
	}
	s.use(e, ids...)
}

// sections lets the script of that name work on the image's own repositories.
func (s *repoSetup) sections(what string, words []Word) {
	const script = "repo-sections.sh"
	s.scripts = append(s.scripts, script)
	s.prepare = append(s.prepare, scriptCommand(script, words, what, s.foldersDNF(":")))
}

// endReleases disables what the packages enabled, and returns what was borrowed.
func (s *repoSetup) endReleases() {
	if s.releasing {
		s.sections("restore", s.stay)
	}
	if len(s.main) > 0 {
		s.sections("enable", s.main)
	}
	s.prepare = append(s.prepare, s.borrowed...)
}

// use enables repositories that the image has, for the transactions of the
// build, with what the recipe says of them.
func (s *repoSetup) use(e repoEntry, ids ...string) {
	for _, id := range ids {
		if !e.keep() {
			s.words = append(s.words, e.word("--enablerepo="+id))
		}
		for _, o := range options(e) {
			if e.keep() {
				s.problem(o.Origin, "not-supported", e.where, "describe the repository in an entry with name and baseurl",
					"what is taken from %q cannot be said where the image keeps it", e.Known.Value)
				return
			}
			o.Value = "--setopt=" + id + "." + o.Value
			s.words = append(s.words, o)
		}
	}
}

// epel plans Extra Packages for Enterprise Linux.
func (s *repoSetup) epel(e repoEntry) {
	if !s.isEnterprise() {
		s.notSupported(e, "it is not needed on Fedora: its packages are in the distribution")
		return
	}
	var before, after []Command
	install := s.transaction([]Word{e.word("epel-release")})
	switch {
	case s.distro.Is("rhel") && s.distro.ID != "centos" && s.distro.ID != "almalinux" && s.distro.ID != "rocky":
		// RHEL has no such package. EPEL publishes its own, and the key.
		const at = "https://dl.fedoraproject.org/pub/epel/"
		before = []Command{{Args: []string{"rpmkeys", "--import", fmt.Sprintf("%sRPM-GPG-KEY-EPEL-%d", at, s.distro.Major())}}}
		install = s.transaction([]Word{e.word(fmt.Sprintf("%sepel-release-latest-%d.noarch.rpm", at, s.distro.Major()))}, "--setopt=localpkg_gpgcheck=True")
	case s.distro.ID == "almalinux":
		upgrade := s.transaction(nil)
		upgrade.Args[len(upgrade.Args)-1] = "upgrade"
		s.scripts = append(s.scripts, "epel-upgrade.sh")
		after = []Command{{Args: append([]string{"/bin/bash", scriptTarget("epel-upgrade.sh")}, upgrade.Args...), Words: upgrade.Words}}
	}
	s.release(e, "epel*", []string{"epel"}, before, install, after...)
}

// crb plans CodeReady Builder, which the base has, disabled.
func (s *repoSetup) crb(e repoEntry) {
	id := "crb"
	switch major := s.distro.Major(); {
	case !s.isEnterprise():
		s.notSupported(e, "it is not needed on Fedora: its packages are in the distribution")
		return
	case s.distro.ID == "rhel":
		if e.keep() {
			s.problem(e.Keep.Pos, "not-supported", e.where+".keep", "remove it; on the booted system, use subscription-manager repos --enable",
				"the repositories of RHEL belong to the subscription of a machine, and an image cannot keep them")
			return
		}
		id = fmt.Sprintf("codeready-builder-for-rhel-%d-%s-rpms", major, s.arch())
	case major == 8:
		id = "powertools"
	}
	if e.keep() {
		s.sections("enable", []Word{e.word(id)})
		s.inImage = append(s.inImage, e.word(e.Known.Value))
	}
	s.use(e, id)
}

// arch is the architecture of the image in the words of RPM.
func (s *repoSetup) arch() string {
	arch := s.plan.Base.Architecture
	if arch == "" {
		arch = strings.TrimPrefix(s.o.Platform, "linux/")
	}
	if name := rpmArch[arch]; name != "" {
		return name
	}
	return arch
}

// rpmArch maps OCI architectures to RPM's, where they differ.
var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// rpmFusion plans a half of RPM Fusion, which is one of other things on Fedora
// than on Enterprise Linux. Its key comes in a package of the distribution, so
// the first package of RPM Fusion's can be checked too.
func (s *repoSetup) rpmFusion(e repoEntry, kind string) {
	name := "rpmfusion-" + kind
	family, address, ids := "fedora", "https://download1.rpmfusion.org/", []string{name, name + "-updates"}
	if s.isEnterprise() {
		if _, ok := s.known("epel"); !ok {
			s.problem(e.Known.Pos, "missing-key", e.where, "add epel to repos", "the repository %q needs epel", e.Known.Value)
			return
		}
		family, address, ids = "el", "https://mirrors.rpmfusion.org/", []string{name + "-updates"}
	}
	key := fmt.Sprintf("/usr/share/distribution-gpg-keys/rpmfusion/RPM-GPG-KEY-%s-%s-%d", name, family, s.distro.Major())
	url := fmt.Sprintf("%s%s/%s/%s-release-%d.noarch.rpm", address, kind, family, name, s.distro.Major())
	var before []Command
	if !s.hasKeys {
		s.hasKeys = true
		before = s.borrow(e, "distribution-gpg-keys")
	}
	s.release(e, name+"*", ids, append(before, Command{Args: []string{"rpmkeys", "--import", key}}),
		s.transaction([]Word{e.word(url)}, "--setopt=localpkg_gpgcheck=True"),
	)
}

// composeKeys are the keys of CentOS Stream's composes, by major version, as
// the base has them.
var composeKeys = map[int]string{9: "RPM-GPG-KEY-centosofficial", 10: "RPM-GPG-KEY-centosofficial-SHA256"}

// compose plans the composes that the base was made from, which can be newer
// than what the mirrors have. Kernels that the base does not have stay out.
func (s *repoSetup) compose(e repoEntry) {
	key := composeKeys[s.distro.Major()]
	if s.distro.ID != "centos" || key == "" {
		s.notSupported(e, "it is for CentOS Stream 9 and 10, whose images are made from composes; leave it out here")
		return
	}
	exclude := "exclude=kernel-debug* kernel-uki-virt*"
	var text []string
	for _, part := range []string{"BaseOS", "AppStream"} {
		lines := []string{
			"[compose-" + strings.ToLower(part) + "]",
			"name=CentOS Stream $releasever Compose " + part,
			"baseurl=https://composes.stream.centos.org/stream-$releasever/production/latest-CentOS-Stream/compose/" + part + "/$basearch/os/",
			"gpgkey=file:///etc/pki/rpm-gpg/" + key,
			"gpgcheck=1",
			"enabled=1",
		}
		if !e.Priority.IsSet() {
			lines = append(lines, "priority=1")
		}
		excluded := exclude
		for _, o := range restrictions(e) {
			if rest, ok := strings.CutPrefix(o, "excludepkgs="); ok {
				excluded += " " + strings.ReplaceAll(rest, ",", " ")
				continue
			}
			lines = append(lines, o)
		}
		text = append(text, strings.Join(append(lines, excluded), "\n")+"\n")
	}
	s.addRepoFile(e, "centos-compose.repo", generated([]byte(strings.Join(text, "\n")), 0o644))
}
