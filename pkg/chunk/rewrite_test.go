package chunk_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// listing describes every file of an image but for its time, by name.
func listing(t testing.TB, img image.Image) map[string]string {
	t.Helper()
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	list := map[string]string{}
	first := map[uint64]string{} // by inode
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		attrs, err := root.Xattrs(name)
		if err != nil {
			return err
		}
		st := image.StatOf(info)
		text := fmt.Sprintf("%v %04o %d:%d %d:%d %q", info.Mode(), st.Mode, st.UID, st.GID, st.DevMajor, st.DevMinor, attrs)
		switch info.Mode().Type() {
		case 0:
			content, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", info.Size(), sha256.Sum256(content))
		case fs.ModeSymlink:
			target, err := root.ReadLink(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" -> %q", target)
		}
		if !d.IsDir() && st.Nlink > 1 {
			if _, ok := first[st.Inode]; !ok {
				first[st.Inode] = name
			}
			text += fmt.Sprintf(" = %q %d", first[st.Inode], st.Nlink)
		}
		list[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rewrite chunks an image into a folder of its own.
func rewrite(t testing.TB, img image.Image, o chunk.RewriteOptions) (image.Image, *chunk.Report) {
	t.Helper()
	chunked, report, err := chunk.Rewrite(t.Context(), img, filepath.Join(t.TempDir(), "layout"), o)
	if err != nil {
		t.Fatal(err)
	}
	return chunked, report
}

// manifest reads the manifest of a layout, and returns its digest too.
func manifest(t testing.TB, img image.Image) (imgspecv1.Manifest, string) {
	t.Helper()
	dir := strings.TrimPrefix(img.Location(), "oci:")
	var index imgspecv1.Index
	var m imgspecv1.Manifest
	readJSON(t, filepath.Join(dir, "index.json"), &index)
	d := index.Manifests[0].Digest
	readJSON(t, filepath.Join(dir, "blobs/sha256", d.Encoded()), &m)
	return m, d.String()
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// everything has a file of every kind.
var everything = fakeimage.Files{
	"usr":                    fakeimage.Dir(),
	"usr/bin":                fakeimage.Dir(),
	"usr/bin/ping":           {Mode: 0o755, Content: "ping", Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00 \x00\x00", "user.note": ""}},
	"usr/bin/ping4":          {HardLink: "usr/bin/ping"},
	"usr/bin/a":              {HardLink: "usr/bin/ping"},
	"usr/bin/su":             {Mode: 0o755 | fs.ModeSetuid, UID: 0, GID: 7, Content: "su"},
	"usr/bin/sh":             fakeimage.Link("bash"),
	"usr/lib/empty":          {Mode: fs.ModeDir | 0o700, UID: 12, GID: 13, Xattrs: map[string]string{"user.dir": "x"}},
	"usr/lib/deep/a":         {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	"usr/lib/deep/a/b":       fakeimage.Text("b"),
	"usr/lib/deep/a.b":       fakeimage.Text("in another order than a folder's"),
	"usr/share/zero":         fakeimage.Text(""),
	"usr/share/hole":         fakeimage.Text(strings.Repeat("\x00", 3<<20)),
	"usr/share/\xff\xfe\n:-": fakeimage.Text("odd"),
	"usr/share/한글":           fakeimage.Link("\xff/nowhere"),
	"usr/share/" + strings.Repeat("long/", 60) + "name": fakeimage.Text("long"),
	"var/lib/owned": {Mode: 0o640, UID: 3_000_000, GID: 4_000_000, Content: "large IDs"},
	"var/lib/pipe":  {Mode: fs.ModeNamedPipe | 0o600},
	"var/lib/tty":   {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o620, Major: 4, Minor: 7},
	"var/lib/sda":   {Mode: fs.ModeDevice | 0o660, Major: 8, Minor: 1},
	"sysroot":       fakeimage.Dir(),
	"ostree":        fakeimage.Link("sysroot/ostree"),
}

var config = imgspecv1.Image{
	Created:  func() *time.Time { t := time.Unix(1_760_000_000, 0).UTC(); return &t }(),
	Author:   "someone",
	Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
	Config: imgspecv1.ImageConfig{
		Env: []string{"PATH=/usr/bin"}, Cmd: []string{"/sbin/init"}, StopSignal: "SIGRTMIN+3",
		Labels: map[string]string{"containers.bootc": "1", "ostree.commit": "x", "ostree.final-diffid": "y", "ostree.bootable": "1"},
	},
	History: []imgspecv1.History{{CreatedBy: "step"}, {CreatedBy: "label", EmptyLayer: true}},
}

func TestSameTree(t *testing.T) {
	t.Parallel()
	source := fakeimage.New(t, config, everything)
	chunked, report := rewrite(t, source, chunk.RewriteOptions{})
	if diff := cmp.Diff(listing(t, source), listing(t, chunked)); diff != "" {
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
	want := listing(t, fakeimage.New(t, config, everything.With(fakeimage.Files{
		"dev": fakeimage.Dir(), "run": fakeimage.Dir(), "tmp": fakeimage.Dir(), "proc": fakeimage.Dir(), "sys": fakeimage.Dir(),
		"sysroot/other":                fakeimage.Text("x"),
		"var/tmp/x":                    fakeimage.Text("x"),
		"usr/lib/labelled":             {Mode: 0o644, Xattrs: map[string]string{"user.kept": "k"}},
		"usr/lib/only-labelled":        {Mode: 0o644},
		"usr/lib/modules/tmp/not-this": fakeimage.Text("x"),
	})))
	if diff := cmp.Diff(want, listing(t, chunked)); diff != "" {
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

// shuffled lists folders in another order each time, and numbers inodes anew.
type shuffled struct {
	image.Image
	seed uint64
}

func (s shuffled) Root(ctx context.Context) (image.Root, error) {
	root, err := s.Image.Root(ctx)
	return shuffledRoot{root, rand.New(rand.NewPCG(s.seed, 1))}, err
}

type shuffledRoot struct {
	image.Root
	random *rand.Rand
}

func (r shuffledRoot) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := r.Root.ReadDir(name)
	r.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i, d := range list {
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		list[i] = fs.FileInfoToDirEntry(renumbered{info})
	}
	return list, err
}

// renumbered has another inode.
type renumbered struct{ fs.FileInfo }

func (r renumbered) Sys() any {
	st := *image.StatOf(r.FileInfo)
	st.Inode = 1<<40 - st.Inode
	return &st
}

// Any order of reading, and any place and earlier content of the cache.
func TestSameDigest(t *testing.T) {
	t.Parallel()
	source := fakeimage.New(t, config, everything)
	want, wantReport := rewrite(t, source, chunk.RewriteOptions{})
	_, wantDigest := manifest(t, want)
	cache := t.TempDir()
	for i := range 4 {
		got, report := rewrite(t, shuffled{source, uint64(i)}, chunk.RewriteOptions{Cache: cache, CacheLimit: 1 << 30})
		if _, d := manifest(t, got); d != wantDigest {
			t.Errorf("manifest %s and %s", d, wantDigest)
		}
		if reused := report.Reused; (i > 0) != (reused == len(wantReport.Layers)) {
			t.Errorf("run %d: %d of %d layers from the cache", i, reused, len(wantReport.Layers))
		}
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"usr", "lib", "bin", "a", "a.b", "a-b", "\xff", "한", " ", "x\n", "etc", "var", "__pycache__", "m.py", "m.cpython-311.pyc", strings.Repeat("n", 120)}),
		rapid.StringMatching(`[a-z]{1,3}`))
	content := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 50, 200),
		rapid.Map(rapid.IntRange(0, 3000), func(n int) string { return strings.Repeat("\x00", n) }))
	attrs := rapid.OneOf(rapid.Just(map[string]string(nil)),
		rapid.MapOfN(rapid.SampledFrom([]string{"user.a", "user.b", "security.capability", "system.posix_acl_access"}), content, 0, 3))
	mode := rapid.Map(rapid.IntRange(0, 0o7777), func(n int) fs.FileMode {
		m := fs.FileMode(n & 0o777)
		for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
			if n>>9>>i&1 != 0 {
				m |= bit
			}
		}
		return m
	})
	id := rapid.SampledFrom([]int{0, 0, 0, 1000, 5_000_000})
	folder, trees := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		files := fakeimage.Files{}
		var regular []string
		for range rapid.IntRange(0, 30).Draw(rt, "files") {
			// Not where package databases are, which no random file is.
			name := "opt/" + strings.Join(rapid.SliceOfN(part, 1, 5).Draw(rt, "name"), "/")
			if taken(files, name) {
				continue
			}
			f := fakeimage.File{Mode: mode.Draw(rt, "mode"), UID: id.Draw(rt, "uid"), GID: id.Draw(rt, "gid"), Xattrs: attrs.Draw(rt, "attrs")}
			switch rapid.IntRange(0, 6).Draw(rt, "kind") {
			case 0:
				f.Mode |= fs.ModeDir
			case 1:
				f = fakeimage.Link(rapid.StringMatching(`[a-z.]{1,30}(/[가-힣]{1,40})?`).Draw(rt, "target"))
			case 2:
				f.Mode |= fs.ModeNamedPipe
			case 3:
				if len(regular) > 0 {
					f = fakeimage.File{HardLink: rapid.SampledFrom(regular).Draw(rt, "link")}
					break
				}
				fallthrough
			default:
				f.Content = content.Draw(rt, "content")
				regular = append(regular, name)
			}
			files[name] = f
		}
		source := fakeimage.New(t, config, files)
		trees++
		dir := filepath.Join(folder, fmt.Sprint(trees))
		layers := rapid.SampledFrom([]int{3, 5, 128}).Draw(rt, "layers")
		chunked, _, err := chunk.Rewrite(t.Context(), source, filepath.Join(dir, "layout"), chunk.RewriteOptions{Options: chunk.Options{Layers: layers}})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(listing(t, source), listing(t, chunked)); diff != "" {
			rt.Errorf("files (-image +layers):\n%s", diff)
		}
		if err := os.RemoveAll(dir); err != nil {
			rt.Fatal(err)
		}
	})
}

// taken says that a name is in use, or in the way of one that is, or below
// what is no folder, or in a folder that is dropped.
func taken(files fakeimage.Files, name string) bool {
	for other, f := range files {
		if other == name || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") && !f.Mode.IsDir() {
			return true
		}
	}
	return false
}

// TestManyFiles has 100,000 files.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	files := fakeimage.Files{}
	for i := range 100_000 {
		files[fmt.Sprintf("usr/share/%d/%d/file-%d", i%17, i%991, i)] = fakeimage.Text(fmt.Sprint("content ", i))
	}
	source := fakeimage.New(t, config, files)
	chunked, _ := rewrite(t, source, chunk.RewriteOptions{})
	if want, got := listing(t, source), listing(t, chunked); !maps.Equal(want, got) {
		t.Errorf("files (-image +layers):\n%.2000s", cmp.Diff(want, got))
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
