package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func templates(values ...string) []recipe.String {
	var out []recipe.String
	for i, v := range values {
		out = append(out, recipe.String{Value: v, Pos: diag.Pos{File: "recipe.yaml", Line: i + 1, Col: 3}})
	}
	return out
}

var facts = Facts{
	Time:    time.Date(2026, 11, 21, 23, 30, 5, 0, time.FixedZone("KST", 9*3600)),
	Version: "10.1", Git: "0123456789ab", GitBranch: "feature/x",
	Digest: "sha256:fedcba98765432100123456789abcdef", Kernel: "6.12.0-1.el10.x86_64",
}

func TestTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		templates, want []string
	}{
		"the floating one is last":  {[]string{"latest", "{date}", "{version}", "{version}.{date}", "{git}"}, []string{"0123456789ab", "10.1.20261121", "20261121", "10.1", "latest"}},
		"latest after another word": {[]string{"latest", "stable"}, []string{"stable", "latest"}},
		"days and times are in UTC": {[]string{"{date}-{time}"}, []string{"20261121-143005"}},
		"parts of the version":      {[]string{"{major}", "{minor}"}, []string{"10", "1"}},
		"a branch becomes a tag":    {[]string{"{git-branch}"}, []string{"feature-x"}},
		"digest and kernel":         {[]string{"k{kernel}-{digest}"}, []string{"k6.12.0-1.el10.x86_64-fedcba987654"}},
		"twice the same is once":    {[]string{"{version}", "10.1"}, []string{"10.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := Tags(templates(c.templates...), facts)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTagsProblems(t *testing.T) {
	t.Parallel()
	unknown := Facts{Time: facts.Time, Version: "10"}
	_, problems := Tags(templates("{git}", "{minor}", "{kernel}.{digest}", "-x", strings.Repeat("a", 129)), unknown)
	var got []string
	for _, d := range problems {
		if d.Hint == "" && d.Code == "invalid-tag" {
			t.Errorf("no hint: %s", d)
		}
		got = append(got, d.Pos.String()+" "+d.Code)
	}
	want := []string{
		"recipe.yaml:1:3 unknown-fact", "recipe.yaml:2:3 unknown-fact",
		"recipe.yaml:3:3 unknown-fact", "recipe.yaml:3:3 unknown-fact",
		"recipe.yaml:4:3 invalid-tag", "recipe.yaml:5:3 invalid-tag",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
