package chunk_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// stored returns the files of a cache.
func stored(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// digestOf is the digest of an image's manifest.
func digestOf(t *testing.T, img image.Image) string {
	t.Helper()
	_, d := manifest(t, img)
	return d
}

// TestCache takes what has not changed out of the cache, but nothing that is not
// what its name says.
func TestCache(t *testing.T) {
	t.Parallel()
	o := chunk.RewriteOptions{Cache: t.TempDir(), CacheLimit: 1 << 30}
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1"))
	first, report := rewrite(t, img, o)
	layers := len(report.Layers)
	files := stored(t, o.Cache)
	if report.Reused != 0 || len(files) != layers {
		t.Fatalf("%d reused of %d layers, %d in the cache", report.Reused, layers, len(files))
	}
	if again, report := rewrite(t, img, o); report.Reused != layers || digestOf(t, again) != digestOf(t, first) {
		t.Errorf("%d of %d layers reused", report.Reused, layers)
	}

	// Not in place: the layout is the same file.
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), 0o600); err != nil {
		t.Fatal(err)
	}
	again, report := rewrite(t, img, o)
	if report.Reused != layers-1 || digestOf(t, again) != digestOf(t, first) {
		t.Errorf("with a rotten one, %d of %d layers are reused", report.Reused, layers)
	}
	if mended, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(mended, whole) {
		t.Errorf("the rotten one stays: %v", err)
	}
}

// TestCacheLimit keeps what the run used, and what is no layer, whatever the limit.
func TestCacheLimit(t *testing.T) {
	t.Parallel()
	o := chunk.RewriteOptions{Cache: t.TempDir(), CacheLimit: 1 << 30}
	rewrite(t, fakeimage.New(t, imgspecv1.Image{}, twoPackages("1")), o)
	foreign := filepath.Join(filepath.Dir(stored(t, o.Cache)[0]), "mine")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Runs that were killed left copies that they had begun; one may be there still.
	old, young := filepath.Join(filepath.Dir(foreign), ".copy-1"), filepath.Join(filepath.Dir(foreign), ".copy-2")
	for name, age := range map[string]time.Duration{old: 25 * time.Hour, young: time.Hour} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	o.CacheLimit = 1
	second := fakeimage.New(t, imgspecv1.Image{}, twoPackages("2").With(fakeimage.Files{"etc/old": fakeimage.Text("new")}))
	_, report := rewrite(t, second, o)
	files := stored(t, o.Cache)
	if len(files) != len(report.Layers)+2 || !slices.Contains(files, foreign) || !slices.Contains(files, young) {
		t.Errorf("%d layers, in the cache: %q", len(report.Layers), files)
	}
	if _, again := rewrite(t, second, o); again.Reused != len(report.Layers) {
		t.Errorf("%d of %d layers reused", again.Reused, len(report.Layers))
	}
}

// TestCacheUnusable makes the layers all the same, and says why none is kept.
func TestCacheUnusable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1"))
	_, report := rewrite(t, img, chunk.RewriteOptions{Cache: file, CacheLimit: 1 << 30})
	if len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0], "layers are not kept for the next run: opening the cache") {
		t.Errorf("notes: %q", report.Notes)
	}

	// A layer's place is taken by what nobody can remove.
	o := chunk.RewriteOptions{Cache: filepath.Join(dir, "cache"), CacheLimit: 1 << 30}
	_, first := rewrite(t, img, o)
	layer := stored(t, o.Cache)[0]
	if err := os.Remove(layer); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(layer, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, second := rewrite(t, img, o)
	if second.Reused != len(first.Layers)-1 {
		t.Errorf("%d of %d layers reused", second.Reused, len(first.Layers))
	}
}

// TestPreviousLends takes layers out of the previous image when it is a layout
// here, and fills the cache with them.
func TestPreviousLends(t *testing.T) {
	t.Parallel()
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1"))
	before, _ := rewrite(t, img, chunk.RewriteOptions{})
	o := chunk.RewriteOptions{Previous: before, Cache: t.TempDir(), CacheLimit: 1 << 30}
	after, report := rewrite(t, img, o)
	if report.Reused != len(report.Layers) || digestOf(t, after) != digestOf(t, before) || len(stored(t, o.Cache)) != report.Reused {
		t.Errorf("%d of %d layers reused, %d in the cache", report.Reused, len(report.Layers), len(stored(t, o.Cache)))
	}
}

// TestPreviousLies has a previous image whose configuration says of a layer that
// it is another one, of the same length: it is not believed.
func TestPreviousLies(t *testing.T) {
	t.Parallel()
	files := twoPackages("1")
	img := fakeimage.New(t, imgspecv1.Image{}, files)
	honest, _ := rewrite(t, img, chunk.RewriteOptions{})
	liar, _ := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, files.With(fakeimage.Files{"usr/share/cache.db": fakeimage.Text("made at 11:11")})), chunk.RewriteOptions{})
	truth, err := honest.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config, err := liar.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lie := *config
	lie.RootFS.DiffIDs = truth.RootFS.DiffIDs
	dir := strings.TrimPrefix(liar.Location(), "oci:")
	m, _ := manifest(t, liar)
	put := func(mediaType string, v any) imgspecv1.Descriptor {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d := imgspecv1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", d.Digest.Encoded()), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return d
	}
	m.Config = put(imgspecv1.MediaTypeImageConfig, lie)
	index, err := json.Marshal(imgspecv1.Index{Manifests: []imgspecv1.Descriptor{put(imgspecv1.MediaTypeImageManifest, m)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), index, 0o600); err != nil {
		t.Fatal(err)
	}
	previous, err := image.OpenLayout(t.Context(), dir, "", image.LayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	after, report := rewrite(t, img, chunk.RewriteOptions{Previous: previous})
	if report.Reused != len(report.Layers)-1 {
		t.Errorf("%d of %d layers reused", report.Reused, len(report.Layers))
	}
	if got, want := listingOf(t, after), listingOf(t, img); len(got) != len(want) || got["usr/share/cache.db"] != want["usr/share/cache.db"] {
		t.Error("the lie was believed")
	}
}

// TestKilledRun takes over what a run that was killed has left, unless the run
// is still there.
func TestKilledRun(t *testing.T) {
	t.Parallel()
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1"))
	dir := filepath.Join(t.TempDir(), "layout")
	unfinished := filepath.Join(filepath.Dir(dir), chunk.UnfinishedName("layout"))
	if err := os.MkdirAll(filepath.Join(unfinished, "blobs/sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(unfinished, "blobs/sha256", ".layer-1")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(unfinished)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, _, err := chunk.Rewrite(t.Context(), img, dir, chunk.RewriteOptions{}); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("error: %v", err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Error(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := chunk.Rewrite(t.Context(), img, dir, chunk.RewriteOptions{}); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(dir, "blobs/sha256", ".*"))
	if _, gone := os.Stat(unfinished); err != nil || len(list) != 0 || !os.IsNotExist(gone) {
		t.Errorf("left: %q, %v, %v", list, err, gone)
	}
}
