package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// kiln does every stage in memory, and writes down what it was asked for.
type kiln struct {
	calls []string
	// fail maps a call to the error that it ends with.
	fail map[string]error
	img  image.Image
	// base is what the image that was checked is made from.
	base string
	// booted is what an image was booted with.
	booted boot.Options
	// previous is what the registry has, and chunking what the layers were asked to be.
	previous image.Image
	chunking chunk.RewriteOptions
	// found is what asking for names finds.
	found diag.List
	// tags is what the registry has.
	tags map[string]digest.Digest
	// pushed is where the image was pushed to.
	pushed []string
	// created is when an image was made that the registry has, and layers what it
	// is made of.
	created time.Time
	layers  []digest.Digest
	// said is what was attested, by type.
	said map[string][]byte
	// gone are the images of earlier runs that are not there any more.
	gone []string
}

var errBroken = errors.New("broken")

const based = digest.Digest("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

const pushed = digest.Digest("sha256:fedcba98765432100123456789abcdeffedcba98765432100123456789abcdef")

func (k *kiln) did(call string) error {
	k.calls = append(k.calls, call)
	return k.fail[call]
}

func (k *kiln) services() Services {
	clock := time.Unix(0, 0)
	return Services{
		ResolveBase: func(context.Context, recipe.Base, progress.Stage) (plan.BaseInfo, error) {
			return plan.BaseInfo{Digest: string(based), Distro: plan.Distro{ID: "debian", Version: "12"}}, k.fail["resolve base"]
		},
		PlaceReady: func(_ context.Context, to, name string) error { return k.did("ready " + to + ":" + name) },
		Place: func(_ context.Context, _ image.Image, to, name string, _ progress.Stage) (image.Pinned, error) {
			return image.Pinned{Repository: to, Digest: pushed}, k.did("place " + to + ":" + name)
		},
		Find: func(_ context.Context, repository, tagOrDigest string) (image.Pinned, error) {
			d, there := k.tags[repository+":"+tagOrDigest]
			if slices.Contains(k.pushed, repository) && tagOrDigest == pushed.String() {
				d, there = pushed, true
			}
			if !there {
				return image.Pinned{}, k.fail["find"]
			}
			return image.Pinned{Repository: repository, Digest: d}, k.fail["find"]
		},
		Config: func(context.Context, image.Pinned) (*imgspecv1.Image, error) {
			return &imgspecv1.Image{Created: &k.created, RootFS: imgspecv1.RootFS{DiffIDs: k.layers}}, k.did("config")
		},
		Reopen: func(_ context.Context, location string) (image.Image, error) {
			k.calls = append(k.calls, "reopen "+filepath.Base(location))
			if slices.Contains(k.gone, filepath.Base(location)) {
				return nil, errors.New("it is gone")
			}
			return k.img, nil
		},
		Preflight: func(_ context.Context, repository string) error { return k.did("preflight " + repository) },
		Resolve: func(_ context.Context, query *containerfile.File, _ progress.Stage) (diag.List, error) {
			return k.found, k.did("resolve " + query.Name)
		},
		Build: func(context.Context, *containerfile.File, progress.Stage) (image.Image, error) {
			return k.img, k.did("build")
		},
		Check: func(_ context.Context, _ image.Image, base string, _ []recipe.Repo) (*check.Report, error) {
			k.base = base
			report := &check.Report{Rules: []check.Outcome{{ID: "kernel"}}}
			if k.fail["check"] != nil {
				report.Errors = 1
				report.Rules[0].Findings = 1
			}
			k.calls = append(k.calls, "check")
			return report, nil
		},
		BootReady: func(context.Context) error { return k.did("ready to boot") },
		Boot: func(_ context.Context, img image.Image, o boot.Options) (*boot.Result, error) {
			k.booted = o
			b := &boot.Result{Image: img.Location(), Verdict: boot.Booted, Target: o.Target, Log: []byte("Linux\n")}
			k.calls = append(k.calls, "boot")
			if k.fail["boot"] != nil {
				b.Verdict, b.Failure = boot.Failed, &boot.Failure{Class: boot.Panic}
			}
			return b, nil
		},
		Previous: func(_ context.Context, ref string) (image.Image, io.Closer, error) {
			return k.previous, nil, k.did("previous " + ref)
		},
		Chunk: func(_ context.Context, img image.Image, dir string, o chunk.RewriteOptions) (image.Image, *chunk.Report, error) {
			k.chunking = o
			err := os.MkdirAll(dir, 0o755)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "index.json"), []byte("{}"), 0o644)
			}
			return img, &chunk.Report{Size: 3}, errors.Join(err, k.did("chunk"))
		},
		Push: func(_ context.Context, _ image.Image, repository string, _ progress.Stage) (image.Pinned, error) {
			if err := k.did("push " + repository); err != nil {
				return image.Pinned{}, err
			}
			k.pushed = append(k.pushed, repository)
			return image.Pinned{Repository: repository, Digest: pushed}, nil
		},
		Sign: func(_ context.Context, p image.Pinned) error { return k.did("sign " + p.Repository) },
		Attest: func(_ context.Context, p image.Pinned, predicateType string, predicate []byte) error {
			k.said[predicateType] = predicate
			return k.did("attest " + p.Repository + " " + path.Base(predicateType))
		},
		Verify: func(_ context.Context, p image.Pinned, attested []string) error {
			return k.did(fmt.Sprintf("verify %s %d", p.Repository, len(attested)))
		},
		Tag: func(_ context.Context, p image.Pinned, tag string) error {
			if err := k.did("tag " + p.Repository + ":" + tag); err != nil {
				return err
			}
			k.tags[p.Repository+":"+tag] = p.Digest
			return nil
		},
		Progress: progress.Discard,
		Now: func() time.Time {
			clock = clock.Add(time.Second)
			return clock
		},
	}
}

