package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/sbom"
)

// TestOneTargetFails at each of its steps, and the other is as if nothing were.
func TestOneTargetFails(t *testing.T) {
	t.Parallel()
	for i, failing := range targetA[:8] {
		t.Run(failing, func(t *testing.T) {
			t.Parallel()
			k, in := newKiln(t), load(t, twoTargets)
			k.fail[failing] = errBroken
			result, err := Run(t.Context(), in, k.services())
			var failed *PublishError
			if !errors.As(err, &failed) || failed.Of != 2 || len(failed.Failed) != 1 || failed.Failed[0].To != "registry.lan/a" || !errors.Is(err, errBroken) {
				t.Fatalf("got %v", err)
			}
			at := slices.Index(k.calls, targetA[0])
			if diff := cmp.Diff(slices.Concat(targetA[:i+1], targetB), k.calls[at:]); diff != "" {
				t.Error(diff)
			}
			a, b := result.Published[0], result.Published[1]
			if a.Error == "" || a.Target != "registry.lan/a" || b.Error != "" || len(b.Tags) != 1 || !b.Verified {
				t.Errorf("published %+v", result.Published)
			}
			if (a.Digest == "") != (i == 0) {
				t.Errorf("failing at %s, there is %q", failing, a.Digest)
			}
			// What is left is done by the next.
			delete(k.fail, failing)
			k.calls = nil
			if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); err != nil {
				t.Error(err)
			}
			if k.tags["registry.lan/a:latest"] != pushed || slices.Contains(k.calls, "push registry.lan/b") {
				t.Errorf("resuming did %q", k.calls)
			}
		})
	}
}

// TestOneTargetIsNotReady: before a build, that ends the run, and where there is no
// build any more, only the target.
func TestOneTargetIsNotReady(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, strings.Replace(twoTargets, "  - {to: registry.lan/a, tags: [latest, \"{version}.{date}\", \"k{kernel}\"]}\n", "", 1))
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	k.fail["preflight registry.lan/a"], k.calls = errBroken, nil
	result, err := Run(t.Context(), again(t, in, twoTargets), k.services())
	var failed *PublishError
	if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].To != "registry.lan/a" {
		t.Fatalf("got %v", err)
	}
	if slices.Contains(k.calls, "push registry.lan/a") || !slices.Contains(k.calls, "verify registry.lan/b 2") || result.Published[0].Error == "" {
		t.Errorf("did %q", k.calls)
	}
}

// down is a failure of a registry that may be over soon.
type down struct{}

func (down) Error() string { return "no answer" }
func (down) Passing() bool { return true }

// TestMirrorIsDown: it keeps nobody from an image, unless there is nobody else, and
// is asked once more when there is one.
func TestMirrorIsDown(t *testing.T) {
	t.Parallel()
	const mirror = "preflight registry.lan/a"
	for _, up := range []bool{false, true} {
		k, in := newKiln(t), load(t, twoTargets)
		k.fail[mirror] = down{}
		s := k.services()
		build := s.Build
		s.Build = func(ctx context.Context, f *containerfile.File, st progress.Stage) (image.Image, error) {
			if up {
				delete(k.fail, mirror)
			}
			return build(ctx, f, st)
		}
		result, err := Run(t.Context(), in, s)
		var failed *PublishError
		if errors.As(err, &failed) == up || !up && (len(failed.Failed) != 1 || !errors.Is(err, down{})) {
			t.Errorf("up %v: got %v", up, err)
		}
		a, b := result.Published[0], result.Published[1]
		if len(a.Tags) > 0 != up || a.Error == "" != up || len(b.Tags) != 1 {
			t.Errorf("up %v: published %+v", up, result.Published)
		}
	}

	k, in := newKiln(t), load(t, twoTargets)
	k.fail[mirror], k.fail["preflight registry.lan/b"] = down{}, down{}
	if _, err := Run(t.Context(), in, k.services()); !errors.Is(err, down{}) || slices.Contains(k.calls, "build") {
		t.Errorf("did %q: %v", k.calls, err)
	}
	k, in = newKiln(t), load(t, twoTargets)
	k.fail[mirror], k.fail["preflight registry.lan/b"] = down{}, errBroken
	if _, err := Run(t.Context(), in, k.services()); !errors.Is(err, errBroken) || slices.Contains(k.calls, "build") {
		t.Errorf("did %q: %v", k.calls, err)
	}
}

