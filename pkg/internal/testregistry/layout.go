package testregistry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Image is an image whose location is all that matters.
type Image struct {
	image.Image
	// At is what Location returns.
	At string
}

// Location implements [image.Image].
func (i Image) Location() string { return i.At }

// NewImage writes an OCI layout into a temporary folder, with gzip layers of
// one file each. The same seed, number and size make the same image.
func NewImage(t testing.TB, seed uint64, layers, size int) Image {
	t.Helper()
	return newImage(t, seed, layers, size, imgspecv1.MediaTypeImageLayerGzip, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

// NewZstdImage is NewImage with zstd layers, as a chunker would leave them.
func NewZstdImage(t testing.TB, seed uint64, layers, size int) Image {
	t.Helper()
	return newImage(t, seed, layers, size, imgspecv1.MediaTypeImageLayerZstd, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
}

func newImage(t testing.TB, seed uint64, layers, size int, mediaType string, compress func(io.Writer) io.WriteCloser) Image {
	t.Helper()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // content for tests, the same each time
	config := imgspecv1.Image{
		Platform: imgspecv1.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   imgspecv1.RootFS{Type: "layers"},
	}
	var descs []imgspecv1.Descriptor
	for i := range layers {
		var plain bytes.Buffer
		content := make([]byte, size)
		for j := range content {
			content[j] = byte(random.UintN(64)) // compresses to three quarters
		}
		w := tar.NewWriter(&plain)
		name := fmt.Sprintf("usr/file-%d", i)
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(size), Typeflag: tar.TypeReg}))
		_, err := w.Write(content)
		must(t, err)
		must(t, w.Close())

		var packed bytes.Buffer
		z := compress(&packed)
		_, err = z.Write(plain.Bytes())
		must(t, err)
		must(t, z.Close())
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(plain.Bytes()))
		config.History = append(config.History, imgspecv1.History{CreatedBy: name})
		descs = append(descs, putBlob(t, dir, mediaType, packed.Bytes()))
	}
	manifest := imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest,
		Config: putBlob(t, dir, imgspecv1.MediaTypeImageConfig, encode(t, config)), Layers: descs,
	}
	index := imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex,
		Manifests: []imgspecv1.Descriptor{putBlob(t, dir, imgspecv1.MediaTypeImageManifest, encode(t, manifest))},
	}
	write(t, filepath.Join(dir, "index.json"), encode(t, index))
	write(t, filepath.Join(dir, "oci-layout"), encode(t, imgspecv1.ImageLayout{Version: imgspecv1.ImageLayoutVersion}))
	return Image{At: "oci:" + dir}
}

func putBlob(t testing.TB, dir, mediaType string, content []byte) imgspecv1.Descriptor {
	t.Helper()
	d := digest.FromBytes(content)
	write(t, filepath.Join(dir, "blobs", "sha256", d.Encoded()), content)
	return imgspecv1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ManifestDigest returns the digest that the layout's index names.
func (i Image) ManifestDigest(t testing.TB) digest.Digest {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(i.At[len("oci:"):], "index.json"))
	must(t, err)
	var index imgspecv1.Index
	must(t, json.Unmarshal(raw, &index))
	return index.Manifests[0].Digest
}
