//go:build e2e

package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cachedSteps are the steps of [cacheProject]'s recipe, in their order.
var cachedSteps = []string{"mark", "file", "folder", "first script", "second script", "shell", "clean up", "labels"}

// cacheProject is a project that takes everything from files that can change.
type cacheProject struct{ *project }

func newCacheProject(t testing.TB) cacheProject {
	t.Helper()
	p := cacheProject{newProject(t)}
	for name, content := range map[string]string{
		"file":             "file 1\n",
		"folder/name":      "name 1\n",
		"folder/sub/other": "other 1\n",
		"scripts/first":    "echo 1 >/usr/lib/first\n",
		"scripts/second":   "#!/bin/sh\ntest \"$(cat /run/secrets/token)\" && echo 1 >/usr/lib/second\n",
		"unused":           "unused 1\n",
	} {
		write(t, filepath.Join(p.dir, name), []byte(content))
	}
	p.recipeOf(t, "1", "")
	return p
}

// recipeOf writes the recipe, in which the step in shell writes what it is
// told.
func (p cacheProject) recipeOf(t testing.TB, shell string, more ...string) {
	t.Helper()
	p.write(t, append([]string{
		"  - {source: file, destination: /usr/lib/cached/file}",
		"  - {source: folder, destination: /usr/lib/cached/folder}",
		"run:",
		"  - {name: first, script: scripts/first}",
		"  - {name: second, script: scripts/second, secrets: [token]}",
		`  - {name: shell, shell: "echo ` + shell + ` >/usr/lib/shell"}`,
		"secrets: [{id: token, env: E2E_TOKEN}]",
	}, more...)...)
}

// rebuilt builds the recipe, and returns which steps did not come from the
// cache.
func (p cacheProject) rebuilt(t testing.TB, secret string) []string {
	t.Helper()
	cmd := command(t, p.args("build")...)
	cmd.Env = append(cmd.Env, "E2E_TOKEN="+secret)
	cmd.run(t).want(t, 0)
	var ran []string
	step := -1
	lines := strings.Split(p.file(t, "build.log"), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "STEP ") || strings.Contains(line, ": FROM ") {
			continue
		}
		if step++; step >= len(cachedSteps) {
			t.Fatalf("there is a step more: %s", line)
		}
		if !strings.HasPrefix(lines[i+1], "--> Using cache ") {
			ran = append(ran, cachedSteps[step])
		}
	}
	if step != len(cachedSteps)-1 {
		t.Fatalf("%d steps, want %d:\n%s", step+1, len(cachedSteps), strings.Join(lines, "\n"))
	}
	return ran
}

// want fails the test unless building rebuilds the step and those after it, or
// nothing for "".
func (p cacheProject) want(t testing.TB, first string) {
	t.Helper()
	var want []string
	if first != "" {
		want = cachedSteps[slices.Index(cachedSteps, first):]
	}
	if diff := cmp.Diff(want, p.rebuilt(t, "the first value")); diff != "" {
		t.Errorf("steps that ran (-want +got):\n%s", diff)
	}
}

// TestCacheFollowsContent changes one thing at a time.
func TestCacheFollowsContent(t *testing.T) {
	t.Parallel()
	p := newCacheProject(t)
	p.want(t, "mark")
	p.want(t, "")

	path := func(name string) string { return filepath.Join(p.dir, name) }
	// Of the same size and date as it was: neither is looked at.
	change := func(name string) func(t testing.TB) {
		return func(t testing.TB) {
			info, err := os.Stat(path(name))
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path(name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, path(name), []byte(strings.Replace(string(content), "1", "2", 1)))
			if err := os.Chtimes(path(name), info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}
	}
	must := func(t testing.TB, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(t testing.TB)
		first  string
		file   string // of the image, that holds content now
		want   string
	}{
		{"all dates", func(t testing.TB) {
			must(t, filepath.WalkDir(p.dir, func(name string, _ fs.DirEntry, err error) error {
				if err != nil || strings.HasPrefix(name, p.out) {
					return err
				}
				return os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0))
			}))
		}, "", "usr/lib/cached/file", "file 1\n"},
		{"write permission for the group", func(t testing.TB) {
			must(t, os.Chmod(path("folder/name"), 0o620))
			must(t, os.Chmod(path("scripts/first"), 0o777))
		}, "", "", ""},
		{"a file that nothing names", change("unused"), "", "", ""},
		{"the recipe's comments", func(t testing.TB) { p.recipeOf(t, "1", "# says nothing") }, "", "", ""},
		{"a label", func(t testing.TB) { p.recipeOf(t, "1", "labels: {org.example.word: new}") }, "labels", "", ""},
		{"the step in shell", func(t testing.TB) { p.recipeOf(t, "2") }, "shell", "usr/lib/shell", "2\n"},
		{"second script", change("scripts/second"), "second script", "usr/lib/second", "2\n"},
		{"first script", change("scripts/first"), "first script", "usr/lib/first", "2\n"},
		{"file in the folder", change("folder/name"), "folder", "usr/lib/cached/folder/name", "name 2\n"},
		{"file below the folder", change("folder/sub/other"), "folder", "usr/lib/cached/folder/sub/other", "other 2\n"},
		{"mode of a file in the folder", func(t testing.TB) { must(t, os.Chmod(path("folder/name"), 0o700)) }, "folder", "", ""},
		{"name of a file in the folder", func(t testing.TB) {
			must(t, os.Rename(path("folder/name"), path("folder/renamed")))
		}, "folder", "usr/lib/cached/folder/renamed", "name 2\n"},
		{"file", change("file"), "file", "usr/lib/cached/file", "file 2\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change(t)
			p.want(t, c.first)
			if c.file == "" {
				return
			}
			if got := p.imageFile(t, c.file); got != c.want {
				t.Errorf("%s holds %q, want %q", c.file, got, c.want)
			}
		})
	}

	t.Run("what was there before", func(t *testing.T) {
		write(t, path("file"), []byte("file 1\n"))
		p.want(t, "") // the steps from then are kept
		if got := p.imageFile(t, "usr/lib/cached/file"); got != "file 1\n" {
			t.Errorf("the file holds %q", got)
		}
	})
	t.Run("another checkout", func(t *testing.T) {
		moved := *p.project
		moved.dir = t.TempDir()
		tool(t, nil, "cp", "--recursive", "--no-preserve=timestamps", p.dir+"/.", moved.dir)
		cacheProject{&moved}.want(t, "")
	})
}

// TestCacheDoesNotKnowSecrets changes the value of a secret.
func TestCacheDoesNotKnowSecrets(t *testing.T) {
	t.Parallel()
	p := newCacheProject(t)
	if got := p.rebuilt(t, "the first value"); len(got) != len(cachedSteps) {
		t.Errorf("only %q ran", got)
	}
	before := p.imageConfig(t)
	if got := p.rebuilt(t, "another value, and longer"); got != nil {
		t.Errorf("another secret runs %q again", got)
	}
	if diff := cmp.Diff(before, p.imageConfig(t)); diff != "" {
		t.Errorf("another secret makes another image (-before +after):\n%s", diff)
	}
	if got := p.rebuilt(t, "the first value"); got != nil {
		t.Errorf("the old secret runs %q again", got)
	}
}

// imageConfig reads the configuration of the image that was built.
func (p *project) imageConfig(t testing.TB) string {
	t.Helper()
	store := machineStore(t)
	img, err := store.Image(p.tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := store.ImageBigData(img.ID, "sha256:"+img.ID)
	if err != nil {
		t.Fatal(err)
	}
	return string(config)
}