func newKiln(t *testing.T) *kiln {
	t.Helper()
	return &kiln{
		fail: map[string]error{}, tags: map[string]digest.Digest{}, said: map[string][]byte{},
		img: fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{
			"usr/lib/os-release":               fakeimage.Text("VERSION_ID=12\n"),
			"usr/lib/modules/6.1.0-56/vmlinuz": fakeimage.Text(""),
		}),
	}
}

func load(t *testing.T, text string) Input {
	t.Helper()
	project := fstest.MapFS{"recipe.yaml": {Data: []byte(text)}}
	r, _, problems, err := recipe.Load(project, "recipe.yaml", recipe.Options{})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	return Input{
		Recipe: r, Project: project, Out: t.TempDir(), Facts: Facts{Time: facts.Time},
		Origin: Origin{Recipe: digest.FromString(text), File: "recipe.yaml", Tool: "bootkiln-1", Builder: provenance.Builder{ID: "https://kiln.example"}},
	}
}

const twoTargets = `
version: 1
name: kiln
base: {image: quay.io/os/base, distro: debian-12}
sign: {key: "env://KEY"}
publish:
  - {to: registry.lan/a, tags: [latest, "{version}.{date}", "k{kernel}"]}
  - {to: registry.lan/b}
`

// What is asked for of each part of a run.
var (
	beforeBuild = []string{"ready to boot", "preflight registry.lan/a", "preflight registry.lan/b"}
	targetA     = []string{
		"push registry.lan/a", "sign registry.lan/a", "attest registry.lan/a Document", "attest registry.lan/a v1", "verify registry.lan/a 2",
		"tag registry.lan/a:12.20261121", "tag registry.lan/a:k6.1.0-56", "tag registry.lan/a:latest", "verify registry.lan/a 2",
	}
	targetB = []string{
		"push registry.lan/b", "sign registry.lan/b", "attest registry.lan/b Document", "attest registry.lan/b v1", "verify registry.lan/b 2",
		"tag registry.lan/b:latest", "verify registry.lan/b 2",
	}
)

