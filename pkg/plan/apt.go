package plan

import (
	"slices"
	"strings"
)

// apt is apt-get, of Debian and what is made from it.
type apt struct{ terms Terms }

// Commands before any other: apt-get asks nothing, has folders in the cache,
// and learns what there is.
var (
	aptFolders = Command{Args: []string{"mkdir", "-p", "/run/bootkiln/cache/archives/partial", "/run/bootkiln/cache/indexes/partial"}}
	aptUpdate  = Command{Args: []string{"apt-get", "update"}}
)

// aptConfigure lets apt read its part of the configuration from a file that is
// no part of the image.
func aptConfigure(file string) Command {
	return Command{Args: []string{"export", "APT_CONFIG=" + scriptTarget(file), "DEBIAN_FRONTEND=noninteractive"}}
}

func (apt) Name() string         { return "apt-get" }
func (apt) Supports() string     { return "Debian, Ubuntu" }
func (apt) Serves(d Distro) bool { return d.Is("debian", "ubuntu") }

func (apt) Check(name string) string {
	if strings.HasSuffix(name, "-") {
		return "apt-get removes a package whose name ends in \"-\""
	}
	return ""
}

// CheckGroup knows Debian's tasks, which are packages.
func (apt) CheckGroup(name string) string {
	if strings.HasPrefix(name, "task-") {
		return ""
	}
	return "apt-get has no package groups; what Debian has are tasks, as in \"task-kde-desktop\""
}

func (apt) PackageFile() string         { return ".deb" }
func (apt) With(t Terms) PackageManager { return apt{t} }
func (apt) Repos(s *repoSetup)          { s.apt() }

func (apt) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "apt"), Target: "/run/bootkiln/cache"}}
}

// begin is the work before packages can be installed.
func (m apt) begin(scripts ...string) Work {
	own := slices.Clone(m.terms.Repos)
	for _, w := range m.terms.Exclude {
		own = append(own, Word{Value: "--exclude=" + w.Value, Origin: w.Origin})
	}
	if len(own) == 0 {
		return Work{
			Scripts:  append([]string{"apt.conf"}, scripts...),
			Commands: []Command{aptConfigure("apt.conf"), aptFolders, aptUpdate},
		}
	}
	return Work{
		Scripts: slices.Concat([]string{"apt.conf", "apt-repos.conf"}, aptRepoScripts, scripts),
		Commands: []Command{
			aptConfigure("apt-repos.conf"), aptFolders,
			scriptCommand("apt-repos.sh", own, aptBuildFolder), aptUpdate,
		},
	}
}

// recommends is the option about recommended packages.
func (m apt) recommends() string {
	if m.terms.WeakDeps == "true" {
		return "--install-recommends"
	}
	return "--no-install-recommends"
}

func (m apt) Install(words []Word) Work {
	words = slices.Clone(words)
	for i, w := range words {
		words[i].Value = strings.TrimPrefix(w.Value, "@") // a task
	}
	w := m.begin()
	w.Commands = append(w.Commands, Command{Args: []string{"apt-get", "install", "-y", m.recommends(), "--"}, Words: words})
	return w
}

func (m apt) InstallOptional(words []Word) Work {
	w := m.begin("optional-apt.sh")
	w.Commands = append(w.Commands, scriptCommand("optional-apt.sh", words, m.recommends()))
	return w
}

func (apt) Remove(words []Word) Work {
	return Work{
		Scripts:  []string{"apt.conf", "remove-apt.sh"},
		Commands: []Command{aptConfigure("apt.conf"), aptFolders, scriptCommand("remove-apt.sh", words)},
		Local:    true,
	}
}

func (apt) Lock(words []Word) Work {
	return Work{Scripts: []string{"problem.sh", "lock-apt.sh"}, Commands: []Command{scriptCommand("lock-apt.sh", words)}, Local: true}
}

func (apt) Locale(l localeWords) (needed, wanted []Word) {
	if len(l.languages) > 0 {
		needed = append(needed, fixed(l.languages[0].Origin, "locales")...)
	}
	if l.keymap != nil {
		needed = append(needed, fixed(l.keymap.Origin, "keyboard-configuration", "console-setup")...)
	}
	if l.timezone != nil {
		needed = append(needed, fixed(l.timezone.Origin, "tzdata")...)
	}
	return needed, nil
}
