package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/scaffold"
)

// Each command that a new project's documents and workflow type exists, with
// its flags and the right number of arguments.
func TestScaffoldedCommands(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range []scaffold.Options{{}, {Keys: true}, {GitHub: &scaffold.Workflow{}}, {Keys: true, GitHub: &scaffold.Workflow{}}} {
		for _, template := range scaffold.Templates() {
			o.Template, o.Name = template.Name, "kiln"
			files, err := scaffold.Files(o)
			if err != nil {
				continue // that the template's base is on this machine alone
			}
			for _, f := range files {
				for _, words := range commandsIn(string(f.Content)) {
					seen[words[0]] = true
					if err := typed(words); err != nil {
						t.Errorf("%s of %s: %q: %v", f.Name, o.Template, words, err)
					}
				}
			}
		}
	}
	for _, command := range []string{"validate", "build", "publish", "login", "keygen", "plan", "schema", "ci"} {
		if !seen[command] {
			t.Errorf("no project says to type %q", command)
		}
	}
}

// commandsIn are the command lines of bootkiln in a text: alone on a line, in a
// script of a workflow, or between backquotes.
func commandsIn(text string) [][]string {
	var all [][]string
	for _, match := range regexp.MustCompile("(?m)(?:^(?:sudo (?:-E )?)?|`|bin/)bootkiln\"? ([a-z][^`\n]*)").FindAllStringSubmatch(text, -1) {
		line, _, _ := strings.Cut(match[1], " #")
		line, _, _ = strings.Cut(line, " >")
		all = append(all, strings.Fields(line))
	}
	return all
}

// A workflow names a version that others can have, or none.
func TestInstallableAs(t *testing.T) {
	t.Parallel()
	const sum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for version, want := range map[string][2]string{ // without a checksum, and with one
		"v1.2.3":                                     {"v1.2.3", "v1.2.3"},
		"v1.2.3-rc.1":                                {"v1.2.3-rc.1", "v1.2.3-rc.1"},
		"v0.0.0-20261121135152-365134a0b1c2":         {"", "v0.0.0-20261121135152-365134a0b1c2"},
		"v1.2.4-0.20261121135152-365134a0b1c2":       {"", "v1.2.4-0.20261121135152-365134a0b1c2"},
		"v1.2.3-rc.1.0.20261121135152-365134a0b1c2":  {"", "v1.2.3-rc.1.0.20261121135152-365134a0b1c2"},
		"v1.2.3+dirty":                               {"", ""},
		"v1.2.4-0.20261121135152-365134a0b1c2+dirty": {"", ""},
		"(devel)": {"", ""},
		"":        {"", ""},
	} {
		if got := [2]string{installableAs(version, ""), installableAs(version, sum)}; got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
}
