package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func TestRemoteURI(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/me/os.git":           "git+https://github.com/me/os.git",
		"https://me:secret@github.com/me/os.git": "git+https://github.com/me/os.git",
		"ssh://git@github.com:22/me/os.git":      "git+ssh://github.com:22/me/os.git",
		"git@github.com:me/os.git":               "git+ssh://github.com/me/os.git",
		"github.com:me/os.git":                   "git+ssh://github.com/me/os.git",
		"/srv/git/os.git":                        "",
		"../os:old.git":                          "",
		"file:///srv/git/os.git":                 "",
		"":                                       "",
	} {
		if got := remoteURI(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

// Who builds in GitHub Actions is the workflow, not this program.
func TestOrigin(t *testing.T) {
	t.Parallel()
	e, _, _ := testEnv(map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/os", "GITHUB_RUN_ID": "7",
		"GITHUB_RUN_ATTEMPT": "2", "GITHUB_WORKFLOW_REF": "me/os/.github/workflows/image.yml@refs/heads/main",
	})
	project := func(content string) *project {
		dir := t.TempDir()
		return &project{
			dir: dir, recipe: &recipe.Recipe{File: filepath.Join(dir, "os", "recipe.yaml")},
			sources: map[string][]byte{"recipe.yaml": []byte(content)},
		}
	}
	o := e.origin(t.Context(), project("a"))
	if o.Builder.ID != "https://github.com/me/os/.github/workflows/image.yml@refs/heads/main" ||
		o.Invocation != "https://github.com/me/os/actions/runs/7/attempts/2" || o.Source != nil || o.File != "recipe.yaml" {
		t.Errorf("%+v", o)
	}
	e, _, _ = testEnv(nil)
	other := e.origin(t.Context(), project("b"))
	if other.Invocation != "" || other.Builder.ID == o.Builder.ID || other.Recipe == o.Recipe || other.Recipe.Validate() != nil {
		t.Errorf("%+v", other)
	}
}

// The recipe of a commit that others can fetch is named as it is there.
func TestOriginOfACommit(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, "images", "os.yaml"), []byte("name: os\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"remote", "add", "origin", "https://me:secret@github.com/me/os.git"},
		{"-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "--quiet", "--message", "an image"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = top
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, said)
		}
	}
	e, _, _ := testEnv(nil)
	dir := filepath.Join(top, "images")
	o := e.origin(t.Context(), &project{dir: dir, recipe: &recipe.Recipe{File: filepath.Join(dir, "os.yaml")}})
	if o.File != "images/os.yaml" || o.Source == nil || o.Source.URI != "git+https://github.com/me/os.git" || len(o.Source.Commit) != 40 {
		t.Errorf("%+v, %+v", o, o.Source)
	}
}
