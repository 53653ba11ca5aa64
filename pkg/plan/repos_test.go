package plan_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// problemsOf plans a recipe for a distribution, and returns the problems with
// their hints.
func problemsOf(t *testing.T, distro, text string) []string {
	t.Helper()
	project := fstest.MapFS{
		"recipe.yaml":       {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: " + distro + "}\n" + text)},
		"keys/ok.asc":       {Data: []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")},
		"keys/private.asc":  {Data: []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n")},
		"keys/binary.gpg":   {Data: []byte("\x99\x01")},
		"repos/ok.repo":     {Data: []byte("[a]\nbaseurl=x\ngpgcheck = 1\nexcludepkgs=b\n")},
		"repos/off.repo":    {Data: []byte("# gpgcheck=1\n[a]\nbaseurl=x\n\n[b]\nbaseurl=y\ngpgcheck=0\n")},
		"repos/newer.repo":  {Data: []byte("[a]\nbaseurl=x\ngpgcheck=1\npkg_gpgcheck=0\n[b]\nbaseurl=x\ngpgcheck=1\npkg_gpgcheck=True\n")},
		"other/ok.repo":     {Data: []byte("[c]\nbaseurl=x\ngpgcheck=1\n")},
		"other/ok.sources":  {Data: []byte("Types: deb\nURIs: y\n")},
		"repos/none.repo":   {Data: []byte("baseurl=x\n")},
		"repos/ok.sources":  {Data: []byte("Types: deb\nURIs: x\n")},
		"repos/off.sources": {Data: []byte("Types: deb\nTrusted:\n# or not\n true\n\nAllow-Insecure: on\nSuites: x\n")},
		"repos/off.list":    {Data: []byte("# [trusted=yes]\ndeb [ trusted=1 ] https://example.com/ ./\ndeb [trusted=no] https://example.com/ ./\n")},
		"repos/my x.list":   {Data: []byte("deb https://example.com/ ./\n")},
		"repos/.sources":    {Data: []byte("Types: deb\n")},
		"repos/source.list": {Data: []byte("deb-src https://example.com/ ./\n")},
		"a.rpm":             {Data: []byte("x")},
		"other/a.rpm":       {Data: []byte("x")},
		"a.deb":             {Data: []byte("x")},
	}
	_, problems, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project, Platform: "linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range problems {
		line := strings.TrimPrefix(d.String(), "recipe.yaml:")
		if d.Hint != "" {
			line += "; " + d.Hint
		}
		got = append(got, line)
	}
	return got
}

func TestRepositoryProblems(t *testing.T) {
	t.Parallel()
	const vendor = "{name: v, baseurl: \"https://example.com/\", gpgkey: keys/ok.asc"
	for name, test := range map[string]struct {
		distro, recipe string
		want           []string
	}{
		"Fedora needs no EPEL": {"fedora-43", "repos: [epel, crb, compose]\n", []string{
			`4:9: the repository "epel" is not supported on fedora 43 (not-supported); it is not needed on Fedora: its packages are in the distribution`,
			`4:15: the repository "crb" is not supported on fedora 43 (not-supported); it is not needed on Fedora: its packages are in the distribution`,
			`4:20: the repository "compose" is not supported on fedora 43 (not-supported); it is for CentOS Stream 9 and 10, whose images are made from composes; leave it out here`,
		}},
		"no composes of AlmaLinux": {"almalinux-10", "repos: [compose]\n", []string{
			`4:9: the repository "compose" is not supported on almalinux 10 (not-supported); it is for CentOS Stream 9 and 10, whose images are made from composes; leave it out here`,
		}},
		"RPM Fusion without EPEL": {"centos-10", "repos: [rpmfusion-free]\n", []string{
			`4:9: the repository "rpmfusion-free" needs epel (missing-key); add epel to repos`,
		}},
		"RHEL keeps no CRB": {"rhel-9", "repos: [{repo: crb, keep: true}]\n", []string{
			`4:27: the repositories of RHEL belong to the subscription of a machine, and an image cannot keep them (not-supported); remove it; on the booted system, use subscription-manager repos --enable`,
		}},
		"kept and restricted": {"centos-10", "repos: [{repo: epel, keep: true, priority: 90}]\n", []string{
			`4:44: what is taken from "epel" cannot be said where the image keeps it (not-supported); describe the repository in an entry with name and baseurl`,
		}},
		"of dnf on Debian": {"debian-12", "repos: [epel, rpmfusion-free, {copr: a/b}, {file: repos/ok.repo}]\n", []string{
			`4:9: the repository "epel" is not supported on debian 12 (not-supported); it is for the family of Enterprise Linux; on Debian there are contrib, non-free, non-free-firmware and backports`,
			`4:15: the repository "rpmfusion-free" is not supported on debian 12 (not-supported); what it has is in contrib and non-free here`,
			`4:38: the repository "a/b" is not supported on debian 12 (not-supported); COPR has packages for dnf; name a repository for apt`,
			`4:51: the repository "repos/ok.repo" is not supported on debian 12 (not-supported); name a file that ends in .sources or .list, which apt reads`,
		}},
		"of apt on CentOS": {"centos-9", "repos: [contrib, " + vendor + ", suite: stable}, {file: repos/ok.sources}]\n", []string{
			`4:9: the repository "contrib" is not supported on centos 9 (not-supported); that is a part of Debian; here there are epel, crb, rpmfusion-free and rpmfusion-nonfree`,
			`4:25: the repository "v" is not supported on centos 9 (not-supported); suite and components are for apt; a repository of dnf has an address only`,
			`4:105: the repository "repos/ok.sources" is not supported on centos 9 (not-supported); name a file that ends in .repo, which dnf reads`,
		}},
		"parts of Debian": {"ubuntu-24", "repos: [contrib]\n", []string{
			`4:9: the repository "contrib" is not supported on ubuntu 24 (not-supported); that is a part of Debian; describe the repository in an entry with name, baseurl and suite`,
		}},
		"firmware before Debian 12": {"debian-11", "repos: [non-free-firmware]\n", []string{
			`4:9: the repository "non-free-firmware" is not supported on debian 11 (not-supported); before Debian 12, firmware is in non-free`,
		}},
		"no suite": {"debian-12", "repos: [" + vendor + "}]\n", []string{
			`4:16: the repository "v" is not supported on debian 12 (not-supported); a repository for apt has a baseurl, a suite and components, as in suite: bookworm`,
		}},
		"keys": {"centos-9", "repos:\n" +
			"  - {name: v, baseurl: \"https://example.com/\", gpgkey: keys/private.asc}\n" +
			"  - {name: w, baseurl: \"https://example.com/\", gpgkey: keys/binary.gpg}\n", []string{
			`5:56: "keys/private.asc" is a private key (invalid-value); export the public one, as with gpg --armor --export`,
			`6:56: "keys/binary.gpg" is no key that dnf can read: it has no line "-----BEGIN PGP PUBLIC KEY BLOCK-----" (invalid-value); convert it, as with gpg --enarmor`,
		}},
		"unchecked files of dnf": {"centos-9", "repos:\n  - {file: repos/ok.repo, excludepkgs: [c]}\n  - {file: repos/off.repo}\n  - {file: repos/none.repo}\n", []string{
			`5:41: excludepkgs is also in the file (repos/ok.repo:4:1) (conflict); say it in one of them`,
			`7:12: "repos/none.repo" describes no repository (invalid-value); a repository begins with its ID, as in [site]`,
			`repos/off.repo:2:1: the repository "a" does not say to check the signatures of its packages (unchecked-packages); write gpgcheck=1, and gpgkey with the address of the key`,
			`repos/off.repo:7:1: the repository "b" does not check the signatures of its packages (unchecked-packages); write gpgcheck=1, and gpgkey with the address of the key`,
		}},
		"unchecked by its newer name": {"fedora-43", "repos: [{file: repos/newer.repo}]\n", []string{
			`repos/newer.repo:4:1: the repository "a" does not check the signatures of its packages with DNF 5 (unchecked-packages); take it out: gpgcheck=1 says the same to every DNF`,
		}},
		"the same file of dnf": {"centos-9", "repos:\n" +
			"  - {file: repos/ok.repo}\n" +
			"  - {file: other/ok.repo}\n" +
			"  - {name: ok, baseurl: \"https://example.com/\", gpgkey: keys/ok.asc}\n" +
			"  - {name: \"a:b\", baseurl: \"https://example.com/\", gpgkey: keys/ok.asc}\n" +
			"  - {name: a_b, baseurl: \"https://example.com/2\", gpgkey: keys/ok.asc}\n" +
			"  - {name: \"b:c\", baseurl: \"https://example.com/\", gpgkey: keys/ok.asc, keep: true}\n" +
			"  - {name: b_c, baseurl: \"https://example.com/2\", gpgkey: keys/ok.asc}\n" +
			"  - {file: repos/ok.repo}\n", []string{
			`6:12: the repository "other/ok.repo" has the same file, "ok.repo", as "repos/ok.repo" (recipe.yaml:5:12) (conflict); give one of them another name`,
			`7:12: the repository "ok" has the same file, "ok.repo", as "repos/ok.repo" (recipe.yaml:5:12) (conflict); give one of them another name`,
			`9:12: the repository "a_b" has the same file, "RPM-GPG-KEY-a_b.asc", as "a:b" (recipe.yaml:8:12) (conflict); give one of them another name`,
		}},
		"the same file of dnf, kept": {"centos-9", "repos: [{file: repos/ok.repo, keep: true}, {file: other/ok.repo, keep: true}]\n", []string{
			`4:51: the repository "other/ok.repo" has the same file, "ok.repo", as "repos/ok.repo" (recipe.yaml:4:16) (conflict); give one of them another name`,
		}},
		"the same file of apt": {"debian-12", "repos: [{file: repos/ok.sources}, {file: other/ok.sources}]\n", []string{
			`4:42: the repository "other/ok.sources" has the same file, "ok.sources", as "repos/ok.sources" (recipe.yaml:4:16) (conflict); give one of them another name`,
		}},
		"unchecked files of apt": {"debian-12", "repos:\n  - {file: repos/off.sources}\n  - {file: repos/off.list}\n", []string{
			`repos/off.list:2:1: the repository does not check its signature: trusted is "1" (unchecked-packages); take that out, and name the key in Signed-By`,
			`repos/off.sources:2:1: the repository does not check its signature: trusted is "true" (unchecked-packages); take that out, and name the key in Signed-By`,
			`repos/off.sources:6:1: the repository does not check its signature: allow-insecure is "on" (unchecked-packages); take that out, and name the key in Signed-By`,
		}},
		"files that apt does not read": {"debian-12", "repos:\n  - {file: repos/my x.list}\n  - {file: repos/.sources}\n  - {file: repos/source.list}\n", []string{
			`5:12: apt passes over a file with the name "my x.list" (invalid-value); call it "my_x.list"`,
			`6:12: apt passes over a file with the name ".sources" (invalid-value); call it "site.sources"`,
			`7:12: "repos/source.list" describes no repository of packages that can be installed (invalid-value); as it is described in sources.list(5)`,
		}},
		"versions in pins": {"debian-12", "packages: {exclude: [a, b=1.0]}\nrepos: [" + vendor + ", suite: ./, includepkgs: [c=1], excludepkgs: [d, e=2]}]\n", []string{
			`4:25: "b=1.0": apt takes or leaves out packages by name, whatever their version (invalid-value); write "b", which means all of its versions`,
			`5:98: "c=1": apt takes or leaves out packages by name, whatever their version (invalid-value); write "c", which means all of its versions`,
			`5:121: "e=2": apt takes or leaves out packages by name, whatever their version (invalid-value); write "e", which means all of its versions`,
		}},
		"package files": {"centos-9", "packages:\n  install: [./a.rpm, ./other/a.rpm, ./a.deb]\n", []string{
			`5:22: the package file "a.rpm" is there already (recipe.yaml:5:13) (conflict); take out one of them`,
			`5:37: "./a.deb" is no package of dnf, which the base has (not-supported); name a file that ends in .rpm`,
		}},
		"groups of apt": {"debian-12", "packages: {groups: [task-kde-desktop, \"KDE Plasma\"]}\n", []string{
			`4:39: "KDE Plasma": apt-get has no package groups; what Debian has are tasks, as in "task-kde-desktop" (not-supported)`,
		}},
		"certificates on CentOS": {"centos-9", "secrets: [{id: rhsm, env: A}]\n", []string{
			`4:16: secret "rhsm" is used by no step under run (unused-secret); name it in the secrets of the step that needs it`,
		}},
		"certificates on RHEL": {"rhel-9", "packages: {install: [a]}\nsecrets: [{id: rhsm, env: A}]\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, problemsOf(t, test.distro, test.recipe)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
