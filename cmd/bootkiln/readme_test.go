package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/diff"
	"github.com/bootkiln/bootkiln/pkg/host"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

var fence = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

// blocks returns the fenced blocks of a Markdown file that are in a language.
func blocks(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			out = append(out, m[2])
		}
	}
	return out
}

// Each command that the documents tell a user to type exists, with its flags
// and the right number of arguments.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(files, "../../README.md") {
		for _, block := range slices.Concat(blocks(t, file, "sh"), blocks(t, file, "yaml"), blocks(t, file, "console")) {
			for line := range strings.Lines(block) {
				words, ok := commandLine(line)
				if !ok {
					continue
				}
				seen++
				if err := typed(words); err != nil {
					t.Errorf("%s: %q: %v", file, strings.TrimSpace(line), err)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("found %d commands only; are they no longer in blocks of the language sh?", seen)
	}
}

// So does each that the help of a command has as an example.
func TestHelpExamples(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(newRootCmd(&env{})) {
		seen := 0
		for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", " ")) {
			words, ok := commandLine(line)
			if !ok {
				continue
			}
			seen++
			if err := typed(words); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), strings.TrimSpace(line), err)
			}
		}
		if seen == 0 {
			t.Errorf("the help of %q has no example", cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if name, _ := pflag.UnquoteUsage(f); strings.HasPrefix(name, "string") {
				t.Errorf("the help of %q does not say what --%s takes: `quote` the word for it", cmd.CommandPath(), f.Name)
			}
		})
	}
}

// everyCommand returns a command and those below it, but cobra's own.
func everyCommand(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, everyCommand(c)...)
	}
	return all
}

// Each command has a row, and each row a command.
func TestDocumentedTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Commands\n")
	table, _, _ = strings.Cut(table, "\n## ")
	table, _, _ = strings.Cut(table, "\n### ")
	rows := map[string]bool{}
	for line := range strings.Lines(table) {
		row, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		first, _, _ := strings.Cut("`"+row, " | ")
		for _, m := range regexp.MustCompile("`([a-z]+)[^`]*`").FindAllStringSubmatch(first, -1) {
			rows[m[1]] = true
		}
	}
	for _, c := range newRootCmd(&env{}).Commands() {
		if !rows[c.Name()] {
			t.Errorf("no row is about %q", c.Name())
		}
		delete(rows, c.Name())
	}
	delete(rows, "completion") // cobra adds it when it runs
	for name := range rows {
		t.Errorf("the row of %q is about no command", name)
	}
}

// The picture of the packages has each of them.
func TestDocumentedPackages(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, picture, _ := strings.Cut(string(text), "\ncmd/bootkiln/ ")
	picture, _, _ = strings.Cut(picture, "\n```")
	found, err := filepath.Glob("../../pkg/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 50 {
		t.Fatalf("found %d files only", len(found))
	}
	for _, file := range found {
		name := filepath.Base(filepath.Dir(file))
		if !regexp.MustCompile(`(?m)^  (?:\w+/, )*` + name + `/`).MatchString(picture) {
			t.Errorf("nothing says what %q is", filepath.Dir(file))
		}
	}
}

// reports are what commands print as JSON.
var reports = map[string][]any{
	"validate": {diag.Diagnostic{}}, "plan": {diag.Diagnostic{}},
	"build": {pipeline.Result{}}, "publish": {pipeline.Result{}}, "push": {pipeline.Result{}}, "index": {pipeline.Result{}},
	"check": {check.Report{}}, "explain": {check.Rule{}}, "boot": {boot.Result{}}, "chunk": {chunk.Report{}}, "diff": {diff.Report{}}, "verify": {verified{}},
	"copy": {copied{}}, "tags": {registry.Tagged{}}, "prune": {pruned{}}, "policy": {policyResult{}}, "doctor": {host.Finding{}}, "version": {versionInfo{}},
}

