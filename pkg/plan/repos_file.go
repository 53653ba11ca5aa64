package plan

import (
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// repoSection is a section of a repository file of dnf.
type repoSection struct {
	id   string
	line int
	// values are its options, and lines where they stand.
	values map[string]string
	lines  map[string]int
}

// repoSections reads a repository file, in the format of dnf.conf(5): the
// sections in order. What belongs to none is left out.
func repoSections(text []byte) []repoSection {
	var list []repoSection
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, " \t\r")
		if id, ok := sectionOf(line); ok {
			list = append(list, repoSection{id: id, line: i + 1, values: map[string]string{}, lines: map[string]int{}})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || len(list) == 0 || strings.IndexAny(line, "#; \t") == 0 {
			continue // a comment, or more of the value before it
		}
		key = strings.TrimSpace(key)
		list[len(list)-1].values[key] = strings.TrimSpace(value)
		list[len(list)-1].lines[key] = i + 1
	}
	return list
}

// sectionOf returns the name of the section that begins with a line.
func sectionOf(line string) (id string, ok bool) {
	id, ok = strings.CutPrefix(strings.TrimRight(line, " \t\r"), "[")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(id, "]")
}

// checkRepoFile reports sections that install packages unchecked, and those
// that say already what the recipe says. Their place is in the file itself.
func (s *repoSetup) checkRepoFile(e repoEntry, text []byte) {
	sections := repoSections(text)
	if len(sections) == 0 {
		s.problem(e.File.Pos, "invalid-value", e.where+".file", "a repository begins with its ID, as in [site]",
			"%q describes no repository", e.File.Value)
	}
	at := func(line int) diag.Pos { return diag.Pos{File: e.File.Name(), Line: line, Col: 1} }
	for _, section := range sections {
		check, said := section.values["gpgcheck"]
		if !isTrue(check) {
			line, how := section.line, "does not say to check"
			if said {
				line, how = section.lines["gpgcheck"], "does not check"
			}
			s.problem(at(line), "unchecked-packages", e.where+".file", "write gpgcheck=1, and gpgkey with the address of the key",
				"the repository %q %s the signatures of its packages", section.id, how)
		}
		// What DNF 5 calls the same setting beside the old name.
		const newer = "pkg_gpgcheck"
		if check, said := section.values[newer]; said && !isTrue(check) {
			s.problem(at(section.lines[newer]), "unchecked-packages", e.where+".file", "take it out: gpgcheck=1 says the same to every DNF",
				"the repository %q does not check the signatures of its packages with DNF 5", section.id)
		}
		for _, o := range options(e) {
			key, _, _ := strings.Cut(o.Value, "=")
			if line, ok := section.lines[key]; ok {
				s.problem(o.Origin, "conflict", e.where+"."+key, "say it in one of them",
					"%s is also in the file (%s)", key, at(line))
			}
		}
	}
}

// isTrue reports whether dnf takes a value for true.
func isTrue(value string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on"}, strings.ToLower(value))
}

// insertInSections adds lines to every section of a repository file.
func insertInSections(text []byte, lines []string) []byte {
	var all []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		all = append(all, line)
		if _, ok := sectionOf(line); ok {
			all = append(all, lines...)
		}
	}
	return []byte(strings.Join(all, "\n") + "\n")
}
