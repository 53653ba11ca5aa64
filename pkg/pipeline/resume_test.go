package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// again is the input of a run that resumes the one of in, with the text of a
// recipe.
func again(t *testing.T, in Input, text string) Input {
	t.Helper()
	next := load(t, text)
	next.Out = in.Out
	// It is another day, another commit, and another machine.
	next.Origin.Builder.ID = "https://other.example"
	next.Facts = Facts{Time: facts.Time.Add(48 * time.Hour), Git: "fedcba987654"}
	j, err := journal.Read(in.Out)
	if err != nil {
		t.Fatal(err)
	}
	next.Resume = j
	return next
}

// died is how a process ends that is killed: nothing of it runs any more.
var errDied = errors.New("killed")

// dying returns services of which the n-th call is the last that anything
// comes of, and a report whether it came to that.
func dying(s Services, n int) (Services, func() bool) {
	calls := 0
	die := func() {
		if calls++; calls == n {
			panic(errDied)
		}
	}
	// Before and after what a service does: the journal is behind what was done,
	// and never ahead.
	push, sign, attest, verify, tag := s.Push, s.Sign, s.Attest, s.Verify, s.Tag
	s.Push = func(ctx context.Context, img image.Image, repository string, st progress.Stage) (image.Pinned, error) {
		die()
		p, err := push(ctx, img, repository, st)
		die()
		return p, err
	}
	s.Sign = func(ctx context.Context, p image.Pinned) error { die(); err := sign(ctx, p); die(); return err }
	s.Attest = func(ctx context.Context, p image.Pinned, kind string, text []byte) error {
		die()
		err := attest(ctx, p, kind, text)
		die()
		return err
	}
	s.Verify = func(ctx context.Context, p image.Pinned, attested []string) error {
		die()
		return verify(ctx, p, attested)
	}
	s.Tag = func(ctx context.Context, p image.Pinned, name string) error {
		die()
		err := tag(ctx, p, name)
		die()
		return err
	}
	return s, func() bool { return calls >= n }
}

// TestResumeAfterEachCrash kills a run at each call of the transaction, before and
// after it has had its effect, and resumes it.
func TestResumeAfterEachCrash(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		k, in := newKiln(t), load(t, twoTargets)
		s, died := dying(k.services(), n)
		func() {
			defer func() {
				if r := recover(); r != nil && r != errDied {
					panic(r)
				}
			}()
			if _, err := Run(t.Context(), in, s); err != nil {
				t.Fatal(err)
			}
		}()
		if !died() {
			if n < 20 {
				t.Errorf("a run has only %d calls: this test sees little", n)
			}
			return
		}
		pushedBefore := slices.Clone(k.pushed)
		k.calls = nil
		result, err := Run(t.Context(), again(t, in, twoTargets), k.services())
		if err != nil {
			t.Fatalf("after call %d: %v", n, err)
		}
		for _, call := range []string{"build", "check", "boot", "chunk"} {
			if slices.Contains(k.calls, call) {
				t.Errorf("after call %d: %s again", n, call)
			}
		}
		// What the journal knows to be there is not pushed again; the journal may
		// lack the last step.
		for _, repository := range pushedBefore[:max(0, len(pushedBefore)-1)] {
			if slices.Contains(k.calls, "push "+repository) {
				t.Errorf("after call %d: %s was pushed again", n, repository)
			}
		}
		for _, tag := range []string{"registry.lan/a:latest", "registry.lan/a:12.20261121", "registry.lan/b:latest"} {
			if k.tags[tag] != pushed {
				t.Errorf("after call %d: %s is missing", n, tag)
			}
		}
		if result.Chunks == nil || result.Boot == nil || result.Checks == nil || len(result.Published) != 2 {
			t.Errorf("after call %d: result %+v", n, result)
		}
	}
}

// TestResumeWithAChangedMind publishes to one more target, and under one more tag.
func TestResumeWithAChangedMind(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(in.Out, ProvenanceName))
	if err != nil {
		t.Fatal(err)
	}
	k.calls = nil
	more := strings.Replace(twoTargets, "lan/b}", "lan/b, tags: [stable, latest]}\n  - {to: \"oci:out/{git}{date}\"}", 1)
	if _, err := Run(t.Context(), again(t, in, more), k.services()); err != nil {
		// The image was built from no commit.
		if list := (*diag.ListError)(nil); !errors.As(err, &list) || list.List[0].Code != "unknown-fact" {
			t.Fatal(err)
		}
	} else {
		t.Error("the commit of today names the image of yesterday")
	}
	k.calls = nil
	more = strings.Replace(more, "{git}", "", 1)
	if _, err := Run(t.Context(), again(t, in, more), k.services()); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"push registry.lan/a", "push registry.lan/b", "build", "check", "boot", "chunk"} {
		if slices.Contains(k.calls, call) {
			t.Errorf("%s again", call)
		}
	}
	for _, call := range []string{"tag registry.lan/b:stable", "place oci:out/20261121:latest", "reopen layout"} {
		if !slices.Contains(k.calls, call) {
			t.Errorf("no %q in %q", call, k.calls)
		}
	}
	if now, err := os.ReadFile(filepath.Join(in.Out, ProvenanceName)); err != nil || string(now) != string(said) {
		t.Errorf("how the image came to be is told otherwise: %v", err)
	}
}