// An interruption is no failure of a target, after which the next would be tried.
func TestInterruptedBetweenTargets(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	k, in := newKiln(t), load(t, twoTargets)
	s := k.services()
	s.Sign = func(ctx context.Context, _ image.Pinned) error {
		cancel()
		return ctx.Err()
	}
	if _, err := Run(ctx, in, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if slices.Contains(k.calls, "push registry.lan/b") {
		t.Errorf("did %q", k.calls)
	}
}

// TestRegistryLostTheImage pushes it again.
func TestRegistryLostTheImage(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	k.pushed, k.tags, k.calls = []string{"registry.lan/b"}, map[string]digest.Digest{}, nil
	if _, err := Run(t.Context(), again(t, in, twoTargets), k.services()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(k.calls, "push registry.lan/a") || slices.Contains(k.calls, "push registry.lan/b") {
		t.Errorf("did %q", k.calls)
	}
}

const other = digest.Digest("sha256:1111111111111111111111111111111111111111111111111111111111111111")

// TestIfChanged writes nothing where the floating tag names an image that is the
// same but for its age.
func TestIfChanged(t *testing.T) {
	t.Parallel()
	writes := func(calls []string) bool {
		return slices.ContainsFunc(calls, func(c string) bool {
			return strings.HasPrefix(c, "push ") || strings.HasPrefix(c, "sign ") || strings.HasPrefix(c, "tag ")
		})
	}
	k, in := newKiln(t), load(t, twoTargets)
	in.IfChanged = true
	config, err := k.img.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.layers, k.created = config.RootFS.DiffIDs, time.Unix(1, 0)
	k.tags["registry.lan/a:latest"], k.tags["registry.lan/b:latest"] = other, other
	result, err := Run(t.Context(), in, k.services())
	if err != nil || !result.Unchanged || !result.Published[0].Unchanged || !result.Published[0].Verified || result.Published[0].Digest != other || writes(k.calls) {
		t.Errorf("%+v, %v, %q", result.Published, err, k.calls)
	}

	// Of one that clients do not accept, all is written.
	k.calls, k.fail["verify registry.lan/a 0"] = nil, errBroken
	if result, err = Run(t.Context(), in, k.services()); err != nil || result.Unchanged || result.Published[0].Unchanged || !result.Published[1].Unchanged {
		t.Errorf("%+v, %v", result.Published, err)
	}
	if k.tags["registry.lan/a:latest"] != pushed {
		t.Errorf("did %q", k.calls)
	}

	for name, change := range map[string]func(*kiln){
		"other layers": func(k *kiln) { k.layers = []digest.Digest{other} },
		"no image":     func(k *kiln) { k.fail["config"] = errBroken },
		"no tag":       func(k *kiln) { delete(k.tags, "registry.lan/a:latest") },
	} {
		k := newKiln(t)
		k.layers, k.tags["registry.lan/a:latest"] = config.RootFS.DiffIDs, other
		change(k)
		if result, err = Run(t.Context(), in, k.services()); err != nil || result.Unchanged || k.tags["registry.lan/a:latest"] != pushed {
			t.Errorf("%s: %+v, %v", name, result.Published, err)
		}
	}
}

// TestIfNewer leaves alone what was made later.
func TestIfNewer(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	in.IfNewer = true
	k.tags["registry.lan/a:latest"], k.created = other, time.Now()
	result, err := Run(t.Context(), in, k.services())
	if err != nil || k.tags["registry.lan/a:latest"] != other || k.tags["registry.lan/a:12.20261121"] != pushed {
		t.Errorf("%v, %v", k.tags, err)
	}
	if diff := cmp.Diff([]string{"latest"}, result.Published[0].Kept); diff != "" {
		t.Error(diff)
	}
	// What was made earlier, or does not say when, gives way.
	k.created = time.Time{}
	if result, err = Run(t.Context(), in, k.services()); err != nil || k.tags["registry.lan/a:latest"] != pushed || result.Published[0].Kept != nil {
		t.Errorf("%v, %v", k.tags, err)
	}
}

// TestSomebodyElsePublishes between the look before the build and the tag.
func TestSomebodyElsePublishes(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	s, said := k.services(), &warnings{Reporter: progress.Discard}
	s.Progress = said
	verify := s.Verify
	s.Verify = func(ctx context.Context, p image.Pinned, attested []string) error {
		if k.tags["registry.lan/a:latest"] == "" {
			k.tags["registry.lan/a:latest"] = other
		}
		return verify(ctx, p, attested)
	}
	if _, err := Run(t.Context(), in, s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tag"}, said.all); diff != "" {
		t.Errorf("warned of: %s", diff)
	}
	if k.tags["registry.lan/a:latest"] != pushed {
		t.Error("the tag names the other image")
	}
}

// unseen is a refusal to say what a tag names.
type unseen struct{ byLogin bool }

func (unseen) Error() string   { return "who are you?" }
func (u unseen) Refused() bool { return u.byLogin }

// TestFirstPublish goes to a repository that is not there yet, of a registry that
// shows nobody what is not there. Another failure to look ends it before the build.
func TestFirstPublish(t *testing.T) {
	t.Parallel()
	for _, byLogin := range []bool{true, false} {
		k, in := newKiln(t), load(t, twoTargets)
		s := k.services()
		find := s.Find
		s.Find = func(ctx context.Context, repository, tag string) (image.Pinned, error) {
			if !slices.Contains(k.pushed, repository) {
				return image.Pinned{}, fmt.Errorf("looking: %w", unseen{byLogin})
			}
			return find(ctx, repository, tag)
		}
		_, err := Run(t.Context(), in, s)
		if byLogin && (err != nil || k.tags["registry.lan/a:latest"] != pushed || k.tags["registry.lan/b:latest"] != pushed) {
			t.Errorf("%v, %v", k.tags, err)
		}
		if !byLogin && (err == nil || slices.Contains(k.calls, "build")) {
			t.Errorf("%v after %q", err, k.calls)
		}
	}
}

// TestPlaces are written under one name, and neither signed nor tagged.
func TestPlaces(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, `
version: 1
name: kiln
base: {image: quay.io/os/base, distro: debian-12}
publish:
  - {to: "oci-archive:out/kiln-{date}.tar"}
  - {to: "containers-storage:localhost/kiln-{version}", tags: ["{kernel}"]}
`)
	s := k.services()
	s.Sign, s.Attest, s.Verify = nil, nil, nil
	result, err := Run(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ready to boot", "ready oci-archive:out/kiln-20261121.tar:latest", "build", "check", "boot", "chunk",
		"place oci-archive:out/kiln-20261121.tar:latest", "place containers-storage:localhost/kiln-12:6.1.0-56",
	}
	if diff := cmp.Diff(want, k.calls); diff != "" {
		t.Error(diff)
	}
	if p := result.Published[1]; p.Signed || p.Digest != pushed || !slices.Equal(p.Tags, []string{"6.1.0-56"}) {
		t.Errorf("published %+v", p)
	}

	// One that is named by what nobody knows is found before the build.
	in = load(t, strings.Replace(twoTargets, "to: registry.lan/b", "to: \"oci:out/{digest}\"", 1))
	k.calls = nil
	if _, err := Run(t.Context(), in, s); err == nil || !strings.Contains(err.Error(), "{digest}") || slices.Contains(k.calls, "build") {
		t.Errorf("%v after %q", err, k.calls)
	}
}

// TestWhatIsSaid of the image is the same wherever it goes.
func TestWhatIsSaid(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	for kind, words := range map[string][]string{
		sbom.PredicateType:       {`"SPDX-2.3"`, `bootkiln-1`},
		provenance.PredicateType: {`"https://kiln.example"`, based.Encoded(), `check.json`, `boot.json`, in.Origin.Recipe.Encoded()},
	} {
		for _, w := range words {
			if !strings.Contains(string(k.said[kind]), w) {
				t.Errorf("%s lacks %s:\n%s", kind, w, k.said[kind])
			}
		}
	}
	// Of an image that was not built here, nobody knows how it came to be.
	k = newKiln(t)
	in.Out = ""
	if _, err := Push(t.Context(), in, k.img, k.services()); err != nil || len(k.said) != 1 {
		t.Errorf("%v, said %d things", err, len(k.said))
	}
}
