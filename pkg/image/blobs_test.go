package image_test

import (
	"bytes"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	. "github.com/bootkiln/bootkiln/pkg/internal/fakeimage" //nolint:revive // the words of the tables
)

func TestBlobsAreVerified(t *testing.T) {
	t.Parallel()
	plain := Files{"a": Text("content")}.Tar()
	blob := gzipped(plain)
	good := digest.FromBytes(plain)
	desc := imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageLayerGzip, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	otherTime := bytes.Clone(blob)
	otherTime[4] ^= 1 // in the header of gzip: the content is the same
	change := func(f func(*imgspecv1.Descriptor)) imgspecv1.Descriptor { d := desc; f(&d); return d }
	for name, c := range map[string]struct {
		layer  imgspecv1.Descriptor
		diffID digest.Digest
		blob   []byte
	}{
		"diff ID":           {desc, digest.FromString("other"), blob},
		"diff ID malformed": {desc, "sha256:zz", blob},
		"content":           {desc, good, gzipped(Files{"a": Text("changed")}.Tar())},
		"other compression": {desc, good, otherTime},
		"truncated":         {desc, good, blob[:len(blob)/2]},
		"too small":         {change(func(d *imgspecv1.Descriptor) { d.Size++ }), good, blob},
		"too large":         {change(func(d *imgspecv1.Descriptor) { d.Size-- }), good, blob},
		"trailing bytes":    {desc, good, append(bytes.Clone(blob), 0)},
		"missing":           {desc, good, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobs := Blobs{}
			if c.blob != nil {
				blobs[c.layer.Digest] = c.blob
			}
			if r, err := openLayers(t, blobs, c.layer, c.diffID).Root(t.Context()); err == nil {
				r.Close()
				t.Error("no error")
			}
		})
	}
}

func TestManifestIsVerified(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(Blobs, *imgspecv1.Manifest){
		"schema version": func(_ Blobs, m *imgspecv1.Manifest) { m.SchemaVersion = 1 },
		"layer missing":  func(_ Blobs, m *imgspecv1.Manifest) { m.Layers = nil },
		"artifact":       func(_ Blobs, m *imgspecv1.Manifest) { m.Layers[0].MediaType = "application/json" },
		"encrypted":      func(_ Blobs, m *imgspecv1.Manifest) { m.Layers[0].MediaType += "+encrypted" },
		"configuration":  func(b Blobs, m *imgspecv1.Manifest) { b[m.Config.Digest] = []byte("{}") },
		"huge":           func(_ Blobs, m *imgspecv1.Manifest) { m.Config.Size = 1 << 40 },
		"digest":         func(_ Blobs, m *imgspecv1.Manifest) { m.Config.Digest = "sha256:../../etc/passwd" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobs := Blobs{}
			layer := blobs.Add(imgspecv1.MediaTypeImageLayer, Files{}.Tar())
			m := imgspecv1.Manifest{
				Versioned: specs.Versioned{SchemaVersion: 2}, Layers: []imgspecv1.Descriptor{layer},
				Config: blobs.AddJSON(imgspecv1.MediaTypeImageConfig, imgspecv1.Image{RootFS: imgspecv1.RootFS{DiffIDs: []digest.Digest{layer.Digest}}}),
			}
			open := func() error {
				_, err := image.OpenManifest(t.Context(), "fake:image", blobs, blobs.AddJSON(imgspecv1.MediaTypeImageManifest, m), image.LayerOptions{})
				return err
			}
			if err := open(); err != nil {
				t.Fatal(err)
			}
			if spoil(blobs, &m); open() == nil {
				t.Error("no error")
			}
		})
	}
}
