package chunk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// remote is an image that says to be in a registry.
type remote struct{ image.Layered }

func (remote) Location() string { return "docker://registry.lan/a:latest" }

// heldBy returns an image as a registry has it, and its layers.
func heldBy(t *testing.T, img image.Image) (remote, map[digest.Digest]bool) {
	t.Helper()
	r := remote{img.(image.Layered)}
	held := map[digest.Digest]bool{}
	for _, l := range r.Layers() {
		held[l.Digest] = true
	}
	return r, held
}

// TestHeld leaves out of the layout what has not changed and the registry has;
// the image is the same as with all of it.
func TestHeld(t *testing.T) {
	t.Parallel()
	first, _ := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, twoPackages("1")), chunk.RewriteOptions{})
	previous, held := heldBy(t, first)
	second := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1").With(fakeimage.Files{"usr/share/cache.db": fakeimage.Text("made at 11:11")}))

	whole, _ := rewrite(t, second, chunk.RewriteOptions{Previous: first})
	sparse, report := rewrite(t, second, chunk.RewriteOptions{Previous: previous, Held: held})
	if digestOf(t, sparse) != digestOf(t, whole) {
		t.Error("it is another image than with all layers")
	}
	layers := len(report.Layers)
	if report.Held != layers-1 || report.Reused != report.Held {
		t.Errorf("%d of %d layers left out, %d reused", report.Held, layers, report.Reused)
	}
	dir := strings.TrimPrefix(sparse.Location(), "oci:")
	for _, l := range report.Layers {
		_, err := os.Stat(filepath.Join(dir, "blobs/sha256", l.Digest.Encoded()))
		if l.Held != os.IsNotExist(err) {
			t.Errorf("layer %q: held is %v, and in the layout: %v", l.Name, l.Held, err)
		}
	}

	// What the cache has is not left out, nor what is not held.
	o := chunk.RewriteOptions{Cache: t.TempDir(), CacheLimit: 1 << 30}
	rewrite(t, second, o)
	o.Previous, o.Held = previous, held
	if _, report := rewrite(t, second, o); report.Held != 0 || report.Reused != layers {
		t.Errorf("with a cache, %d of %d layers are left out, %d reused", report.Held, layers, report.Reused)
	}
	delete(held, report.Layers[0].Digest)
	if _, report := rewrite(t, second, chunk.RewriteOptions{Previous: previous, Held: held}); report.Held != layers-2 || report.Layers[0].Held {
		t.Errorf("%d of %d layers are left out, the first: %v", report.Held, layers, report.Layers[0].Held)
	}
}
