package chunk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// TestStaleIsMadeAnew has layers that cannot stay.
func TestStaleIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before   func(*packages)
		change   func(*packages)
		previous func(image.Image) image.Image
		note     string
	}{
		"a file becomes a directory": {change: func(p *packages) {
			delete(p.files["p1"], "usr/lib/p1/soft")
			p.files["p1"]["usr/lib/p1/soft/x"] = fakeimage.Text("x")
		}, note: "in the image"},
		"a directory becomes a link": {change: func(p *packages) {
			p.files["p1"]["usr/share/p1/old"] = fakeimage.Link("new")
		}, note: "in the image"},
		"a name is too long to be removed": {before: func(p *packages) {
			p.files["p1"]["usr/share/p1/"+strings.Repeat("n", 252)] = fakeimage.Text("long")
		}, change: func(p *packages) {
			delete(p.files["p1"], "usr/share/p1/"+strings.Repeat("n", 252))
		}, note: "too long"},
		"a blob cannot be read": {previous: func(img image.Image) image.Image {
			return broken{remote{img.(image.Layered)}, func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, 100), fails{errors.New("connection reset")})
			}}
		}, note: "connection reset"},
		"a blob is another": {previous: func(img image.Image) image.Image {
			return broken{remote{img.(image.Layered)}, func(io.Reader) io.Reader { return strings.NewReader("something") }}
		}, note: "made anew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := desktop(1)
			if test.before != nil {
				test.before(p)
			}
			first, _ := rewrite(t, p.image(t, nil), fourLayers)
			p.update("p1")
			if test.change != nil {
				test.change(p)
			}
			previous := first
			if test.previous != nil {
				previous = test.previous(first)
			}
			source := p.image(t, nil)
			got, report := rewrite(t, source, after(fourLayers, previous))
			if notes := strings.Join(report.Notes, "\n"); len(staleOf(report)) > 0 || !strings.Contains(notes, test.note) {
				t.Errorf("stale %v, notes %s", staleOf(report), notes)
			}
			sameImage(t, source, got)
			blobs, err := os.ReadDir(filepath.Join(strings.TrimPrefix(got.Location(), "oci:"), "blobs/sha256"))
			if err != nil || len(blobs) != len(report.Layers)+2 {
				t.Errorf("%d blobs for %d layers", len(blobs), len(report.Layers))
			}
		})
	}
}

// broken is an image with blobs that are not what they should be.
type broken struct {
	remote
	change func(io.Reader) io.Reader
}

func (b broken) OpenBlob(ctx context.Context, at int) (io.ReadCloser, error) {
	r, err := b.remote.OpenBlob(ctx, at)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{b.change(r), r}, nil
}

// TestHostileStale has a previous image whose plan says of layers what they are
// not.
func TestHostileStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *chunk.Plan, diffIDs []string){
		"another layer": func(p *chunk.Plan, _ []string) {
			p.Layers[0].DiffID, p.Layers[1].DiffID = p.Layers[1].DiffID, p.Layers[0].DiffID
		},
		"the same twice":        func(p *chunk.Plan, _ []string) { p.Layers[1].DiffID = p.Layers[0].DiffID },
		"that of directories":   func(p *chunk.Plan, diffIDs []string) { p.Layers[0].DiffID = diffIDs[0] },
		"the one of attributes": func(p *chunk.Plan, diffIDs []string) { p.Layers[0].DiffID = diffIDs[len(diffIDs)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others := fakeimage.Files{"usr/lib/private": {Mode: fs.ModeDir | 0o700}}
			p := desktop(1)
			first, _ := rewrite(t, p.image(t, others), fourLayers)
			previous := changedConfig(t, first, func(c *imgspecv1.Image) {
				plan, err := chunk.DecodePlan(c.Config.Labels[chunk.PlanLabel])
				if err != nil {
					t.Fatal(err)
				}
				for i := range plan.Layers[:2] {
					plan.Layers[i].Dead = 1
				}
				var diffIDs []string
				for _, d := range c.RootFS.DiffIDs {
					diffIDs = append(diffIDs, d.String())
				}
				change(plan, diffIDs)
				if c.Config.Labels[chunk.PlanLabel], err = plan.Encode(); err != nil {
					t.Fatal(err)
				}
			})
			p.update("p1")
			source := p.image(t, others)
			got, report := rewrite(t, source, after(fourLayers, previous))
			if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, "could not stay") {
				t.Errorf("notes: %s", notes)
			}
			sameImage(t, source, got)
		})
	}
}

// TestStaleHidesNothing takes a file out of an image that no package brought:
// then no layer has it, although it may stay for all else that is in it.
func TestStaleHidesNothing(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery staple"
	for _, name := range []string{"usr/share/p1/token", "usr/lib/token", "etc/token"} {
		with, other := fakeimage.Files{name: fakeimage.Text(secret)}, fakeimage.Files{name: fakeimage.Text("correct horse battery staplf")}
		for script, steps := range map[string][]struct {
			update string // a package
			others fakeimage.Files
		}{
			"removed":                      {{"p3", nil}},
			"changed":                      {{"p3", other}},
			"removed in an update":         {{"p1", nil}},
			"removed some time after that": {{"p1", with}, {"p3", with}, {"p5", nil}},
		} {
			p := desktop(1)
			last, _ := rewrite(t, p.image(t, with), fourLayers)
			for _, step := range steps {
				p.update(step.update)
				last, _ = rewrite(t, p.image(t, step.others), after(fourLayers, last))
			}
			layers := last.(image.Layered)
			for at := range layers.Layers() {
				r, err := layers.OpenLayer(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(r)
				if err := errors.Join(err, r.Close()); err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(content, []byte(secret)) {
					t.Errorf("%s, %s: layer %d has what it was", name, script, at)
				}
			}
		}
	}
}
