package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// layered is an image with layers of these digests.
type layered struct {
	image.Layered
	digests []digest.Digest
}

func (l layered) Layers() (list []imgspecv1.Descriptor) {
	for _, d := range l.digests {
		list = append(list, imgspecv1.Descriptor{Digest: d})
	}
	return list
}

var layerA, layerB, layerC = digest.FromString("a"), digest.FromString("b"), digest.FromString("c")

// newNightly is a kiln whose registry has an image with three layers, of which
// the second target has two.
func newNightly(t *testing.T) (*kiln, Services) {
	t.Helper()
	k := newKiln(t)
	k.previous = layered{digests: []digest.Digest{layerA, layerB, layerC}}
	k.tags = map[string]digest.Digest{"registry.lan/a:latest": based}
	s := k.services()
	has := map[string][]digest.Digest{"registry.lan/a": {layerA, layerB, layerC}, "registry.lan/b": {layerA, layerC}}
	s.Holds = func(_ context.Context, repository string, blobs []digest.Digest) ([]digest.Digest, error) {
		return slices.DeleteFunc(slices.Clone(blobs), func(d digest.Digest) bool { return !slices.Contains(has[repository], d) }), k.did("holds " + repository)
	}
	makes := s.Chunk
	s.Chunk = func(ctx context.Context, img image.Image, dir string, o chunk.RewriteOptions) (image.Image, *chunk.Report, error) {
		img, report, err := makes(ctx, img, dir, o)
		if report != nil {
			report.Held = len(o.Held)
		}
		return img, report, err
	}
	return k, s
}

// TestHeld leaves layers out that all targets have, where they can be trusted and
// nobody else gets them.
func TestHeld(t *testing.T) {
	t.Parallel()
	ofBoth := map[digest.Digest]bool{layerA: true, layerC: true}
	for name, test := range map[string]struct {
		text  string
		fails string
		gone  bool
		want  map[digest.Digest]bool
		ref   string
	}{
		"of both":         {text: twoTargets, want: ofBoth, ref: "registry.lan/a@" + based.String()},
		"not signed":      {text: twoTargets, fails: "verify registry.lan/a 0", ref: "registry.lan/a:latest"},
		"not said":        {text: twoTargets, fails: "holds registry.lan/b", ref: "registry.lan/a@" + based.String()},
		"a place":         {text: strings.Replace(twoTargets, "registry.lan/b", "oci:/srv/b", 1), ref: "registry.lan/a:latest"},
		"nothing to hold": {text: twoTargets, gone: true, ref: "registry.lan/a:latest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, s := newNightly(t)
			k.fail[test.fails] = errBroken
			if test.gone {
				k.tags, k.previous = map[string]digest.Digest{}, nil
			}
			result, err := Run(t.Context(), load(t, test.text), s)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.chunking.Held; !maps.Equal(test.want, got) || result.Chunks.Held != len(got) {
				t.Errorf("left out: %v", got)
			}
			if !slices.Contains(k.calls, "previous "+test.ref) {
				t.Errorf("calls: %q", k.calls)
			}
		})
	}
}

// TestLostLayers publishes all layers after a target wanted one that was left
// out, to all targets: at once, and in a run that is resumed.
func TestLostLayers(t *testing.T) {
	t.Parallel()
	losing := func(s Services, whole func() bool) Services {
		push := s.Push
		s.Push = func(ctx context.Context, img image.Image, repository string, st progress.Stage) (image.Pinned, error) {
			if repository == "registry.lan/b" && !whole() {
				return image.Pinned{}, fmt.Errorf("reading the layer: %w", fs.ErrNotExist)
			}
			return push(ctx, img, repository, st)
		}
		return s
	}
	k, s := newNightly(t)
	result, err := Run(t.Context(), load(t, twoTargets), losing(s, func() bool { return len(k.chunking.Held) == 0 }))
	if err != nil {
		t.Fatal(err)
	}
	cut := slices.DeleteFunc(slices.Clone(k.calls), func(c string) bool {
		return c != "chunk" && !strings.HasPrefix(c, "push ") && !strings.HasPrefix(c, "tag ")
	})
	want := []string{"chunk", "push registry.lan/a", "tag", "chunk", "push registry.lan/a", "tag", "push registry.lan/b", "tag"}
	for i := range cut {
		if strings.HasPrefix(cut[i], "tag ") {
			cut[i] = "tag"
		}
	}
	if diff := cmp.Diff(want, slices.Compact(cut)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if len(result.Published) != 2 || result.Published[1].Error != "" || result.Chunks.Held != 0 || result.Error != "" {
		t.Errorf("got %+v", result.Published)
	}

	// One that never has it is asked twice, and no more.
	k, s = newNightly(t)
	in := load(t, twoTargets)
	if _, err := Run(t.Context(), in, losing(s, func() bool { return false })); err == nil {
		t.Fatal("no error")
	}
	if n := len(slices.DeleteFunc(slices.Clone(k.calls), func(c string) bool { return c != "chunk" })); n != 2 {
		t.Errorf("cut %d times", n)
	}
}

// TestResumeWithoutLayers resumes a run whose layout lacks layers, and which
// could not push.
func TestResumeWithoutLayers(t *testing.T) {
	t.Parallel()
	begun := func() (*kiln, Services, Input) {
		k, s := newNightly(t)
		in := load(t, twoTargets)
		k.fail["push registry.lan/a"], k.fail["push registry.lan/b"] = errBroken, errBroken
		if _, err := Run(t.Context(), in, s); err == nil || len(k.chunking.Held) == 0 {
			t.Fatal(err, k.chunking.Held)
		}
		clear(k.fail)
		k.calls = nil
		return k, s, in
	}
	k, s, in := begun()
	if _, err := Run(t.Context(), again(t, in, twoTargets), s); err != nil || slices.Contains(k.calls, "chunk") {
		t.Errorf("error: %v, calls: %q", err, k.calls)
	}

	// A place that was not there before gets all layers.
	k, s, in = begun()
	if _, err := Run(t.Context(), again(t, in, twoTargets+"  - {to: \"oci:/srv/b\"}\n"), s); err != nil || k.chunking.Held != nil || !slices.Contains(k.calls, "chunk") {
		t.Errorf("error: %v, calls: %q, without %v", err, k.calls, k.chunking.Held)
	}

	// The layout is no substitute for the image that was built.
	k, s, in = begun()
	k.gone = []string{"fake:image"}
	var gone *ResumeError
	if _, err := Run(t.Context(), again(t, in, twoTargets), s); !errors.As(err, &gone) {
		t.Errorf("error: %v, calls: %q", err, k.calls)
	}
}