func TestRun(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	result, err := Run(t.Context(), in, k.services())
	if err != nil {
		t.Fatal(err)
	}
	// What the promises say: checked before it is pushed, signed and verified
	// before it is tagged, the floating tag last, and read back at the end.
	want := slices.Concat(beforeBuild, []string{"build", "check", "boot", "previous registry.lan/a:latest", "chunk"}, targetA, targetB)
	if diff := cmp.Diff(want, k.calls); diff != "" {
		t.Error(diff)
	}
	if k.base != "quay.io/os/base@"+string(based) {
		t.Errorf("checked against the base %q", k.base)
	}
	var written Result
	b, err := os.ReadFile(filepath.Join(in.Out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*result, written); diff != "" {
		t.Errorf("result.json is not the result: %s", diff)
	}
	if p := result.Published[0]; !p.Signed || !p.Verified || len(p.Tags) != 3 || p.Digest != pushed {
		t.Errorf("published %+v", p)
	}
	for _, name := range []string{"Containerfile", "check.json", "boot.json", "console.log", "journal.json", "sbom.spdx.json", "provenance.json", "chunk.json"} {
		if _, err := os.Stat(filepath.Join(in.Out, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestRunAsksForNames stands between what is cheap and what is long.
func TestRunAsksForNames(t *testing.T) {
	t.Parallel()
	text := strings.Replace(twoTargets, "sign:", "packages: {install: [wien]}\nsign:", 1)
	for name, run := range map[string]func(context.Context, Input, Services) (*Result, error){"Run": Run, "Build": Build} {
		before := slices.Clone(beforeBuild)
		if name == "Build" {
			before = slices.Clone(beforeBuild[:1])
		}
		k := newKiln(t)
		k.found = diag.List{{Severity: diag.Note, Code: "unknown-package", Message: "optional"}}
		result, err := run(t.Context(), load(t, text), k.services())
		if err != nil {
			t.Fatal(err)
		}
		want := append(slices.Clone(before), "resolve kiln", "build")
		if diff := cmp.Diff(want, k.calls[:len(want)]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !slices.ContainsFunc(result.Stages, func(s StageTime) bool { return s.Name == "resolve" && s.Seconds > 0 }) {
			t.Errorf("%s: the stages are %v", name, result.Stages)
		}

		k = newKiln(t)
		k.found = diag.List{{Code: "unknown-package", Message: "there is no wien"}}
		var problems *diag.ListError
		if _, err := run(t.Context(), load(t, text), k.services()); !errors.As(err, &problems) {
			t.Errorf("%s: error = %v", name, err)
		}
		if diff := cmp.Diff(append(before, "resolve kiln"), k.calls); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Whatever stage fails, nothing after it happens to that target, and above all
// no tag is written.
func TestRunStops(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{
		"preflight registry.lan/a", "build", "check", "boot", "chunk", "push registry.lan/a", "sign registry.lan/a",
		"attest registry.lan/a Document", "attest registry.lan/a v1", "verify registry.lan/a 2", "tag registry.lan/a:12.20261121",
	} {
		t.Run(failing, func(t *testing.T) {
			t.Parallel()
			k, in := newKiln(t), load(t, twoTargets)
			in.Recipe.Publish = in.Recipe.Publish[:1]
			k.fail[failing] = errBroken
			result, err := Run(t.Context(), in, k.services())
			switch {
			case failing == "check":
				if failed := (*check.FailedError)(nil); !errors.As(err, &failed) {
					t.Errorf("want a failed check, got %v", err)
				}
			case failing == "boot":
				if failed := (*boot.FailedError)(nil); !errors.As(err, &failed) {
					t.Errorf("want a failed boot, got %v", err)
				}
			case !errors.Is(err, errBroken):
				t.Errorf("want %v, got %v", errBroken, err)
			}
			if last := k.calls[len(k.calls)-1]; last != failing {
				t.Errorf("went on after %q to %q", failing, last)
			}
			if result.Error == "" {
				t.Error("the result does not say why it ended")
			}
			for _, p := range result.Published {
				if len(p.Tags) > 0 {
					t.Errorf("the result says that %v were written", p.Tags)
				}
			}
		})
	}
}

func TestRunStopsAtTests(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	in := load(t, twoTargets+"tests: {files: {present: [/usr/bin/plasmashell]}}\n")
	result, err := Run(t.Context(), in, k.services())
	var failed *TestError
	if !errors.As(err, &failed) || failed.List[0].Line != 9 {
		t.Errorf("want the test at its line, got %v", err)
	}
	if last := k.calls[len(k.calls)-1]; last != "check" {
		t.Errorf("went on to %q", last)
	}
	if result.Checks.FailedTests != 1 || len(result.Tests) != 1 || result.Tests[0].Line != 9 {
		t.Errorf("the result has the tests %v and counts %+v", result.Tests, result.Checks)
	}
	var report struct{ Tests diag.List }
	b, err := os.ReadFile(filepath.Join(in.Out, "check.json"))
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if diff := cmp.Diff(result.Tests, report.Tests); err != nil || diff != "" {
		t.Errorf("check.json: %v, %s", err, diff)
	}
}

// What is wrong with the recipe, or was told of it, is in the result.
func TestResultHasProblems(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	in := load(t, strings.Replace(twoTargets, "sign:", "packages: {install: [wien]}\nsign:", 1))
	in.Warnings = diag.List{{Severity: diag.Warning, Code: "unsigned", Message: "told before"}}
	s := k.services()
	s.ResolveBase = func(context.Context, recipe.Base, progress.Stage) (plan.BaseInfo, error) {
		return plan.BaseInfo{Distro: plan.Distro{ID: "fedora", Version: "43"}}, nil
	}
	k.found = diag.List{{Code: "unknown-package", Message: "there is no wien"}}
	result, err := Run(t.Context(), in, s)
	if err == nil {
		t.Fatal("it went well")
	}
	var got []string
	for _, d := range result.Problems {
		got = append(got, d.Severity.String()+" "+d.Code)
	}
	want := []string{"error unknown-package", "warning unsigned", "warning other-distribution"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A tag that cannot be named is found before the build, not after it.
func TestRunNamesTagsFirst(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	in := load(t, strings.Replace(twoTargets, "latest,", "\"{git}\",", 1))
	_, err := Run(t.Context(), in, k.services())
	var problems *diag.ListError
	if !errors.As(err, &problems) || problems.List[0].Code != "unknown-fact" {
		t.Errorf("want a problem of the recipe, got %v", err)
	}
	if diff := cmp.Diff(beforeBuild[:1], k.calls); diff != "" {
		t.Errorf("did %s", diff)
	}
}

// All targets are named before the first is published, and all that cannot be
// written to are told at once.
func TestRunKnowsAllTargetsFirst(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, strings.Replace(twoTargets, "lan/b}", "lan/b, tags: [\"{minor}\"]}", 1))
	_, err := Run(t.Context(), in, k.services())
	if problems := (*diag.ListError)(nil); !errors.As(err, &problems) || problems.List[0].Code != "unknown-fact" {
		t.Errorf("want a problem of the recipe, got %v", err)
	}
	if last := k.calls[len(k.calls)-1]; last != "boot" {
		t.Errorf("went on to %q", last)
	}

	k, in = newKiln(t), load(t, twoTargets)
	k.fail["preflight registry.lan/a"], k.fail["preflight registry.lan/b"] = errBroken, errors.New("closed")
	if _, err := Run(t.Context(), in, k.services()); err == nil || err.Error() != "broken\nclosed" {
		t.Errorf("want both targets to be told, got %v", err)
	}
}

// A push names no tag that was not asked for.
func TestPushWithoutTag(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	in.Recipe.Publish = in.Recipe.Publish[1:]
	result, err := Push(t.Context(), in, k.img, k.services())
	if err != nil {
		t.Fatal(err)
	}
	if len(k.tags) > 0 || !result.Published[0].Verified {
		t.Errorf("tags %v, published %+v", k.tags, result.Published)
	}
}

func TestPushWithoutKey(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	s := k.services()
	s.Sign, s.Attest, s.Verify = nil, nil, nil
	if _, err := Push(t.Context(), in, k.img, s); err != nil {
		t.Fatal(err)
	}
	if len(k.tags) > 0 {
		t.Errorf("an unsigned image got the tags %v", k.tags)
	}
}
