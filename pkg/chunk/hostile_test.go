package chunk_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// configured is an image with another configuration.
type configured struct {
	image.Layered
	config *imgspecv1.Image
}

func (c configured) Config(context.Context) (*imgspecv1.Image, error) { return c.config, nil }

// changedConfig is an image with a configuration that was changed.
func changedConfig(t *testing.T, img image.Image, change func(*imgspecv1.Image)) image.Image {
	t.Helper()
	config, err := img.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := *config
	c.Config.Labels = map[string]string{chunk.PlanLabel: config.Config.Labels[chunk.PlanLabel]}
	c.History = slices.Clone(c.History)
	c.RootFS.DiffIDs = slices.Clone(c.RootFS.DiffIDs)
	change(&c)
	return configured{img.(image.Layered), &c}
}

// packedPlan is a label with that JSON.
func packedPlan(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return "1." + base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestHostilePrevious has a previous image whose configuration is somebody else's
// work: it costs an update, and is said, but the image is cut all the same.
func TestHostilePrevious(t *testing.T) {
	t.Parallel()
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1").With(fakeimage.Files{"usr/lib/private": {Mode: fs.ModeDir | 0o700}}))
	before, _ := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, twoPackages("2")), chunk.RewriteOptions{})
	label := func(change func(string) string) func(*imgspecv1.Image) {
		return func(c *imgspecv1.Image) { c.Config.Labels[chunk.PlanLabel] = change(c.Config.Labels[chunk.PlanLabel]) }
	}
	for name, test := range map[string]struct {
		change func(*imgspecv1.Image)
		note   string // that there must be
	}{
		"none":      {func(c *imgspecv1.Image) { c.Config.Labels = nil }, "has no plan"},
		"empty":     {label(func(string) string { return "" }), "cannot be kept"},
		"garbage":   {label(func(string) string { return "\x1b[2J\x00" }), "cannot be kept"},
		"truncated": {label(func(s string) string { return s[:len(s)/2] }), "cannot be kept"},
		"huge":      {label(func(s string) string { return s + strings.Repeat("A", 4<<20) }), "cannot be kept"},
		"a bomb":    {label(func(string) string { return packedPlan(strings.Repeat(" ", 9<<20)) }), "cannot be kept"},
		"far off": {label(func(string) string {
			return packedPlan(fmt.Sprintf(`{"e":%d,"l":[{"s":3,"g":[{"n":"one","z":5,"v":3}]}]}`, math.MaxInt64))
		}), "cannot be kept"},
		"long ago": {label(func(string) string {
			return packedPlan(fmt.Sprintf(`{"e":%d,"l":[{"s":3,"g":[{"n":"one","z":5,"v":3}]}]}`, math.MinInt64))
		}), "cannot be kept"},
		"more history than layers": {func(c *imgspecv1.Image) {
			c.History = slices.Repeat([]imgspecv1.History{{EmptyLayer: true}}, 200)
			for _, name := range []string{"directories", "attributes of directories"} {
				c.History = append(c.History, imgspecv1.History{Comment: name})
			}
		}, ""},
		"no history": {func(c *imgspecv1.Image) { c.History = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			previous := changedConfig(t, before, test.change)
			_, held := heldBy(t, before)
			chunked, report := rewrite(t, img, chunk.RewriteOptions{Previous: previous, Held: held})
			if got, want := listingOf(t, chunked), listingOf(t, img); len(got) != len(want) {
				t.Errorf("%d files, and %d in the image", len(got), len(want))
			}
			root, err := chunked.Root(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if info, err := root.Lstat("etc/old"); err != nil || info.ModTime().Year() < 1970 || info.ModTime().Year() > 2200 {
				t.Errorf("a file is of %v, %v", info.ModTime(), err)
			}
			if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, test.note) || len(notes) > 1000 {
				t.Errorf("notes: %.1000q", notes)
			}
		})
	}
}

// TestOtherOptions follows options that the previous image was not cut with.
func TestOtherOptions(t *testing.T) {
	t.Parallel()
	img := fakeimage.New(t, imgspecv1.Image{}, twoPackages("1"))
	before, many := rewrite(t, img, chunk.RewriteOptions{})
	if _, _, err := chunk.Rewrite(t.Context(), img, t.TempDir(), chunk.RewriteOptions{Options: chunk.Options{Largest: 5}}); err == nil {
		t.Error("layers of 5 bytes")
	}
	_, few := rewrite(t, img, chunk.RewriteOptions{Previous: before, Options: chunk.Options{Layers: 4}})
	if len(few.Layers) > 4 || len(many.Layers) <= 4 {
		t.Errorf("%d layers, and %d before", len(few.Layers), len(many.Layers))
	}
}

// unsteady is an image in which reading a file does something.
type unsteady struct {
	image.Image
	reading func(name string, f fs.File) (fs.File, error)
}

func (u unsteady) Root(ctx context.Context) (image.Root, error) {
	root, err := u.Image.Root(ctx)
	return unsteadyRoot{root, u.reading}, err
}

type unsteadyRoot struct {
	image.Root
	reading func(name string, f fs.File) (fs.File, error)
}

func (r unsteadyRoot) Open(name string) (fs.File, error) {
	f, err := r.Root.Open(name)
	if err != nil {
		return nil, err
	}
	return r.reading(name, f)
}

// other is a file with another content than it had when it was looked at.
type other struct {
	fs.File
	io.Reader
}

func (o other) Read(b []byte) (int, error) { return o.Reader.Read(b) }

// TestTroubleWhileReading leaves nothing behind, and names the file.
func TestTroubleWhileReading(t *testing.T) {
	t.Parallel()
	const name = "usr/bin/one"
	broken := errors.New("the disk is broken")
	interrupted, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	reads := func(r io.Reader) func(fs.File) (fs.File, error) {
		return func(f fs.File) (fs.File, error) { return other{f, r}, nil }
	}
	for what, test := range map[string]struct {
		ctx  context.Context //nolint:containedctx // of the case
		open func(f fs.File) (fs.File, error)
		is   error
		says string
	}{
		"shorter":   {t.Context(), reads(strings.NewReader("o")), nil, `"usr/bin/one": it was changed while it was read`},
		"longer":    {t.Context(), reads(strings.NewReader(strings.Repeat("one", 1000))), nil, `"usr/bin/one": it was changed while it was read`},
		"removed":   {t.Context(), func(fs.File) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} }, fs.ErrNotExist, name},
		"damaged":   {t.Context(), reads(io.MultiReader(strings.NewReader("o"), fails{broken})), broken, name},
		"interrupt": {interrupted, func(f fs.File) (fs.File, error) { interrupt(); return f, nil }, context.Canceled, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			img := unsteady{fakeimage.New(t, imgspecv1.Image{}, twoPackages("1")), func(opened string, f fs.File) (fs.File, error) {
				if opened != name {
					return f, nil
				}
				return test.open(f)
			}}
			cache := t.TempDir()
			_, _, err := chunk.Rewrite(test.ctx, img, filepath.Join(dir, "layout"), chunk.RewriteOptions{Cache: cache, CacheLimit: 1 << 30})
			if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// fails is what cannot be read.
type fails struct{ err error }

func (f fails) Read([]byte) (int, error) { return 0, f.err }
