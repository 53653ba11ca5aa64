package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// TestChunk pushes what was cut, in the way that the recipe says, next to what
// machines have.
func TestChunk(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets+"chunk: {layers: 64, largest: 256MiB}\n")
	k.previous = fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{})
	chunked := fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{})
	s := k.services()
	var log bytes.Buffer
	s.Progress = progress.NewPlain(&log)
	var dir string
	s.Chunk = func(_ context.Context, img image.Image, to string, o chunk.RewriteOptions) (image.Image, *chunk.Report, error) {
		if img != k.img {
			t.Error("another image is cut than was built")
		}
		dir, k.chunking = to, o
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "index.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		update := &chunk.Prediction{Bytes: 2, Layers: 3, Reused: 2, Causes: []chunk.Cause{{Group: "kde", Own: 2, Files: []string{"etc/motd: content"}}}}
		return chunked, &chunk.Report{Size: 3, Notes: []string{"a note"}, Update: update}, nil
	}
	s.Push = func(_ context.Context, img image.Image, repository string, _ progress.Stage) (image.Pinned, error) {
		if img != chunked {
			t.Error("another image is pushed than was cut")
		}
		return image.Pinned{Repository: repository, Digest: pushed}, nil
	}
	if _, err := Run(t.Context(), in, s); err != nil {
		t.Fatal(err)
	}
	o := k.chunking
	if o.Layers != 64 || o.Largest != 256<<20 || o.Previous != k.previous || o.Stage == nil || dir != filepath.Join(in.Out, "layout") {
		t.Errorf("asked for %+v in %q", o, dir)
	}
	for _, line := range []string{"update: 2 B in 1 of 3 layers", "2 B  kde", "- etc/motd: content", "a note"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, &log)
		}
	}
	b, err := os.ReadFile(filepath.Join(in.Out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var written Result
	if err := json.Unmarshal(b, &written); err != nil || written.Chunks == nil || written.Chunks.Size != 3 {
		t.Errorf("result.json: %v, %v", err, written.Chunks)
	}
}

// TestChunkOff pushes the image as it was built, and asks for nothing.
func TestChunkOff(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets+"chunk: off\n")
	// There is no layout with the image of last night either.
	layout := filepath.Join(in.Out, LayoutDir)
	last := fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{"usr/bin/tool": fakeimage.Program("tool")})
	if _, _, err := chunk.Rewrite(t.Context(), last, layout, chunk.RewriteOptions{}); err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), in, k.services())
	if err != nil || result.Chunks != nil {
		t.Fatal(err, result.Chunks)
	}
	if _, err := os.Lstat(layout); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the layout: %v", err)
	}
	// What is somebody else's stays.
	if err := os.MkdirAll(filepath.Join(layout, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(layout, "mine")); err != nil {
		t.Error(err)
	}
	if slices.ContainsFunc(k.calls, func(c string) bool { return c == "chunk" || strings.HasPrefix(c, "previous") }) {
		t.Errorf("calls: %q", k.calls)
	}
}

// TestPreviousUnreachable makes the layers without it.
func TestPreviousUnreachable(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	k.fail["previous registry.lan/a:latest"] = errBroken
	if _, err := Run(t.Context(), load(t, twoTargets), k.services()); err != nil {
		t.Fatal(err)
	}
	if k.chunking.Previous != nil || !slices.Contains(k.calls, "tag registry.lan/a:latest") {
		t.Errorf("calls: %q", k.calls)
	}

	// An interruption is one.
	k = newKiln(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := k.services()
	previous := s.Previous
	s.Previous = func(ctx context.Context, ref string) (image.Image, io.Closer, error) {
		cancel()
		return previous(ctx, ref)
	}
	if _, err := Run(ctx, load(t, twoTargets), s); !errors.Is(err, context.Canceled) || slices.Contains(k.calls, "chunk") {
		t.Errorf("error: %v, calls: %q", err, k.calls)
	}
}

// TestChunkMisfit says at the recipe's words that they leave too little room.
func TestChunkMisfit(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"chunk: {layers: 64, largest: 1MiB}\n": "chunk.largest",
		"chunk: {layers: 4}\n":                 "chunk",
		"":                                     "chunk",
	} {
		k, in := newKiln(t), load(t, twoTargets+words)
		s := k.services()
		s.Chunk = func(context.Context, image.Image, string, chunk.RewriteOptions) (image.Image, *chunk.Report, error) {
			return nil, nil, fmt.Errorf("chunking: %w", &chunk.BudgetError{Needed: 300, Layers: 64, Largest: 1 << 20})
		}
		_, err := Run(t.Context(), in, s)
		var problems *diag.ListError
		if !errors.As(err, &problems) || len(problems.List) != 1 {
			t.Fatalf("%q: %v", words, err)
		}
		d := problems.List[0]
		if d.Path != want || !d.Pos.IsValid() || d.Message != "the image needs about 300 layers of at most 1.0 MiB each, and may have 64" || !strings.Contains(d.Hint, "--resume") {
			t.Errorf("%q: %+v", words, d)
		}
	}
}
