package plan

import (
	"slices"
	"strings"
)

// dnf4 is DNF 4, of the Enterprise Linux family up to 10 and of Fedora before
// 41.
type dnf4 struct{ terms Terms }

// enterprise are the distributions whose version is that of Enterprise Linux.
var enterprise = []string{"rhel", "centos", "almalinux", "rocky"}

func (dnf4) Name() string     { return "dnf" }
func (dnf4) Supports() string { return "CentOS Stream, RHEL, AlmaLinux and Rocky Linux up to 10" }

func (dnf4) Serves(d Distro) bool {
	return d.Is(append([]string{"fedora"}, enterprise...)...) && !(dnf5{}).Serves(d)
}

func (dnf4) Check(string) string         { return "" }
func (dnf4) CheckGroup(string) string    { return "" }
func (dnf4) PackageFile() string         { return ".rpm" }
func (dnf4) With(t Terms) PackageManager { return dnf4{t} }

func (dnf4) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "dnf"), Target: "/var/cache/dnf"}}
}

func (m dnf4) Install(words []Word) Work {
	return Work{Commands: []Command{dnfInstall("dnf", m.terms, words)}}
}

// InstallOptional relies on --skip-broken, which in DNF 4 also leaves out what
// no repository has, and still fails where a repository cannot be read.
func (m dnf4) InstallOptional(words []Word) Work {
	return dnfOptional("dnf", m.terms, words, "--skip-broken")
}

func (dnf4) Remove(words []Word) Work { return dnfRemove("dnf", words) }

// Lock writes the file of a plugin that not every image has.
func (m dnf4) Lock(words []Word) Work {
	plugin := dnfInstall("dnf", m.terms, nil)
	return Work{
		Scripts: []string{"rpm-installed.sh", "problem.sh", "lock-dnf4.sh"},
		Commands: []Command{
			{Args: append([]string{"/bin/bash", scriptTarget("lock-dnf4.sh"), "plugin"}, plugin.Args...), Words: plugin.Words},
			scriptCommand("lock-dnf4.sh", words, "list", "/etc/dnf/plugins/versionlock.list"),
		},
	}
}

func (dnf4) Repos(s *repoSetup) { s.dnf() }

func (dnf4) Locale(l localeWords) (needed, wanted []Word) { return dnfLocale(l) }

// dnfKeep keeps downloaded packages in the mounted cache.
const dnfKeep = "--setopt=keepcache=True"

// dnfInstall is the command that installs words. Both generations of DNF take
// options after the command, where they can be the recipe's words.
func dnfInstall(program string, t Terms, words []Word, options ...string) Command {
	args := []string{program, "-y", dnfKeep}
	if weak := map[string]string{"true": "True", "false": "False"}[t.WeakDeps]; weak != "" {
		args = append(args, "--setopt=install_weak_deps="+weak)
	}
	if slices.ContainsFunc(words, isPackageFile) {
		// The recipe vouches for package files: by having them in the project,
		// or by their digest. What they need is checked like everything else.
		args = append(args, "--setopt=localpkg_gpgcheck=False")
	}
	list := slices.Clone(t.Repos)
	for _, w := range t.Exclude {
		list = append(list, Word{Value: "--exclude=" + w.Value, Origin: w.Origin})
	}
	return Command{Args: append(append(args, "install"), options...), Words: append(list, words...)}
}

func dnfOptional(program string, t Terms, words []Word, skip ...string) Work {
	return Work{
		Scripts: []string{"rpm-installed.sh", "optional-dnf.sh"},
		Commands: []Command{
			dnfInstall(program, t, words, skip...),
			scriptCommand("optional-dnf.sh", words),
		},
	}
}

func dnfRemove(program string, words []Word) Work {
	return Work{
		Scripts:  []string{"rpm-installed.sh", "remove-dnf.sh"},
		Commands: []Command{scriptCommand("remove-dnf.sh", words, program)},
		Local:    true,
	}
}

// langpacks are the languages whose langpacks package is named by language and
// territory.
var langpacks = map[string]bool{"zh_CN": true, "zh_TW": true, "zh_HK": true, "pt_BR": true, "en_GB": true}

func dnfLocale(l localeWords) (needed, wanted []Word) {
	for _, w := range l.languages {
		name, _, _ := strings.Cut(w.Value, ".")
		name, _, _ = strings.Cut(name, "@")
		language, _, _ := strings.Cut(name, "_")
		if language == "C" || language == "POSIX" {
			continue // built into the C library
		}
		needed = append(needed, Word{Value: "glibc-langpack-" + language, Origin: w.Origin})
		if !langpacks[name] {
			name = language
		}
		wanted = append(wanted, Word{Value: "langpacks-" + name, Origin: w.Origin})
	}
	if l.keymap != nil {
		needed = append(needed, fixed(l.keymap.Origin, "kbd")...)
	}
	if l.timezone != nil {
		needed = append(needed, fixed(l.timezone.Origin, "tzdata")...)
	}
	return unique(needed), unique(wanted)
}