// TestResumePassesAgainWhatChanged runs the stages that are told something else.
func TestResumePassesAgainWhatChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		// lose changes the output folder.
		lose string
		want []string
	}{
		"another test":     {twoTargets + "tests: {files: {present: [/usr/lib/os-release]}}\n", "", []string{"check"}},
		"another boot":     {twoTargets + "boot: {timeout: 9m}\n", "", []string{"boot"}},
		"other layers":     {twoTargets + "chunk: {layers: 7}\n", "", []string{"chunk", "push registry.lan/a", "push registry.lan/b"}},
		"a report is gone": {twoTargets, "check.json", []string{"check"}},
		"a layout is gone": {twoTargets, "layout/index.json", []string{"chunk", "push registry.lan/a", "push registry.lan/b"}},
		"only other lines": {"\n\n" + twoTargets, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, in := newKiln(t), load(t, twoTargets)
			if _, err := Run(t.Context(), in, k.services()); err != nil {
				t.Fatal(err)
			}
			if c.lose != "" {
				if err := os.Remove(filepath.Join(in.Out, c.lose)); err != nil {
					t.Fatal(err)
				}
			}
			k.calls = nil
			if _, err := Run(t.Context(), again(t, in, c.text), k.services()); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, call := range k.calls {
				if slices.Contains([]string{"build", "check", "boot", "chunk"}, call) || strings.HasPrefix(call, "push ") {
					got = append(got, call)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestResumeOfAnotherImage says where the recipe is another one.
func TestResumeOfAnotherImage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, where string }{
		"another step":  {strings.Replace(twoTargets, "sign:", "run: [{name: x, shell: \"true\"}]\nsign:", 1), "recipe.yaml:5:7"},
		"another base":  {strings.Replace(twoTargets, "os/base", "os/other", 1), "recipe.yaml:4:15"},
		"another label": {strings.Replace(twoTargets, "sign:", "labels: {a: b}\nsign:", 1), "recipe.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, in := newKiln(t), load(t, twoTargets)
			if _, err := Run(t.Context(), in, k.services()); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(filepath.Join(in.Out, "Containerfile"))
			if err != nil {
				t.Fatal(err)
			}
			k.calls = nil
			_, err = Run(t.Context(), again(t, in, c.text), k.services())
			var list *diag.ListError
			if !errors.As(err, &list) || list.List[0].Code != CodeChanged || list.List[0].Hint == "" {
				t.Fatalf("want a problem of the recipe, got %v", err)
			}
			if pos := list.List[0].Pos.String(); !strings.HasPrefix(pos, c.where) {
				t.Errorf("it is said to be at %s", pos)
			}
			if len(k.calls) > 0 {
				t.Errorf("did %q", k.calls)
			}
			// Taken back, it can be resumed.
			if now, err := os.ReadFile(filepath.Join(in.Out, "Containerfile")); err != nil || string(now) != string(before) {
				t.Errorf("the Containerfile is another one: %v", err)
			}
			if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestResumeNothing says what cannot be resumed.
func TestResumeNothing(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	in.Resume = journal.New()
	var refused *ResumeError
	if _, err := Run(t.Context(), in, k.services()); !errors.As(err, &refused) || refused.MendHint() == "" || len(k.calls) > 0 {
		t.Errorf("without an image: %v, %q", err, k.calls)
	}

	in.Resume = nil
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	built := filepath.Base(k.img.Location())
	// The layers are enough.
	k.gone, k.calls = []string{built}, nil
	if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); err != nil {
		t.Error(err)
	}
	k.gone = append(k.gone, "layout")
	if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); !errors.As(err, &refused) {
		t.Errorf("without image and layers: %v", err)
	}
}

// The base is what it was, whatever its tag names by now.
func TestResumeKeepsTheBase(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	k.fail["resolve base"] = errBroken
	if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); err != nil {
		t.Error(err)
	}
}

// TestWordsOf is about what a digest of words does not depend on.
func TestWordsOf(t *testing.T) {
	t.Parallel()
	at := func(line int, value string) recipe.Boot {
		return recipe.Boot{Target: recipe.String{Value: value, Pos: diag.Pos{File: "a", Line: line, Col: 1}}}
	}
	if wordsOf(at(1, "x")) != wordsOf(at(2, "x")) || wordsOf(at(1, "x")) == wordsOf(at(1, "y")) {
		t.Error("words are their values, and not their places")
	}
}
