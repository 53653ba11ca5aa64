package recipe_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// environment is what the recipes under testdata may refer to.
var environment = map[string]string{
	"GITHUB_REPOSITORY_OWNER": "Some-One",
	"GITHUB_REPOSITORY":       "Some-One/OS",
	"OWNER":                   "Some-One",
	"CAPITALS":                "Some-One",
	"EMPTY":                   "",
	"TOKEN":                   "hunter2",
	"HOSTILE":                 "a\nUSER root",
}

func options() recipe.Options {
	return recipe.Options{
		Lookup:  func(name string) (string, bool) { v, ok := environment[name]; return v, ok },
		Bundles: os.DirFS("testdata/bundles"),
	}
}

// cases returns the names of the recipes in a folder of testdata.
func cases(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recipes under testdata/%s: %v", folder, err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return names
}

// TestErrors prints the problems of each recipe under testdata/err; the file
// beside it says what has to come out.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, name := range cases(t, "err") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, sources, problems, err := recipe.Load(os.DirFS("testdata/err"), name+".yaml", options())
			if err != nil {
				t.Fatal(err)
			}
			if r != nil || !problems.HasErrors() {
				t.Fatalf("the recipe was accepted; problems: %v", problems)
			}
			checkPositions(t, problems, sources)
			var out bytes.Buffer
			diag.Print(&out, problems, sources, false)
			golden.Check(t, "testdata/err/"+name+".out", out.Bytes())
		})
	}
}

// TestAccepted compares each recipe under testdata/ok, merged, with the file
// beside it.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range cases(t, "ok") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, sources, problems, err := recipe.Load(os.DirFS("testdata/ok"), name+".yaml", options())
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) > 0 {
				var out bytes.Buffer
				diag.Print(&out, problems, sources, false)
				t.Fatalf("the recipe has problems:\n%s", out.String())
			}
			got, err := json.MarshalIndent(r, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/ok/"+name+".json", append(got, '\n'))
		})
	}
}

// checkPositions fails the test when a problem is at no place of its file.
func checkPositions(t testing.TB, problems diag.List, sources diag.Sources) {
	t.Helper()
	for _, d := range problems {
		text, ok := sources[d.File]
		if !ok {
			t.Errorf("%v: there is no such source", d)
			continue
		}
		lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
		if d.Line < 1 || d.Line > len(lines) {
			t.Errorf("%v: the file has %d lines", d, len(lines))
			continue
		}
		if n := len([]rune(lines[d.Line-1])); d.Col < 1 || d.Col > n+1 {
			t.Errorf("%v: the line has %d characters", d, n)
		}
		if d.Code == "" || d.Message == "" {
			t.Errorf("%v: says too little", d)
		}
	}
}