// Each command with a report in JSON has a row about it, and what is in the row is
// in the report.
func TestDocumentedReports(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n### Reports for programs\n")
	table, _, _ = strings.Cut(table, "\n### ")
	quoted := regexp.MustCompile("`([A-Za-z]+)`")
	rows := map[string]bool{}
	for line := range strings.Lines(table) {
		row, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		of, has, _ := strings.Cut("`"+row, " | ")
		for _, command := range quoted.FindAllStringSubmatch(of, -1) {
			rows[command[1]] = true
			names := map[string]bool{}
			for _, report := range reports[command[1]] {
				jsonNames(reflect.TypeOf(report), names)
			}
			for _, name := range quoted.FindAllStringSubmatch(has, -1) {
				if !names[name[1]] {
					t.Errorf("the report of %q has no %q", command[1], name[1])
				}
			}
		}
	}
	for _, cmd := range newRootCmd(&env{}).Commands() {
		f, ok := cmd.Flags().Lookup("format"), false
		if f != nil {
			flag, is := f.Value.(*formatFlag)
			ok = is && slices.Contains(flag.allowed, formatJSON)
		}
		if ok != rows[cmd.Name()] {
			t.Errorf("%q has a report: %t, and a row: %t", cmd.Name(), ok, !ok)
		}
	}
}

// jsonNames collects the names that a type has in JSON, also those inside.
func jsonNames(of reflect.Type, names map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		jsonNames(of.Elem(), names)
	case reflect.Struct:
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "-" || names[name] && name != "" {
				continue
			}
			if name != "" {
				names[name] = true
			}
			jsonNames(field.Type, names)
		}
	}
}

// commandLine takes the words behind "bootkiln" out of a line for a shell; ok is
// false where there are none.
func commandLine(line string) (words []string, ok bool) {
	line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " #")
	for _, end := range []string{" | ", " >"} {
		line, _, _ = strings.Cut(line, end)
	}
	words = strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line))
	for len(words) > 0 && (words[0] == "sudo" || strings.HasPrefix(words[0], "--preserve-env=") || regexp.MustCompile("^[A-Z_]+=").MatchString(words[0])) {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "bootkiln" {
		return nil, false
	}
	return words[1:], true
}

// typed says what is wrong with a command line, without its program.
func typed(words []string) error {
	cmd, args, err := newRootCmd(&env{}).Find(words)
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateRequiredFlags()
	}
	if err == nil {
		err = cmd.ValidateFlagGroups()
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	return err
}

// No number is left to be filled in.
func TestDocumentIsWhole(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if left := regexp.MustCompile(`@[A-Z]+@`).FindAllString(string(text), -1); len(left) > 0 {
		t.Errorf("still to be filled in: %v", left)
	}
}

// The recipe of the tour is one, and the mistake in it looks as it is shown.
func TestDocumentedRecipe(t *testing.T) {
	t.Parallel()
	tour := blocks(t, "../../README.md", "yaml")[0]
	if _, problems := recipe.Parse("recipe.yaml", []byte(tour), recipe.Options{}); len(problems) > 0 {
		t.Error(problems)
	}
	for _, block := range blocks(t, "../../README.md", "console") {
		shown, ok := strings.CutPrefix(block, "$ bootkiln validate recipe.yaml\n")
		if !ok {
			continue
		}
		broken := []byte(strings.Replace(tour, "packages:", "pakages:", 1))
		_, problems := recipe.Parse("recipe.yaml", broken, recipe.Options{})
		var got bytes.Buffer
		diag.Print(&got, problems, diag.Sources{"recipe.yaml": broken}, false)
		if diff := cmp.Diff(shown, got.String()); diff != "" {
			t.Error(diff)
		}
		return
	}
	t.Error("the README does not show a mistake")
}

// The table of dependencies has a row for each direct one, and no other.
func TestDocumentedDependencies(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "### Dependencies")
	table, _, _ = strings.Cut(table, "###")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z.]+/[^`]+)`").FindAllStringSubmatch(table, -1) {
		documented[m[1]] = true
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct, _, _ := strings.Cut(string(mod), "\n)")
	for line := range strings.Lines(direct) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.Contains(fields[0], ".") {
			continue
		}
		if !documented[fields[0]] {
			t.Errorf("no row says what %s is for", fields[0])
		}
		delete(documented, fields[0])
	}
	delete(documented, "pkg/kernel/cpio.go")
	for name := range documented {
		t.Errorf("the row for %s is about no direct dependency", name)
	}
}
