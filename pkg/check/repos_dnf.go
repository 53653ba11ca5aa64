package check

import (
	"path"
	"strings"
	"unicode"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/repofile"
)

// Where dnf's repositories are configured. What is in the overrides is read by
// dnf5 alone (dnf5.conf(5)); "dnf config-manager setopt" writes them.
var (
	dnfRepoDirs     = []string{"etc/yum.repos.d", "etc/distro.repos.d", "usr/share/dnf5/repos.d"}
	dnfOverrideDirs = []string{"etc/dnf/repos.override.d", "usr/share/dnf5/repos.override.d"}
)

const (
	dnfConfig = "etc/dnf/dnf.conf"
	dnf5      = "usr/bin/dnf5"
)

// dnfRepositories lists the repositories of dnf, and of what reads its files,
// such as rpm-ostree, that are enabled.
func dnfRepositories(root image.Root) ([]repository, error) {
	files, err := dropIns(root, ".repo", dnfRepoDirs...)
	if err != nil {
		return nil, err
	}
	overrides, err := dnfOverrides(root)
	if err != nil {
		return nil, err
	}
	checked := "" // of dnf.conf's own section
	var list []repository
	for _, file := range append([]string{dnfConfig}, files...) {
		data, err := readSmall(root, file)
		if err != nil {
			return nil, err
		}
		for _, s := range parseINI(string(data)) {
			if s.name == "main" {
				if file == dnfConfig {
					checked = s.values["gpgcheck"]
				}
				continue
			}
			for _, o := range overrides {
				if globMatches(o.name, s.name) {
					for key, value := range o.values {
						s.values[key] = value
					}
				}
			}
			if !repofile.IsFalse(s.values["enabled"]) { // which is the default
				list = append(list, s.repository(file, checked))
			}
		}
	}
	return list, nil
}

// dnfOverrides returns the sections that change others, in the order in which
// they do. Their names are patterns.
func dnfOverrides(root image.Root) ([]section, error) {
	if _, err := root.Stat(dnf5); isAbsent(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	files, err := dropIns(root, ".repo", dnfOverrideDirs...)
	if err != nil {
		return nil, err
	}
	var overrides []section
	for _, file := range files {
		data, err := readSmall(root, file)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, parseINI(string(data))...)
	}
	return overrides, nil
}

// repository makes one of a section. checked is dnf.conf's word on signatures.
func (s section) repository(file, checked string) repository {
	r := repository{file: file, id: s.name}
	for _, key := range []string{"baseurl", "metalink", "mirrorlist"} {
		r.urls = append(r.urls, listOf(s.values[key])...)
	}
	if own, ok := s.values["gpgcheck"]; ok {
		checked = own
	}
	if checked != "" && !repofile.IsFalse(checked) {
		r.keys = listOf(s.values["gpgkey"])
	}
	return r
}

// listOf splits a list as dnf and apt write them.
func listOf(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// section is one of a file in INI format.
type section struct {
	name   string
	values map[string]string
}

// parseINI reads the format as libdnf does, which has no quotes, no comments
// behind values and no variables of its own, unlike what libraries for INI
// files take for granted. What is no line of that format is passed over. A
// section is as often in the result as in the file.
func parseINI(text string) []section {
	var sections []section
	last := "" // the key that an indented line goes on with
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			name, _, closed := strings.Cut(line[1:], "]")
			if closed && name != "" {
				sections = append(sections, section{name: name, values: map[string]string{}})
			}
			last = ""
		case len(sections) == 0:
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				sections[len(sections)-1].values[last] += "\n" + strings.TrimSpace(line)
			}
		default:
			key, value, found := strings.Cut(line, "=")
			last = ""
			if key = strings.TrimSpace(key); found && key != "" {
				last = key
				sections[len(sections)-1].values[key] = strings.TrimSpace(value)
			}
		}
	}
	return sections
}

// stem is the name of a file without its suffix.
func stem(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }
