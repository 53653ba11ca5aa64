//go:build e2e

package test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

const installCache = "--mount=type=cache,id=e2e-names,target=/cache "

// query is one that says those lines.
func query(lines ...string) *containerfile.File {
	text := ""
	for _, l := range lines {
		text += `printf '` + strings.ReplaceAll(l, "\t", `\t`) + `\n'; `
	}
	return containerFile("RUN " + installCache + text + "exit 1")
}

// resolver resolves in a store of its own.
type resolver struct {
	*testStore
	*build.Builder
}

func newResolver(t testing.TB) *resolver {
	s := newTestStore(t)
	return &resolver{s, s.open(t)}
}

// images counts those of the store.
func (r *resolver) images(t testing.TB) int {
	t.Helper()
	list, err := r.store(t).Images()
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func (r *resolver) resolve(t testing.TB, f *containerfile.File, o build.Options) (diag.List, *recorder, error) {
	t.Helper()
	rec := newRecorder()
	o.Stage, o.MinFree, o.Project = rec, -1, fstest.MapFS{}
	before := r.images(t)
	list, err := r.Resolve(t.Context(), f, o)
	if after := r.images(t); after != before {
		t.Errorf("the store has %d images, and had %d", after, before)
	}
	r.assertClean(t, "")
	return list, rec, err
}

func TestResolveJudges(t *testing.T) {
	t.Parallel()
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			r := newResolver(t)
			f := query("reading", "bootkiln:problem\tunknown-package\t--install=wien\tno repository has it",
				"bootkiln:note\tunknown-package\trare\tnor this", "bootkiln:known\tunknown-package\twine", "bootkiln:answered")
			at := diag.Pos{File: "recipe.yaml", Line: 7, Col: 3}
			f.Words = map[int][]plan.Word{2: {{Value: "--install=wien", Origin: at}}}
			list, rec, err := r.resolve(t, f, build.Options{Isolation: isolation})
			if err != nil {
				t.Fatal(err)
			}
			want := diag.List{
				{Pos: at, Code: "unknown-package", Message: "no repository has it", Hint: `did you mean "wine"?`},
				{Pos: f.Origin(2), Severity: diag.Note, Code: "unknown-package", Message: "nor this"},
			}
			if diff := cmp.Diff(want, list); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.Contains(rec.text(), "reading\n") || strings.Contains(rec.text(), "\nbootkiln:") {
				t.Errorf("output:\n%s", rec.text())
			}
		})
	}
}

func TestResolveWithoutAnswer(t *testing.T) {
	t.Parallel()
	r := newResolver(t)
	var repository *build.RepositoryError
	_, _, err := r.resolve(t, query("bootkiln:problem\tx\ty\tz", "bootkiln:unreadable\tone is gone", "bootkiln:unreadable\tso is two", "bootkiln:answered"), build.Options{})
	if !errors.As(err, &repository) || !cmp.Equal(repository.Reasons, []string{"one is gone", "so is two"}) {
		t.Errorf("error = %v, want one of repositories", err)
	}
	var step *build.StepError
	if _, _, err := r.resolve(t, query("the program crashed"), build.Options{}); !errors.As(err, &step) || step.ExitCode != 1 {
		t.Errorf("error = %v, want one of a step", err)
	}
}

// TestResolveRemembers asks again when the answer may be another one.
func TestResolveRemembers(t *testing.T) {
	t.Parallel()
	r := newResolver(t)
	asked := func(f *containerfile.File, o build.Options) bool {
		t.Helper()
		_, rec, err := r.resolve(t, f, o)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(rec.text(), "asking")
	}
	one, two := query("asking one", "bootkiln:answered"), query("asking two", "bootkiln:answered")
	other := query("asking one", "bootkiln:answered")
	other.Name = "other"
	bad := query("asking", "bootkiln:problem\tx\ty\tz", "bootkiln:answered")
	for i, step := range []struct {
		f    *containerfile.File
		o    build.Options
		want bool
	}{
		{one, build.Options{}, true},
		{one, build.Options{}, false},
		{one, build.Options{NoCache: true}, true},
		{other, build.Options{}, true},
		{one, build.Options{}, false},
		{two, build.Options{}, true},
		{one, build.Options{}, false},
		{bad, build.Options{}, true},
		{bad, build.Options{}, true},
		{one, build.Options{}, true},
		{one, build.Options{}, false},
	} {
		if got := asked(step.f, step.o); got != step.want {
			t.Errorf("query %d was asked: %v, want %v", i, got, step.want)
		}
	}
	for _, step := range []struct {
		instruction string
		want        bool
	}{{"RUN exit 1", false}, {"RUN " + installCache + "exit 1", true}} {
		if _, err := r.Build(t.Context(), containerFile(step.instruction), build.Options{MinFree: -1, Project: fstest.MapFS{}}); err == nil {
			t.Fatal("the build ended well")
		}
		if got := asked(one, build.Options{}); got != step.want {
			t.Errorf("after %q it was asked: %v, want %v", step.instruction, got, step.want)
		}
	}
}

func TestResolveIsStopped(t *testing.T) {
	t.Parallel()
	r := newResolver(t)
	ctx, cancel := context.WithCancel(t.Context())
	rec := newRecorder()
	rec.seen = func(line string) {
		if line == "sleeping" {
			cancel()
		}
	}
	_, err := r.Resolve(ctx, containerFile("RUN echo sleeping; sleep 100000"), build.Options{Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	r.assertClean(t, "")
}

// TestStepSaysItsProblems is about steps of a build: one that fails, and one
// that goes on.
func TestStepSaysItsProblems(t *testing.T) {
	t.Parallel()
	r := newResolver(t)
	at := diag.Pos{File: "recipe.yaml", Line: 7, Col: 3}
	f := containerFile(
		`RUN printf 'bootkiln:warning\tunknown-unit\tone\tit is masked\n'`,
		`RUN printf 'bootkiln:problem\tunknown-unit\ttwo\tthere is none\n'; exit 1`,
	)
	f.Words = map[int][]plan.Word{3: {{Value: "two", Origin: at}}}
	rec := newRecorder()
	_, err := r.Build(t.Context(), f, build.Options{Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
	var problems *diag.ListError
	if !errors.As(err, &problems) {
		t.Fatalf("error = %v, want problems", err)
	}
	if diff := cmp.Diff(diag.List{{Pos: at, Code: "unknown-unit", Message: "there is none"}}, problems.List); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"recipe.yaml:20:1: it is masked (unknown-unit)"}, rec.warns); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	// A problem is none of a step that ends well.
	rec = mustBuild(t, r.Builder, containerFile(`RUN printf 'bootkiln:problem\tx\ty\tnot so bad\n'`), build.Options{})
	if diff := cmp.Diff([]string{"recipe.yaml:20:1: not so bad (x)"}, rec.warns); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
