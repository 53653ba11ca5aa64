//go:build e2e

package test

import (
	"regexp"
	"strings"
	"testing"
)

// TestMinimalRecipe says nothing but what every recipe has to.
func TestMinimalRecipe(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	// By the name the image can be told from those of other runs.
	write(t, p.recipe(), []byte("version: 1\nname: "+p.mark+"\nbase: {image: \"containers-storage:"+debianBase+"\"}\n"))
	o := bootkiln(t, p.args("build")...)
	o.want(t, 0)
	if got := stages(t, p); got != "plan build check" {
		t.Errorf("the stages are %q", got)
	}
	checks := p.result(t).Checks
	if checks == nil || checks.Errors != 0 || checks.Warnings != 0 {
		t.Errorf("the checks found %+v:\n%s", checks, o.stderr)
	}
	// That no program has more rights than in the base was seen, and not left out.
	if report := p.file(t, "check.json"); !regexp.MustCompile(`"id": "added-privileges",\s*"status": "passed"`).MatchString(report) {
		t.Errorf("the image was not compared with its base:\n%s", report)
	}
	if got := strings.TrimSpace(o.stdout); got != p.tag {
		t.Errorf("stdout is %q, want the tag %q", got, p.tag)
	}
}
