package plan

import (
	"slices"
	"strings"
	"unicode"
)

// dnf5 is DNF 5, of Fedora since 41 and of Enterprise Linux after 10.
type dnf5 struct{ terms Terms }

func (dnf5) Name() string     { return "dnf5" }
func (dnf5) Supports() string { return "Fedora" }

func (dnf5) Serves(d Distro) bool {
	if d.Is(enterprise...) {
		return d.Major() > 10
	}
	return d.Is("fedora") && d.Major() >= 41
}

func (dnf5) Check(string) string         { return "" }
func (dnf5) CheckGroup(string) string    { return "" }
func (dnf5) PackageFile() string         { return ".rpm" }
func (dnf5) With(t Terms) PackageManager { return dnf5{t} }

func (dnf5) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "dnf5"), Target: "/var/cache/libdnf5"}}
}

// Install looks the names of groups up first: DNF 5 installs groups by their
// IDs only, which have neither blanks nor capitals.
func (m dnf5) Install(words []Word) Work {
	c := dnfInstall("dnf5", m.terms, words)
	if !slices.ContainsFunc(words, func(w Word) bool {
		return strings.HasPrefix(w.Value, "@") && strings.ContainsFunc(w.Value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsUpper(r) })
	}) {
		return Work{Commands: []Command{c}}
	}
	c.Args = append([]string{"/bin/bash", scriptTarget("groups-dnf5.sh")}, c.Args...)
	return Work{Scripts: []string{"groups-dnf5.sh"}, Commands: []Command{c}}
}

func (m dnf5) InstallOptional(words []Word) Work {
	return dnfOptional("dnf5", m.terms, words, "--skip-unavailable", "--skip-broken")
}

func (dnf5) Remove(words []Word) Work { return dnfRemove("dnf5", words) }

func (dnf5) Lock(words []Word) Work {
	return Work{
		Scripts:  []string{"rpm-installed.sh", "problem.sh", "lock-dnf5.sh"},
		Commands: []Command{scriptCommand("lock-dnf5.sh", words, "/etc/dnf/versionlock.toml")},
		Local:    true,
	}
}

func (dnf5) Repos(s *repoSetup) { s.dnf() }

func (dnf5) Locale(l localeWords) (needed, wanted []Word) { return dnfLocale(l) }
