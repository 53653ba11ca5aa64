package chunk_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func TestSameTree(t *testing.T) {
	t.Parallel()
	source := fakeimage.New(t, config, everything)
	chunked, report := rewrite(t, source, chunk.RewriteOptions{})
	if diff := cmp.Diff(listingOf(t, source), listingOf(t, chunked)); diff != "" {
		t.Errorf("files (-image +layers):\n%s", diff)
	}
	m, _ := manifest(t, chunked)
	if len(m.Layers) != len(report.Layers) || len(m.Layers) < 4 {
		t.Errorf("%d layers, and %d in the report", len(m.Layers), len(report.Layers))
	}
	for _, l := range m.Layers {
		if l.MediaType != imgspecv1.MediaTypeImageLayerZstd {
			t.Errorf("layer of type %s", l.MediaType)
		}
	}
}

// TestConfig keeps what a machine reads of the configuration.
func TestConfig(t *testing.T) {
	t.Parallel()
	chunked, report := rewrite(t, fakeimage.New(t, config, everything), chunk.RewriteOptions{})
	got, err := chunked.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.History) != len(report.Layers) || slices.ContainsFunc(got.History, func(h imgspecv1.History) bool { return h.EmptyLayer }) {
		t.Errorf("history of %d entries for %d layers: %v", len(got.History), len(report.Layers), got.History)
	}
	labels := maps.Clone(got.Config.Labels)
	if labels[chunk.PlanLabel] == "" {
		t.Error("no plan in it")
	}
	delete(labels, chunk.PlanLabel)
	if diff := cmp.Diff(map[string]string{"containers.bootc": "1", "ostree.bootable": "1"}, labels); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	kept := *got
	kept.History, kept.RootFS, kept.Config.Labels = config.History, imgspecv1.RootFS{}, config.Config.Labels
	if diff := cmp.Diff(config, kept); diff != "" {
		t.Errorf("configuration (-image +layers):\n%s", diff)
	}
}

// TestDropped leaves out what no machine gets.
func TestDropped(t *testing.T) {
	t.Parallel()
	source := fakeimage.New(t, config, everything.With(fakeimage.Files{
		"dev/null":                     {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3},
		"run/lock/x":                   fakeimage.Text("x"),
		"tmp/x":                        fakeimage.Text("x"),
		"proc/1/stat":                  fakeimage.Text("x"),
		"sys/x":                        fakeimage.Text("x"),
		"sysroot/ostree/repo/config":   fakeimage.Text("x"),
		"sysroot/other":                fakeimage.Text("x"),
		"var/tmp/x":                    fakeimage.Text("x"),
		"usr/lib/labelled":             {Mode: 0o644, Xattrs: map[string]string{"security.selinux": "x", "trusted.overlay.opaque": "y", "user.overlay.origin": "z", "user.kept": "k"}},
		"usr/lib/only-labelled":        {Mode: 0o644, Xattrs: map[string]string{"security.selinux": "x"}},
		"usr/lib/modules/tmp/not-this": fakeimage.Text("x"),
	}))
	chunked, _ := rewrite(t, source, chunk.RewriteOptions{})
	want := listingOf(t, fakeimage.New(t, config, everything.With(fakeimage.Files{
		"dev": fakeimage.Dir(), "run": fakeimage.Dir(), "tmp": fakeimage.Dir(), "proc": fakeimage.Dir(), "sys": fakeimage.Dir(),
		"sysroot/other":                fakeimage.Text("x"),
		"var/tmp/x":                    fakeimage.Text("x"),
		"usr/lib/labelled":             {Mode: 0o644, Xattrs: map[string]string{"user.kept": "k"}},
		"usr/lib/only-labelled":        {Mode: 0o644},
		"usr/lib/modules/tmp/not-this": fakeimage.Text("x"),
	})))
	if diff := cmp.Diff(want, listingOf(t, chunked)); diff != "" {
		t.Errorf("files (-want +layers):\n%s", diff)
	}
}

// TestNoLayerHoldsIt refuses what would not arrive.
func TestNoLayerHoldsIt(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fakeimage.Files{
		"whiteout of overlayfs": {"usr/lib/gone": {Mode: fs.ModeDevice | fs.ModeCharDevice}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "layout")
			_, _, err := chunk.Rewrite(t.Context(), fakeimage.New(t, config, files), dir, chunk.RewriteOptions{})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error: %v", err)
			}
			left, err := os.ReadDir(filepath.Dir(dir))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestSparseFile has a file with a hole on the disk.
func TestSparseFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	for _, at := range []int64{0, size / 2, size - 3} {
		if _, err := f.WriteAt([]byte("abc"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	source, err := image.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	chunked, report := rewrite(t, source, chunk.RewriteOptions{})
	if diff := cmp.Diff(listingOf(t, source), listingOf(t, chunked)); diff != "" {
		t.Errorf("files (-folder +layers):\n%s", diff)
	}
	if report.Size > 64<<10 {
		t.Errorf("%d bytes for a hole", report.Size)
	}
}

// TestOccupied replaces a layout of its own, and nothing else.
func TestOccupied(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "layout")
	source := fakeimage.New(t, config, everything)
	for range 2 {
		if _, _, err := chunk.Rewrite(t.Context(), source, dir, chunk.RewriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := chunk.Rewrite(t.Context(), source, other, chunk.RewriteOptions{})
	if occupied := (*chunk.OccupiedError)(nil); !errors.As(err, &occupied) {
		t.Errorf("error: %v", err)
	}
	if list, err := os.ReadDir(other); err != nil || len(list) != 1 {
		t.Errorf("in the folder: %v, %v", list, err)
	}
}
