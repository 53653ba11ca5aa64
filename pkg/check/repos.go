package check

import (
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/repofile"
)

// repository is one that a package manager of the image takes packages from.
type repository struct {
	// file is where it is configured, as package image names it.
	file string
	// id is what dnf calls it; apt has no such name, and it is that of the file
	// without its suffix.
	id string
	// urls say where its packages, or the lists of its mirrors, are; as
	// written, with the variables of the package manager.
	urls []string
	// keys are those that its packages must be signed with, as written; none
	// where signatures are not checked.
	keys []string
}

// repositories lists those that are enabled, of dnf and of apt.
func repositories(root image.Root) ([]repository, error) {
	list, err := dnfRepositories(root)
	if err != nil {
		return nil, err
	}
	more, err := aptRepositories(root)
	return append(list, more...), err
}

// origin is a distribution as the maker of its own repositories.
type origin struct {
	// id is that of os-release(5).
	id string
	// host is where they are; hosts below it count too.
	host string
	// keys are patterns for the names of the files that its keys are in. What
	// must be signed with them is the distribution's, whichever mirror has it.
	keys []string
}

// origins are the distributions that recipes may name. Those of Enterprise
// Linux are no origin of each other, nor is Fedora, which has EPEL too.
var origins = []origin{
	{"almalinux", "almalinux.org", []string{"RPM-GPG-KEY-AlmaLinux*"}},
	{"centos", "centos.org", []string{"RPM-GPG-KEY-centosofficial*", "RPM-GPG-KEY-CentOS-*"}},
	{"debian", "debian.org", []string{"debian-archive-*"}},
	{"fedora", "fedoraproject.org", []string{"RPM-GPG-KEY-fedora-*"}},
	{"rhel", "redhat.com", []string{"RPM-GPG-KEY-redhat-*"}},
	{"rocky", "rockylinux.org", []string{"RPM-GPG-KEY-Rocky-*"}},
	{"ubuntu", "ubuntu.com", []string{"ubuntu-archive-*", "ubuntu-keyring-*"}},
}

// originOf finds the distribution that an image is, or else the first that it
// says to be like: one that is remade under its own name keeps those
// repositories.
func originOf(release map[string]string) (origin, bool) {
	for _, id := range append([]string{release["ID"]}, strings.Fields(release["ID_LIKE"])...) {
		if i := slices.IndexFunc(origins, func(o origin) bool { return o.id == id }); i >= 0 {
			return origins[i], true
		}
	}
	return origin{}, false
}

// owns reports whether a repository is the distribution's own: all of it is on
// its hosts, or must be signed by it.
func (o origin) owns(r repository) bool {
	return len(r.urls) > 0 && !slices.ContainsFunc(r.urls, func(u string) bool { return !o.hosts(u) }) ||
		len(r.keys) > 0 && !slices.ContainsFunc(r.keys, func(k string) bool { return !o.hasKey(k) })
}

func (o origin) hosts(address string) bool {
	_, rest, found := strings.Cut(withoutSecrets(address), "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	host = strings.ToLower(host)
	return found && (host == o.host || strings.HasSuffix(host, "."+o.host))
}

// hasKey knows the distribution's keys by the names of their files, which its
// packages put into the image, or by its host.
func (o origin) hasKey(key string) bool {
	file, local := strings.CutPrefix(key, "file://")
	if !local && strings.Contains(key, "://") {
		return o.hosts(key)
	}
	return slices.ContainsFunc(o.keys, func(pattern string) bool { return globMatches(pattern, path.Base(file)) })
}

// withoutSecrets leaves out of an address the user and password, and what is
// behind a question mark, where some servers expect a token.
func withoutSecrets(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return address
	}
	host, file, more := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if more {
		host += "/"
	}
	return scheme + "://" + host + file
}

// keeps reports whether an entry of "repos" keeps a repository of the image.
func keeps(entry recipe.Repo, r repository) bool {
	if entry.Keep.Value != "true" {
		return false
	}
	switch {
	case entry.Known.IsSet():
		// What its release package brings, such as epel-cisco-openh264.
		return strings.HasPrefix(r.id, entry.Known.Value) || r.ofAPT() && r.id == "bootkiln-debian"
	case entry.Copr.IsSet():
		return r.id == coprID(entry.Copr.Value)
	case entry.File.IsSet():
		return path.Base(r.file) == path.Base(entry.File.Value)
	}
	return r.id == entry.Name.Value || r.ofAPT() && r.id == repofile.FileName(entry.Name.Value)
}

// ofAPT reports whether it is apt that takes packages from it.
func (r repository) ofAPT() bool { return strings.HasPrefix(r.file, "etc/apt/") }

// coprID is the ID that "dnf copr enable" gives the repository of a project.
func coprID(project string) string {
	if group, ok := strings.CutPrefix(project, "@"); ok {
		project = "group_" + group
	}
	return "copr:copr.fedorainfracloud.org:" + strings.Replace(project, "/", ":", 1)
}
