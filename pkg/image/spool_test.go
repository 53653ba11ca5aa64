package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	. "github.com/bootkiln/bootkiln/pkg/internal/fakeimage" //nolint:revive // the words of the tables
)

// noise is what nothing compresses, the same for the same seed.
func noise(seed uint64, size int) string {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b) // never fails
	return string(b)
}

func TestLayersAreSharedWhileRootsAreOpen(t *testing.T) {
	t.Parallel()
	shared := &image.SharedLayers{}
	src := &countingSource{Blobs: Blobs{}}
	base, one, two := Files{"a": Text("a"), "b": Text("b")}, Files{"a": Text("1")}, Files{"a": Text("2")}
	open := func(layers ...Files) image.Image {
		t.Helper()
		img, err := image.OpenManifest(t.Context(), "fake:image", src, src.Manifest(imgspecv1.Image{}, layers...),
			image.LayerOptions{TempDir: t.TempDir(), Shared: shared})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	// One layer twice in one image is one layer too.
	first, second := open(base, one, base, one), open(base, two)
	before := src.opened.Load()
	rootOne, rootTwo := openRoot(t, first), openRoot(t, second)
	if n := src.opened.Load() - before; n != 3 {
		t.Errorf("3 layers were opened %d times", n)
	}
	rootOne.Close()
	if got := listing(t, rootTwo); got != "a 2\nb b\n" {
		t.Errorf("after the other image was closed:\n%s", got)
	}
	rootTwo.Close()
	if got := listing(t, openRoot(t, first)); got != "a 1\nb b\n" || src.opened.Load()-before != 5 {
		t.Errorf("opened again: %d reads,\n%s", src.opened.Load()-before, got)
	}
}

// A layer that another image has and verified is not what this one says: that
// is for its own digests to say.
func TestSharedLayersAreVerifiedForEach(t *testing.T) {
	t.Parallel()
	shared, blobs := &image.SharedLayers{}, Blobs{}
	tarball := Files{"a": Text("a")}.Tar()
	layer := blobs.Add(imgspecv1.MediaTypeImageLayer, tarball)
	openRoot(t, openLayersShared(t, blobs, layer, digest.FromBytes(tarball), shared))
	if _, err := openLayersShared(t, blobs, layer, digest.FromString("other"), shared).Root(t.Context()); err == nil || !strings.Contains(err.Error(), "diff ID") {
		t.Errorf("another diff ID: %v", err)
	}
	blobs[digest.FromString("other")] = tarball
	layer.Digest = digest.FromString("other")
	if _, err := openLayersShared(t, blobs, layer, digest.FromBytes(tarball), shared).Root(t.Context()); err == nil || !strings.Contains(err.Error(), "other content") {
		t.Errorf("another blob: %v", err)
	}
}

// Contents span pieces, and stand before, in and after them.
func TestContentsOfAnySize(t *testing.T) {
	t.Parallel()
	files, upper := Files{}, Files{}
	for i, size := range []int{0, 1, 511, 512, 513, 256<<10 - 512, 256 << 10, 256<<10 + 1, 5 << 20, 3} {
		files[fmt.Sprint("f", i)] = Text(noise(uint64(i), size))
		upper[fmt.Sprint("u", i)] = Text(noise(uint64(100+i), size/2))
	}
	for name, compress := range map[string]func([]byte) []byte{"none": nil, "gzip": gzipped, "zstd": zstandard} {
		r := openRoot(t, imageOf(t, files.Tar(), compress))
		for file, want := range files {
			if got, err := fs.ReadFile(r, file); err != nil || string(got) != want.Content {
				t.Errorf("%s: %s: %d bytes of %d, %v", name, file, len(got), len(want.Content), err)
			}
		}
	}
	both := openRoot(t, New(t, imgspecv1.Image{}, files, upper))
	for file, want := range files.With(upper) {
		if got, err := fs.ReadFile(both, file); err != nil || string(got) != want.Content {
			t.Errorf("%s: %d bytes of %d, %v", file, len(got), len(want.Content), err)
		}
	}
}

// Whatever a blob ends in, the layer is refused with the cause, and nothing
// waits for more.
func TestDamagedLayers(t *testing.T) {
	t.Parallel()
	tarball := Files{"a": Text(noise(1, 4<<20)), "b": Text("b")}.Tar()
	for name, c := range map[string]struct {
		blob, plain []byte
		want        string
	}{
		"archive ends in a content":  {tarball[:1<<20], tarball[:1<<20], "unexpected EOF"},
		"archive ends in a header":   {tarball[:700], tarball[:700], "unexpected EOF"},
		"gzip ends early":            {gzipped(tarball)[:3<<20], tarball, "unexpected EOF"},
		"zstd ends early":            {zstandard(tarball)[:3<<20], tarball, "unexpected EOF"},
		"no archive":                 {bytes.Repeat([]byte("no archive "), 1<<20), nil, "invalid tar header"},
		"no archive, gzip":           {gzipped(bytes.Repeat([]byte("no archive "), 1<<20)), nil, "invalid tar header"},
		"gzip and garbage":           {append(gzipped(tarball), "garbage and more of it"...), tarball, "gzip: invalid header"},
		"a content and another diff": {gzipped(tarball), []byte("x"), "diff ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobs := Blobs{}
			layer := blobs.Add(imgspecv1.MediaTypeImageLayer, c.blob)
			_, err := openLayersShared(t, blobs, layer, digest.FromBytes(c.plain), &image.SharedLayers{}).Root(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

// stuckSource hands out blobs that never end, unless their context does.
type stuckSource struct {
	Blobs
	after string
	stuck chan struct{}
}

func (s stuckSource) OpenBlob(ctx context.Context, d imgspecv1.Descriptor) (io.ReadCloser, error) {
	if d.MediaType != imgspecv1.MediaTypeImageLayer {
		return s.Blobs.OpenBlob(ctx, d)
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(s.after), readerFunc(func([]byte) (int, error) {
		close(s.stuck)
		<-ctx.Done()
		return 0, ctx.Err()
	}))), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestStuckDownloadIsCancelled(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{"nothing": "", "half of gzip": string(gzipped(Files{"a": Text(noise(1, 1<<20))}.Tar())[:700_000])} {
		src := stuckSource{Blobs{}, begin, make(chan struct{})}
		img, err := image.OpenManifest(t.Context(), "fake:image", src, src.Manifest(imgspecv1.Image{}, Files{"a": Text(noise(1, 1<<20))}),
			image.LayerOptions{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-src.stuck
			cancel()
		}()
		if _, err := img.Root(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
