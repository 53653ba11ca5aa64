package check

import (
	"strings"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Repositories as CentOS Stream and EPEL configure them, and those of Debian.
const (
	centosRepo = `[baseos]
name=CentOS Stream $releasever - BaseOS
metalink=https://mirrors.centos.org/metalink?repo=centos-baseos-$stream&arch=$basearch
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial
gpgcheck=1
enabled=1

[baseos-debuginfo]
metalink=https://mirrors.centos.org/metalink?repo=centos-baseos-debug-$stream
enabled=0
`
	epelRepo = `[epel]
name=Extra Packages for Enterprise Linux $releasever - $basearch
# baseurl=https://download.example/pub/epel/
metalink=https://mirrors.fedoraproject.org/metalink?repo=epel-$releasever_major&arch=$basearch
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-EPEL-$releasever_major
`
	debianSources = `# of the distribution
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: https://off.example/debian
Suites: x
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb-src
URIs: https://source.example/debian
Suites: x
`
)

// ofDebian changes the good image to one of Debian.
func ofDebian(files fake.Files) fake.Files {
	return fake.Files{"usr/lib/os-release": fake.Text("ID=debian\n"), "etc/yum.repos.d/centos.repo": fake.Text("")}.With(files)
}

// keep are entries of "repos" that keep theirs.
func keep(entries ...recipe.Repo) []recipe.Repo {
	for i := range entries {
		entries[i].Keep = word(1, "true")
	}
	return entries
}

// repoFixtures are those of rule third-party-repos.
var repoFixtures = []fixture{
	{name: "repositories of the distribution", add: fake.Files{
		"etc/dnf/dnf.conf": fake.Text("[main]\ngpgcheck=True\n"), "usr/bin/dnf5": fake.Program(""),
		"etc/yum.repos.d/mirror.repo":      fake.Text("[mirror]\nbaseurl = http://user:pw@mirror.example/a,\n  http://mirror.example/b\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial-SHA256\n"),
		"etc/yum.repos.d/epel.repo":        fake.Text(epelRepo),
		"etc/yum.repos.d/vendor.repo":      fake.Text("[vendor]\nbaseurl=https://rpm.example/\nenabled=1\n"),
		"etc/dnf/repos.override.d/99.repo": fake.Text("[ep*]\nenabled=0\n[vendor]\nbaseurl=https://composes.stream.centos.org/\n"),
		"etc/yum.repos.d/other.repo.bak":   fake.Text("[other]\nbaseurl=https://other.example/\n"),
		"usr/share/dnf5/repos.d/x.repo":    fake.Text("[x]\nbaseurl=https://x.example/\n"),
		"etc/distro.repos.d/x.repo":        fake.Text("[x]\nbaseurl=https://x.example/\nenabled = False\n"),
	}},
	{name: "repositories that the recipe keeps", add: fake.Files{
		"etc/yum.repos.d/epel.repo":   fake.Text(epelRepo),
		"etc/yum.repos.d/site.repo":   fake.Text("[one]\nbaseurl=https://one.example/\n[two]\nbaseurl=https://two.example/\n"),
		"etc/yum.repos.d/vendor.repo": fake.Text("[vendor]\nbaseurl=https://rpm.example/\n"),
		"etc/yum.repos.d/copr.repo":   fake.Text("[copr:copr.fedorainfracloud.org:group_kde:stack]\nbaseurl=https://download.copr.fedorainfracloud.org/results/@kde/stack/epel-10-x86_64/\n"),
	}, repos: keep(recipe.Repo{Known: word(1, "epel")}, recipe.Repo{File: recipe.Path{String: word(1, "repos/site.repo")}},
		recipe.Repo{Name: word(1, "vendor")}, recipe.Repo{Copr: word(1, "@kde/stack")})},
	{name: "repositories of Debian", add: ofDebian(fake.Files{
		"etc/apt/sources.list":                                   fake.Text("deb\t[ arch=amd64 ] http://mirror.example/debian trixie main # own\n# deb https://no.example x y\ndeb-src https://no.example x y\n"),
		"etc/apt/sources.list.d/debian.sources":                  fake.Text(debianSources),
		"etc/apt/sources.list.d/a.list":                          fake.Text("deb [signed-by=/etc/apt/keyrings/v.asc] https://Security.Debian.org:443/x y z\ndeb [broken https://x.example y\n"),
		"etc/apt/trusted.gpg.d/debian-archive-trixie-stable.asc": fake.Text("key"),
	})},
	{name: "repositories of apt that the recipe keeps", add: ofDebian(fake.Files{
		"etc/apt/sources.list.d/a_b.sources":             fake.Text("Types: deb\nURIs: https://vendor.example/\nSuites: ./\nSigned-By: /etc/apt/keyrings/a_b.asc\n"),
		"etc/apt/sources.list.d/bootkiln-debian.sources": fake.Text("Types: deb\nURIs: https://mirror.example/\nSuites: trixie\nComponents: contrib\nSigned-By: /srv/key.asc\n"),
	}), repos: keep(recipe.Repo{Name: word(1, "a:b")}, recipe.Repo{Known: word(1, "contrib")})},
	{name: "a distribution of its own making", add: fake.Files{
		"usr/lib/os-release":           fake.Text("ID=kilnos\nID_LIKE=\"mine fedora\"\n"),
		"etc/yum.repos.d/fedora.repo":  fake.Text("[fedora]\nmetalink=https://mirrors.fedoraproject.org/metalink\n"),
		"etc/yum.repos.d/centos.repo":  fake.Text(""),
		"etc/yum.repos.d/strange.repo": fake.Text(" x\nkey=value\n[unclosed\n[]\nno key\n"),
	}},

	{
		rule: "third-party-repos", name: "dnf4", add: fake.Files{
			"etc/yum.repos.d/epel.repo": fake.Text(epelRepo),
			"etc/yum.repos.d/near.repo": fake.Text("[near]\nbaseurl=https://notcentos.org/\n"),
			"etc/yum.repos.d/vendor.repo": fake.Text("[vendor]\nbaseurl=https://user:secret@rpm.example/el?token=secret\n\thttps://mirrors.centos.org.example/\n" +
				"gpgcheck=0\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial\n[nowhere]\n"),
			"etc/dnf/repos.override.d/99.repo": fake.Text("[*]\nenabled=0\n"), // nobody reads it
			"etc/dnf/dnf.conf":                 fake.Text("[main]\n[inline]\nbaseurl=file:///srv\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial\n"),
		},
		repos: append(keep(recipe.Repo{Known: word(1, "rpmfusion-free")}, recipe.Repo{Copr: word(1, "epel/epel")}),
			recipe.Repo{Known: word(1, "epel")}, recipe.Repo{Name: word(1, "vendor"), Keep: word(1, "false")}),
		want: []string{
			`/etc/dnf/dnf.conf: repository "inline" is enabled, and is not of centos itself: file:///srv`,
			`/etc/yum.repos.d/epel.repo: repository "epel" is enabled, and is not of centos itself: https://mirrors.fedoraproject.org/metalink`,
			`/etc/yum.repos.d/near.repo: repository "near" is enabled, and is not of centos itself: https://notcentos.org/`,
			`/etc/yum.repos.d/vendor.repo: repository "nowhere" is enabled, and is not of centos itself: it says no address`,
			`/etc/yum.repos.d/vendor.repo: repository "vendor" is enabled, and is not of centos itself: https://rpm.example/el https://mirrors.centos.org.example/`,
		},
	},
	{
		rule: "third-party-repos", name: "enabled by an override of dnf5", add: fake.Files{
			"usr/bin/dnf5":                              fake.Program(""),
			"etc/yum.repos.d/vendor.repo":               fake.Text("[vendor]\nbaseurl=https://rpm.example/\nenabled=0\n"),
			"etc/dnf/repos.override.d/10.repo":          fake.Text("[vendor]\nenabled=0\n"),
			"usr/share/dnf5/repos.override.d/20.repo":   fake.Text("[vend?r]\nenabled=1\n"),
			"usr/share/dnf5/repos.override.d/10.repo":   fake.Text("hidden by the one above"),
			"usr/share/dnf5/repos.override.d/readme.md": fake.Text("[*]\nenabled=0\n"),
		},
		want: []string{`/etc/yum.repos.d/vendor.repo: repository "vendor" is enabled, and is not of centos itself: https://rpm.example/`},
	},
	{
		rule: "third-party-repos", name: "apt", add: ofDebian(fake.Files{
			"etc/apt/sources.list":                       fake.Text("deb http://mirror.example/debian trixie main\ndeb [trusted=yes] http://debian.example/ ./\n"),
			"etc/apt/sources.list.d/vendor.sources":      fake.Text(strings.Replace(debianSources, "Enabled: no\n", "", 1)),
			"etc/apt/trusted.gpg.d/debian-archive-a.asc": fake.Text("key"),
			"etc/apt/trusted.gpg.d/vendor.gpg":           fake.Text("key"),
			"etc/apt/sources.list.d/old.list.save":       fake.Text("deb https://no.example x y\n"),
			"etc/apt/sources.list.d/folder.list/sub":     fake.Text(""),
		}),
		want: []string{
			`/etc/apt/sources.list: repository "sources" is enabled, and is not of debian itself: http://debian.example/`,
			`/etc/apt/sources.list: repository "sources" is enabled, and is not of debian itself: http://mirror.example/debian`,
			`/etc/apt/sources.list.d/vendor.sources: repository "vendor" is enabled, and is not of debian itself: https://off.example/debian`,
		},
	},
	{
		rule: "third-party-repos", name: "apt does not check", add: ofDebian(fake.Files{
			"etc/apt/sources.list":                       fake.Text("deb [trusted=yes] http://debian.example/ ./\n"),
			"etc/apt/trusted.gpg.d/debian-archive-a.asc": fake.Text("key"),
		}),
		want: []string{`/etc/apt/sources.list: repository "sources" is enabled, and is not of debian itself: http://debian.example/`},
	},
}
