package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// TestReportTargets tells of each target for itself, and a registry decides.
func TestReportTargets(t *testing.T) {
	t.Parallel()
	refused := &registry.Error{Class: registry.Denied, Repository: "ghcr.io/me/os", Op: "pushing to", Err: errors.New("403"), Hint: "ask for the right"}
	for name, c := range map[string]struct {
		failed []error
		of     int
		want   int
		says   []string
	}{
		"one":       {[]error{refused}, 1, exitRegistry, []string{"ghcr.io/me/os", "hint: ask for the right"}},
		"of two":    {[]error{refused}, 2, exitRegistry, []string{"1 of 2 targets failed: target-0", "the others stand"}},
		"a file":    {[]error{errors.New("no room")}, 2, exitEnvironment, []string{"no room"}},
		"different": {[]error{errors.New("no room"), refused}, 2, exitRegistry, []string{"no room", "2 of 2 targets failed: target-0, target-1"}},
	} {
		e, _, stderr := testEnv(map[string]string{"GITHUB_ACTIONS": "true"})
		err := &pipeline.PublishError{Of: c.of}
		for i, f := range c.failed {
			err.Failed = append(err.Failed, &pipeline.TargetError{To: "target-" + string(rune('0'+i)), Err: f})
		}
		if got := e.report(t.Context(), "bootkiln publish", err); got != c.want {
			t.Errorf("%s: exit status %d, want %d", name, got, c.want)
		}
		for _, text := range c.says {
			if !strings.Contains(stderr.String(), text) {
				t.Errorf("%s: it does not say %q:\n%s", name, text, stderr)
			}
		}
		if n := strings.Count(stderr.String(), "::error"); n < len(c.failed) {
			t.Errorf("%s: %d annotations", name, n)
		}
		if alone := strings.Contains(stderr.String(), "targets failed"); alone != (c.of > 1) {
			t.Errorf("%s: it sums up one target, or not several:\n%s", name, stderr)
		}
	}

	// One that cannot be resumed is the command line's mistake.
	e, _, stderr := testEnv(nil)
	if got := e.report(t.Context(), "bootkiln publish", &pipeline.ResumeError{Err: errors.New("no image")}); got != exitUsage || !strings.Contains(stderr.String(), "hint: publish without --resume") {
		t.Errorf("exit status %d:\n%s", got, stderr)
	}
}

// TestResumable says how to go on, but where the image or the recipe has to be
// mended first.
func TestResumable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &baking{recipe: "my/recipe.yaml"}
	if err := o.resumable(errors.New("no room"), dir); err.Error() != "no room" {
		t.Errorf("%v", err)
	} else if _, ok := asError[*resumableError](err); ok {
		t.Error("there is no journal, and it is to be resumed")
	}
	if err := os.WriteFile(filepath.Join(dir, outJournal), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.resumable(nil, dir); err != nil {
		t.Error(err)
	}
	refused := &registry.Error{Class: registry.Denied, Repository: "ghcr.io/me/os", Op: "pushing to", Err: errors.New("403")}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		ctx   context.Context
		err   error
		hints bool
	}{
		"refused":     {t.Context(), &pipeline.PublishError{Of: 1, Failed: []*pipeline.TargetError{{To: "a", Err: refused}}}, true},
		"no room":     {t.Context(), errors.New("no room"), true},
		"interrupted": {stopped, context.Canceled, true},
		"image":       {t.Context(), &trust.VerificationError{}, false},
		"recipe":      {t.Context(), diag.List{{Message: "wrong"}}.Err(), false},
	} {
		e, _, stderr := testEnv(nil)
		e.conclude(c.ctx, "bootkiln publish", o.resumable(c.err, dir))
		if got := strings.HasSuffix(stderr.String(), "\n  the image is built: 'bootkiln publish --resume my/recipe.yaml' goes on from there\n"); got != c.hints {
			t.Errorf("%s: it says\n%s", name, stderr)
		}
	}
}

// TestResumableFlags resumes the publish that failed, and not the one of another
// folder.
func TestResumableFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, outJournal), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e, _, stderr := testEnv(nil)
	cmd := newPublishCmd(e, &globals{})
	if err := cmd.ParseFlags([]string{"--out", "a b", "--no-tags", "--tls-verify=false", "--tmpdir", "full", "--creds", "me:fire", "--boot", "off"}); err != nil {
		t.Fatal(err)
	}
	o := &baking{recipe: "my/recipe's.yaml", again: repeated(cmd.Flags())}
	e.conclude(t.Context(), "bootkiln publish", o.resumable(errors.New("no room"), dir))
	want := `'bootkiln publish --resume --out 'a b' --tls-verify=false --boot off --no-tags 'my/recipe'\''s.yaml'' goes on from there`
	if !strings.Contains(stderr.String(), want) {
		t.Errorf("it says\n%swant %s", stderr, want)
	}
}
