package plan

import "strings"

// dnf4 is DNF 4, of the Enterprise Linux family up to 10 and of Fedora before
// 41.
type dnf4 struct{}

// enterprise are the distributions whose version is that of Enterprise Linux.
var enterprise = []string{"rhel", "centos", "almalinux", "rocky"}

func (dnf4) Name() string     { return "dnf" }
func (dnf4) Supports() string { return "CentOS Stream, RHEL, AlmaLinux and Rocky Linux up to 10" }

func (dnf4) Serves(d Distro) bool {
	return d.Is(append([]string{"fedora"}, enterprise...)...) && !(dnf5{}).Serves(d)
}

func (dnf4) Check(name string, optional bool) string { return dnfCheck(name, optional) }

func (dnf4) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "dnf"), Target: "/var/cache/dnf"}}
}

func (dnf4) Install(words []Word) Work { return dnfInstall("dnf", words) }

// InstallOptional relies on --skip-broken, which in DNF 4 also leaves out what
// no repository has, and still fails where a repository cannot be read.
func (dnf4) InstallOptional(words []Word) Work { return dnfOptional("dnf", words, "--skip-broken") }

func (dnf4) Remove(words []Word) Work { return dnfRemove("dnf", words) }

func (dnf4) Locale(l localeWords) (needed, wanted []Word) { return dnfLocale(l) }

// dnfKeep keeps downloaded packages in the mounted cache.
const dnfKeep = "--setopt=keepcache=True"

func dnfInstall(program string, words []Word) Work {
	return Work{Commands: []Command{{Args: []string{program, "-y", dnfKeep, "install"}, Words: words}}}
}

func dnfOptional(program string, words []Word, skip ...string) Work {
	return Work{
		Scripts: []string{"rpm-installed.sh", "optional-dnf.sh"},
		Commands: []Command{
			{Args: append([]string{program, "-y", dnfKeep, "install"}, skip...), Words: words},
			scriptCommand("optional-dnf.sh", words),
		},
	}
}

func dnfRemove(program string, words []Word) Work {
	return Work{
		Scripts:  []string{"rpm-installed.sh", "remove-dnf.sh"},
		Commands: []Command{scriptCommand("remove-dnf.sh", words, program)},
	}
}

func dnfCheck(name string, optional bool) string {
	switch {
	case strings.HasPrefix(name, "-"):
		return "a package name does not start with \"-\""
	case optional && strings.HasPrefix(name, "@"):
		return "a group cannot be optional: whether it is installed cannot be asked"
	}
	return ""
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
