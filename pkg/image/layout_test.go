package image_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	. "github.com/bootkiln/bootkiln/pkg/internal/fakeimage" //nolint:revive // the words of the tables
)

// writeLayout writes blobs and an index as an OCI image layout.
func writeLayout(t *testing.T, blobs Blobs, manifests ...imgspecv1.Descriptor) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for d, content := range blobs {
		write("blobs/sha256/"+d.Encoded(), content)
	}
	index, err := json.Marshal(imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: manifests})
	if err != nil {
		t.Fatal(err)
	}
	write("index.json", index)
	write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}

func TestOpenLayout(t *testing.T) {
	t.Parallel()
	blobs := Blobs{}
	put := func(arch, name string) imgspecv1.Descriptor {
		config := imgspecv1.Image{Platform: imgspecv1.Platform{OS: "linux", Architecture: arch}}
		d := blobs.Manifest(config, Files{"name": Text(name)})
		d.Platform = &config.Platform
		if name != "" {
			d.Annotations = map[string]string{imgspecv1.AnnotationRefName: name}
		}
		return d
	}
	amd, arm := put("amd64", "one"), put("arm64", "two")
	attestation := put("unknown", "")
	attestation.Platform = &imgspecv1.Platform{OS: "unknown", Architecture: "unknown"}
	both := blobs.AddJSON(imgspecv1.MediaTypeImageIndex, imgspecv1.Index{Manifests: []imgspecv1.Descriptor{amd, attestation, arm}})
	both.Annotations = map[string]string{imgspecv1.AnnotationRefName: "both"}
	nested := both
	for range 6 {
		nested = blobs.AddJSON(imgspecv1.MediaTypeImageIndex, imgspecv1.Index{Manifests: []imgspecv1.Descriptor{nested}})
	}

	want := func(arch string) image.LayerOptions {
		return image.LayerOptions{Platform: &imgspecv1.Platform{OS: "linux", Architecture: arch}}
	}
	for name, c := range map[string]struct {
		index    []imgspecv1.Descriptor
		ref      string
		options  image.LayerOptions
		want     string // content of /name
		location string
		err      string
	}{
		"the only one":              {index: []imgspecv1.Descriptor{arm}, options: want("amd64"), want: "two"},
		"by name":                   {index: []imgspecv1.Descriptor{amd, arm}, ref: "two", options: want("amd64"), want: "two", location: ":two"},
		"by place":                  {index: []imgspecv1.Descriptor{amd, arm}, ref: "@1", options: want("amd64"), want: "two", location: ":@1"},
		"by platform":               {index: []imgspecv1.Descriptor{amd, arm}, options: want("arm64"), want: "two", location: ":@1"},
		"in an index":               {index: []imgspecv1.Descriptor{both}, options: want("arm64"), want: "two"},
		"in an index by name":       {index: []imgspecv1.Descriptor{amd, both}, ref: "both", options: want("arm64"), want: "two", location: ":both"},
		"no such name":              {index: []imgspecv1.Descriptor{amd, arm}, ref: "three", err: `no image "three" in it; it has "one", "two"`},
		"no such place":             {index: []imgspecv1.Descriptor{amd}, ref: "@1", err: `no image "@1" in it; it has 1`},
		"no such platform":          {index: []imgspecv1.Descriptor{both}, options: want("s390x"), err: "no image in it is for linux/s390x"},
		"ambiguous":                 {index: []imgspecv1.Descriptor{amd, amd}, options: want("amd64"), err: "several images are for linux/amd64"},
		"empty":                     {err: "no image in it"},
		"nested without an end":     {index: []imgspecv1.Descriptor{nested}, err: "nested too deep"},
		"variant that is not there": {index: []imgspecv1.Descriptor{both}, options: image.LayerOptions{Platform: &imgspecv1.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}}, err: "no image in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeLayout(t, blobs, c.index...)
			img, err := image.OpenLayout(t.Context(), dir, c.ref, c.options)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("err = %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := img.Location(); got != "oci:"+dir+c.location {
				t.Errorf("Location = %q", got)
			}
			if got, err := fs.ReadFile(openRoot(t, img), "name"); err != nil || string(got) != c.want {
				t.Errorf("content = %q, %v; want %q", got, err, c.want)
			}
			if config, err := img.Config(t.Context()); err != nil || config.OS != "linux" {
				t.Errorf("Config = %v, %v", config, err)
			}
		})
	}
}

func TestOpenLayoutThatIsNone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"no folder":       os.RemoveAll,
		"no version":      func(dir string) error { return os.Remove(filepath.Join(dir, "oci-layout")) },
		"other version":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{}`), 0o644) },
		"no index":        func(dir string) error { return os.Remove(filepath.Join(dir, "index.json")) },
		"broken index":    func(dir string) error { return os.Truncate(filepath.Join(dir, "index.json"), 9) },
		"huge index":      func(dir string) error { return os.Truncate(filepath.Join(dir, "index.json"), 1<<30) },
		"manifest absent": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "blobs")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobs := Blobs{}
			dir := writeLayout(t, blobs, blobs.Manifest(imgspecv1.Image{}, Files{}))
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := image.OpenLayout(t.Context(), dir, "", image.LayerOptions{}); err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	config := imgspecv1.Image{Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"}}
	blobs := Blobs{}
	manifest := blobs.Manifest(config, Files{"a": Text("1")}, Files{"b": Text("2")}, Files{"c": Text("3")})
	dir := writeLayout(t, blobs, manifest)
	img, err := image.OpenLayout(t.Context(), dir, "", image.LayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Whole(img); err != nil {
		t.Errorf("of all layers: %v", err)
	}
	layers := img.(image.Layered).Layers()
	for _, l := range layers[1:] {
		if err := os.Remove(filepath.Join(dir, "blobs/sha256", l.Digest.Encoded())); err != nil {
			t.Fatal(err)
		}
	}
	err = image.Whole(img)
	var partial *image.PartialError
	if !errors.As(err, &partial) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without two layers: %v", err)
	}
	want := image.PartialError{Location: "oci:" + dir, Dir: dir, Manifest: manifest.Digest, Missing: 2, Layers: 3}
	if *partial != want {
		t.Errorf("got %+v, want %+v", *partial, want)
	}
	if hint := partial.MendHint(); !strings.Contains(hint, "docker://REPOSITORY@"+manifest.Digest.String()) {
		t.Errorf("hint: %s", hint)
	}
	if err := image.Whole(New(t, config, Files{})); err != nil {
		t.Errorf("of an image that is in no layout: %v", err)
	}
}
