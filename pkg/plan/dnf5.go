package plan

// dnf5 is DNF 5, of Fedora since 41 and of Enterprise Linux after 10.
type dnf5 struct{}

func (dnf5) Name() string     { return "dnf5" }
func (dnf5) Supports() string { return "Fedora" }

func (dnf5) Serves(d Distro) bool {
	if d.Is(enterprise...) {
		return d.Major() > 10
	}
	return d.Is("fedora") && d.Major() >= 41
}

func (dnf5) Check(name string, optional bool) string { return dnfCheck(name, optional) }

func (dnf5) Caches(d Distro) []Mount {
	return []Mount{{Type: MountCache, ID: cacheID(d, "dnf5"), Target: "/var/cache/libdnf5"}}
}

func (dnf5) Install(words []Word) Work { return dnfInstall("dnf5", words) }

func (dnf5) InstallOptional(words []Word) Work {
	return dnfOptional("dnf5", words, "--skip-unavailable", "--skip-broken")
}

func (dnf5) Remove(words []Word) Work { return dnfRemove("dnf5", words) }

func (dnf5) Locale(l localeWords) (needed, wanted []Word) { return dnfLocale(l) }
