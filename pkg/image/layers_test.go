package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	. "github.com/bootkiln/bootkiln/pkg/internal/fakeimage" //nolint:revive // the words of the tables
)

var whiteout = File{Mode: 0o000}

// listing shows every file of a root: folders by name, files with content,
// links with target.
func listing(t *testing.T, r image.Root) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(r, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		switch {
		case d.IsDir():
			name += "/"
		case d.Type() == fs.ModeSymlink:
			target, err := r.ReadLink(name)
			if err != nil {
				return err
			}
			name += " -> " + target
		case d.Type().IsRegular():
			content, err := fs.ReadFile(r, name)
			if err != nil {
				return err
			}
			name += " " + string(content)
		default:
			name += " " + d.Type().String()
		}
		fmt.Fprintln(&b, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func openRoot(t *testing.T, img image.Image) image.Root {
	t.Helper()
	r, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestMerge(t *testing.T) {
	t.Parallel()
	base := Files{"a/x": Text("1"), "a/y": Text("2"), "b": Text("3"), "l": Link("a")}
	for name, c := range map[string]struct {
		upper Files
		want  string
	}{
		"nothing":               {Files{}, "a/\na/x 1\na/y 2\nb 3\nl -> a\n"},
		"replaced":              {Files{"b": Text("new")}, "a/\na/x 1\na/y 2\nb new\nl -> a\n"},
		"whiteout":              {Files{"a/.wh.x": whiteout, ".wh.b": whiteout}, "a/\na/y 2\nl -> a\n"},
		"whiteout of folder":    {Files{".wh.a": whiteout}, "b 3\nl -> a\n"},
		"whiteout and new file": {Files{".wh.b": whiteout, "b": Text("new")}, "a/\na/x 1\na/y 2\nb new\nl -> a\n"},
		"opaque":                {Files{"a/.wh..wh..opq": whiteout, "a/z": Text("9")}, "a/\na/z 9\nb 3\nl -> a\n"},
		"opaque root":           {Files{".wh..wh..opq": whiteout, "z": Text("9")}, "z 9\n"},
		"aufs leftovers":        {Files{".wh..wh.aufs": whiteout, ".wh..wh.plnk/1": Text("")}, "a/\na/x 1\na/y 2\nb 3\nl -> a\n"},
		"folder over file":      {Files{"b/c": Text("4")}, "a/\na/x 1\na/y 2\nb/\nb/c 4\nl -> a\n"},
		"file over folder":      {Files{"a": Text("5")}, "a 5\nb 3\nl -> a\n"},
		// As overlayfs does: the link of a lower layer is hidden, not followed.
		"folder over link":         {Files{"l/c": Text("4")}, "a/\na/x 1\na/y 2\nb 3\nl/\nl/c 4\n"},
		"link in the layer itself": {Files{"d/": Dir(), "m": Link("/d"), "m/c": Text("4")}, "a/\na/x 1\na/y 2\nb 3\nd/\nd/c 4\nl -> a\nm -> /d\n"},
		"link that climbs":         {Files{"d/": Dir(), "m": Link("../../d"), "m/c": Text("4")}, "a/\na/x 1\na/y 2\nb 3\nd/\nd/c 4\nl -> a\nm -> ../../d\n"},
		"absolute and dotted":      {Files{"/b": Text("abs"), "./a/../a/x": Text("dot")}, "a/\na/x dot\na/y 2\nb abs\nl -> a\n"},
		"devices": {
			Files{"dev/null": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3}, "p": {Mode: fs.ModeNamedPipe}},
			"a/\na/x 1\na/y 2\nb 3\ndev/\ndev/null Dc---------\nl -> a\np p---------\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRoot(t, New(t, imgspecv1.Image{}, base, c.upper))
			if diff := cmp.Diff(c.want, listing(t, r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostileLayers(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 2000)
	for name, layer := range map[string]Files{
		"leaves":                  {"../etc/passwd": Text("x")},
		"leaves further on":       {"a/../../x": Text("x")},
		"hard link leaves":        {"x": {HardLink: "../../etc/passwd"}},
		"hard link to nothing":    {"x": {HardLink: "y"}},
		"hard link to folder":     {"a": Dir(), "x": {HardLink: "a"}},
		"through a dangling link": {"l": Link("nowhere"), "l/x": Text("x")},
		"through a file":          {"f": Text(""), "f/x": Text("x")},
		"link loop":               {"l": Link("l"), "l/x": Text("x")},
		"whiteout of nothing":     {".wh.": whiteout},
		"whiteout of self":        {"a/.wh..": whiteout},
		"whiteout of parent":      {"a/.wh...": whiteout},
		"root is a file":          {".": Text("x")},
		"long name":               {strings.Repeat("n", 5000): Text("")},
		"too deep":                {deep + "x": Dir(), "z": Link(deep), "z/x/" + deep + "y": Text("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := New(t, imgspecv1.Image{}, layer).Root(t.Context())
			if err == nil {
				defer r.Close()
				t.Fatalf("no error; the root is\n%s", listing(t, r))
			}
		})
	}
}

// An exabyte in no space at all: an old GNU sparse header whose file is one
// hole.
func TestSparseEntry(t *testing.T) {
	t.Parallel()
	tarball := Files{"big": Text("")}.Tar()
	hdr := tarball[:512]
	hdr[156] = tar.TypeGNUSparse
	copy(hdr[483:], "\x80\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00")
	sum := 0
	copy(hdr[148:156], "        ")
	for _, b := range hdr {
		sum += int(b)
	}
	copy(hdr[148:], fmt.Sprintf("%06o\x00 ", sum))
	_, err := imageOf(t, tarball, nil).Root(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sparse files are not supported") {
		t.Errorf("err = %v", err)
	}
}

// imageOf makes an image of one layer, whose blob is compress(tar).
func imageOf(t *testing.T, tarball []byte, compress func([]byte) []byte) image.Image {
	t.Helper()
	blobs := Blobs{}
	blob := tarball
	if compress != nil {
		blob = compress(tarball)
	}
	layer := blobs.Add(imgspecv1.MediaTypeImageLayer, blob)
	return openLayers(t, blobs, layer, digest.FromBytes(tarball))
}

func openLayers(t *testing.T, blobs Blobs, layer imgspecv1.Descriptor, diffID digest.Digest) image.Image {
	t.Helper()
	return openLayersShared(t, blobs, layer, diffID, nil)
}

func openLayersShared(t *testing.T, blobs Blobs, layer imgspecv1.Descriptor, diffID digest.Digest, shared *image.SharedLayers) image.Image {
	t.Helper()
	config := blobs.AddJSON(imgspecv1.MediaTypeImageConfig, imgspecv1.Image{RootFS: imgspecv1.RootFS{DiffIDs: []digest.Digest{diffID}}})
	m := blobs.AddJSON(imgspecv1.MediaTypeImageManifest, imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, Config: config, Layers: []imgspecv1.Descriptor{layer},
	})
	img, err := image.OpenManifest(t.Context(), "fake:image", blobs, m, image.LayerOptions{TempDir: t.TempDir(), Shared: shared})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(b) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}

func zstandard(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

func TestCompressions(t *testing.T) {
	t.Parallel()
	files := Files{"a": Text(strings.Repeat("content ", 1000))}
	for name, compress := range map[string]func([]byte) []byte{
		"none": nil, "gzip": gzipped, "zstd": zstandard,
		"zstd with a skippable frame first": func(b []byte) []byte {
			return append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'h', 'i'}, zstandard(b)...)
		},
		"two gzip members": func(b []byte) []byte { return append(gzipped(b[:700]), gzipped(b[700:])...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRoot(t, imageOf(t, files.Tar(), compress))
			if got, err := fs.ReadFile(r, "a"); err != nil || string(got) != files["a"].Content {
				t.Errorf("ReadFile = %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestTreeStat(t *testing.T) {
	t.Parallel()
	r := openRoot(t, New(t, imgspecv1.Image{},
		Files{
			".":       {Mode: fs.ModeDir | 0o700},
			"implied": {Mode: fs.ModeDir | 0o711, UID: 7},
			"su":      {Mode: fs.ModeSetuid | 0o755, UID: 1, GID: 2, Content: "su", Xattrs: map[string]string{"security.capability": "\x01\x00"}},
			"hard":    {HardLink: "su"},
			"hidden":  {HardLink: "su"},
			"caf\xe9": Text("x"),
		},
		Files{".wh.hidden": whiteout, "implied/x": Text(""), "dev": {Mode: fs.ModeDevice | 0o600, Major: 8, Minor: 1}},
	))
	su, err := r.Stat("su")
	if err != nil {
		t.Fatal(err)
	}
	hard, err := r.Stat("hard")
	if err != nil {
		t.Fatal(err)
	}
	want := &image.Stat{UID: 1, GID: 2, Mode: 0o4755, Inode: image.StatOf(hard).Inode, Nlink: 2}
	if diff := cmp.Diff(want, image.StatOf(su)); diff != "" || su.Mode() != fs.ModeSetuid|0o755 || su.Size() != 2 {
		t.Errorf("su: %v %d (-want +got):\n%s", su.Mode(), su.Size(), diff)
	}
	// Folders without an entry of their own keep what the layer below says.
	for name, mode := range map[string]fs.FileMode{".": 0o700, "implied": 0o711} {
		if fi, err := r.Stat(name); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	if got, err := r.Xattrs("hard"); err != nil || !cmp.Equal(got, map[string][]byte{"security.capability": {1, 0}}) {
		t.Errorf("Xattrs = %v, %v", got, err)
	}
	if got, err := r.Xattrs("implied"); err != nil || got != nil {
		t.Errorf("Xattrs = %v, %v", got, err)
	}
	if fi, err := r.Lstat("dev"); err != nil || image.StatOf(fi).DevMajor != 8 || image.StatOf(fi).DevMinor != 1 {
		t.Errorf("dev: %v, %v", fi, err)
	}
	if _, err := r.Open("dev"); err == nil {
		t.Error("a device was opened")
	}
	if _, err := r.Lstat("caf\xe9"); err != nil {
		t.Error(err)
	}
	if _, err := r.Open("su/"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Open(su/): %v", err)
	}
	if _, err := r.ReadDir("su"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("ReadDir of a file: %v", err)
	}
}

func TestTreeIsAFileSystem(t *testing.T) {
	t.Parallel()
	r := openRoot(t, New(t, imgspecv1.Image{}, Files{"usr/lib/x": Text("x"), "a": Text("a")}))
	if err := fstest.TestFS(r, "usr/lib/x", "a"); err != nil {
		t.Error(err)
	}
}

// countingSource counts how often blobs are opened.
type countingSource struct {
	Blobs
	opened atomic.Int64
}

func (c *countingSource) OpenBlob(ctx context.Context, d imgspecv1.Descriptor) (io.ReadCloser, error) {
	c.opened.Add(1)
	return c.Blobs.OpenBlob(ctx, d)
}

func TestRootsShareWhatTheyRead(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	src := &countingSource{Blobs: Blobs{}}
	img, err := image.OpenManifest(t.Context(), "fake:image", src, src.Manifest(imgspecv1.Image{}, Files{"a": Text("a")}),
		image.LayerOptions{TempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	before := src.opened.Load()
	one, two := openRoot(t, img), openRoot(t, img)
	if n := src.opened.Load() - before; n != 1 {
		t.Errorf("the layer was opened %d times", n)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("temporary files have names: %v, %v", left, err)
	}
	one.Close()
	if got, err := fs.ReadFile(two, "a"); err != nil || string(got) != "a" {
		t.Errorf("after the other root was closed: %q, %v", got, err)
	}
	if _, err := one.Stat("a"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed root: %v", err)
	}
	two.Close()
	if err := two.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if three := openRoot(t, img); listing(t, three) != "a a\n" {
		t.Error("a root opened after all were closed differs")
	}
}

func TestRootStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	img := New(t, imgspecv1.Image{}, Files{"a": Text("a")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := img.Root(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// FuzzLayer merges any two archives: it must neither panic nor give a root
// that cannot be walked to its end.
func FuzzLayer(f *testing.F) {
	for _, files := range []Files{
		{"a/x": Text("1"), "l": Link("a"), "h": {HardLink: "a/x"}},
		{"a/.wh.x": whiteout, "b/.wh..wh..opq": whiteout, "l/c": Text("")},
		{"../x": Text("")},
		{"loop": Link("loop"), "loop/x": Text("")},
		{"dev": {Mode: fs.ModeDevice, Major: 1}, "x": {Mode: 0o644, Xattrs: map[string]string{"user.a": "b"}}},
	} {
		f.Add(Files{"a/x": Text("1")}.Tar(), files.Tar())
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		blobs := Blobs{}
		m := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}}
		config := imgspecv1.Image{}
		for _, layer := range [][]byte{lower, upper} {
			m.Layers = append(m.Layers, blobs.Add(imgspecv1.MediaTypeImageLayer, layer))
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(layer))
		}
		m.Config = blobs.AddJSON(imgspecv1.MediaTypeImageConfig, config)
		img, err := image.OpenManifest(t.Context(), "fake:image", blobs, blobs.AddJSON("", m), image.LayerOptions{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		r, err := img.Root(t.Context())
		if err != nil {
			return
		}
		defer r.Close()
		links := map[uint64]uint64{}
		nlink := map[uint64]uint64{}
		err = fs.WalkDir(r, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := r.Lstat(name)
			if err != nil {
				return err
			}
			if st := image.StatOf(fi); !fi.IsDir() {
				links[st.Inode]++
				nlink[st.Inode] = st.Nlink
			}
			if d.Type().IsRegular() {
				_, err = fs.ReadFile(r, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(links, nlink); diff != "" {
			t.Errorf("names of each inode and its link count differ:\n%s", diff)
		}
	})
}
