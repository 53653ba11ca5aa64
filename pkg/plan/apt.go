package plan

import "strings"

// apt is apt-get, of Debian and what is made from it.
type apt struct{}

// Commands before any other: apt reads its part of the configuration from a
// file that is no part of the image, asks nothing, and learns what there is.
var (
	aptConfigure = Command{Args: []string{"export", "APT_CONFIG=" + scriptTarget("apt.conf"), "DEBIAN_FRONTEND=noninteractive"}}
	aptFolders   = Command{Args: []string{"mkdir", "-p", "/run/bootkiln/cache/archives/partial", "/run/bootkiln/cache/indexes/partial"}}
	aptUpdate    = Command{Args: []string{"apt-get", "update"}}
)

func (apt) Name() string         { return "apt-get" }
func (apt) Supports() string     { return "Debian, Ubuntu" }
func (apt) Serves(d Distro) bool { return d.Is("debian", "ubuntu") }

func (apt) Check(name string, _ bool) string {
	switch {
	case strings.HasSuffix(name, "-"):
		return "apt-get removes a package whose name ends in \"-\""
	case strings.HasPrefix(name, "@"):
		return "apt-get has no package groups"
	case strings.HasPrefix(name, "-"):
		return "a package name does not start with \"-\""
	}
	return ""
}

func (apt) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "apt"), Target: "/run/bootkiln/cache"}}
}

func (apt) Install(words []Word) Work {
	return Work{
		Scripts: []string{"apt.conf"},
		Commands: []Command{aptConfigure, aptFolders, aptUpdate, {
			Args:  []string{"apt-get", "install", "-y", "--no-install-recommends", "--"},
			Words: words,
		}},
	}
}

func (apt) InstallOptional(words []Word) Work {
	return Work{
		Scripts:  []string{"apt.conf", "optional-apt.sh"},
		Commands: []Command{aptConfigure, aptFolders, aptUpdate, scriptCommand("optional-apt.sh", words)},
	}
}

func (apt) Remove(words []Word) Work {
	return Work{
		Scripts:  []string{"apt.conf", "remove-apt.sh"},
		Commands: []Command{aptConfigure, aptFolders, scriptCommand("remove-apt.sh", words)},
	}
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
