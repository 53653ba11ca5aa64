package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out", "kiln")
	write := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}

	claim, err := openOut(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openOut(dir, false); err == nil {
		t.Error("two runs have one folder")
	}
	if err := claim.Close(); err != nil {
		t.Fatal(err)
	}

	// What an earlier run left, whole or half written, is not there any more.
	left := []string{write("check.json"), write("result.json"), write(".result.json-123")}
	claim, err = openOut(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}

	// For a run that is resumed, what was written stays.
	whole, half := write("journal.json"), write(".journal.json-123")
	claim, err = openOut(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Errorf("%s is still there", half)
	}

	// What is not bootkiln's stays, and so does all that is beside it.
	for _, foreign := range []string{"recipe.yaml", "build.log-old"} {
		ours, theirs := write("Containerfile"), write(foreign)
		if _, err := openOut(dir, false); err == nil || hintOf(err) == "" {
			t.Errorf("%s: want a refusal with a hint, got %v", foreign, err)
		}
		for _, path := range []string{ours, theirs} {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSpare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	recipe := filepath.Join(dir, "recipe.yaml")
	if err := os.WriteFile(recipe, []byte("version: 1\nname: kiln\nbase: {image: quay.io/x/y, distro: centos-10}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := (&env{lookup: func(string) (string, bool) { return "", false }}).loadProject(recipe, building)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("recipe.yaml", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"recipe.yaml": false, "link": false, "Containerfile": true} {
		if err := p.spare(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOutputFolderCannotBeMade says with which flag another one is named.
func TestOutputFolderCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openOut(filepath.Join(file, "out"), false); err == nil || !strings.Contains(hintOf(err), "--out") {
		t.Errorf("error %v, hint %q", err, hintOf(err))
	}
}
