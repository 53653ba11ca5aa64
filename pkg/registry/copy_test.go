package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// config is a configuration for one machine, made on a day.
func config(platform, created string) string {
	os, arch, _ := strings.Cut(platform, "/")
	return fmt.Sprintf(`{"os":%q,"architecture":%q,"created":%q,"rootfs":{"type":"layers"}}`, os, arch, created)
}

// pushed is an image of one layer, with the text of its configuration, behind
// the back of every check.
func pushed(t *testing.T, r *testregistry.Registry, repository, config, layer string, tags ...string) image.Pinned {
	t.Helper()
	m := imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest,
		Config: imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageConfig, Digest: r.PutBlob(t, []byte(config)), Size: int64(len(config))},
		Layers: []imgspecv1.Descriptor{{MediaType: imgspecv1.MediaTypeImageLayerZstd, Digest: r.PutBlob(t, []byte(layer)), Size: int64(len(layer))}},
	}
	return put(t, r, repository, imgspecv1.MediaTypeImageManifest, m, tags...)
}

func put(t *testing.T, r *testregistry.Registry, repository, mediaType string, m any, tags ...string) image.Pinned {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := digest.FromBytes(raw)
	for _, tag := range append(tags, d.String()) {
		r.PutManifest(t, repository, tag, mediaType, raw)
	}
	return image.Pinned{Repository: r.Host + "/" + repository, Digest: d, MediaType: mediaType}
}

// attached is a signature as cosign's are, beside an image.
func attached(t *testing.T, r *testregistry.Registry, of image.Pinned, suffix string, signatures ...string) string {
	t.Helper()
	m := imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest,
		Config: imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageConfig, Digest: r.PutBlob(t, []byte("{}")), Size: 2},
	}
	for _, s := range signatures {
		m.Layers = append(m.Layers, imgspecv1.Descriptor{
			MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: r.PutBlob(t, []byte("payload")), Size: 7,
			Annotations: map[string]string{"dev.cosignproject.cosign/signature": s},
		})
	}
	tag := "sha256-" + of.Digest.Encoded() + suffix
	put(t, r, strings.TrimPrefix(of.Repository, r.Host+"/"), imgspecv1.MediaTypeImageManifest, m, tag)
	return tag
}

func newIndex(t *testing.T, r *testregistry.Registry, repository, tag string, members ...image.Pinned) image.Pinned {
	t.Helper()
	index := imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex}
	for _, m := range members {
		raw, _ := r.Manifest(repository, m.Digest.String())
		index.Manifests = append(index.Manifests, imgspecv1.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(raw))})
	}
	return put(t, r, repository, imgspecv1.MediaTypeImageIndex, index, tag)
}

func TestCopy(t *testing.T) {
	t.Parallel()
	source, target := testregistry.New(t, testregistry.Options{Auth: testregistry.Token}), testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	from, to := options(t, source), options(t, target)
	amd := pushed(t, source, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), strings.Repeat("amd", 50_000))
	arm := pushed(t, source, "me/os", config("linux/arm64", "2026-01-01T00:00:00Z"), strings.Repeat("arm", 50_000))
	index := newIndex(t, source, "me/os", "latest", amd, arm)
	var tags []string
	for _, p := range []image.Pinned{amd, arm, index} {
		tags = append(tags, attached(t, source, p, ".sig", "by one"), attached(t, source, p, ".att", "said"))
	}
	// An attempt to read breaks off in the middle, and is taken up again.
	hits := source.Fail(t, testregistry.Fault{Method: http.MethodGet, Path: "/blobs/", Skip: 1, Cut: testregistry.Truncated})

	got, err := registry.Copy(t.Context(), index, target.Host+"/you/os", from, to)
	if err != nil {
		t.Fatal(err)
	}
	if hits() == 0 {
		t.Error("the fault was not met")
	}
	if got.Digest != index.Digest || got.Repository != target.Host+"/you/os" || len(got.Images) != 2 || got.Images[0].Digest != amd.Digest {
		t.Errorf("copied %+v", got)
	}
	slices.Sort(tags)
	if have := target.Tags("you/os"); !slices.Equal(have, tags) {
		t.Errorf("tags at the target: %q, want %q", have, tags)
	}
	for _, name := range append(tags, index.Digest.String(), amd.Digest.String(), arm.Digest.String()) {
		want, _ := source.Manifest("me/os", name)
		if have, _ := target.Manifest("you/os", name); string(have) != string(want) || have == nil {
			t.Errorf("%s differs", name)
		}
	}
	if left := target.OpenUploads(); len(left) != 0 {
		t.Errorf("uploads that were not ended: %q", left)
	}

	source.Forget()
	target.Forget()
	if _, err := registry.Copy(t.Context(), index, target.Host+"/you/os", from, to); err != nil {
		t.Fatal(err)
	}
	if n := target.Count(http.MethodPatch, "/blobs/"); n != 0 {
		t.Errorf("%d blobs were sent again", n)
	}
	if n := source.Count(http.MethodGet, "/blobs/"); n != 0 {
		t.Errorf("%d blobs were read again", n)
	}
}

// Signatures that the target has are not lost to those of the source.
func TestCopyMergesSignatures(t *testing.T) {
	t.Parallel()
	source, target := testregistry.New(t, testregistry.Options{}), testregistry.New(t, testregistry.Options{})
	const text = "one layer"
	p := pushed(t, source, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), text)
	q := pushed(t, target, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), text)
	if p.Digest != q.Digest {
		t.Fatal("the images differ")
	}
	attached(t, source, p, ".sig", "old name", "both")
	tag := attached(t, target, q, ".sig", "new name", "both")
	for range 2 {
		if _, err := registry.Copy(t.Context(), p, q.Repository, options(t, source), options(t, target)); err != nil {
			t.Fatal(err)
		}
		raw, _ := target.Manifest("me/os", tag)
		var m imgspecv1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, l := range m.Layers {
			have = append(have, l.Annotations["dev.cosignproject.cosign/signature"])
		}
		if !slices.Equal(have, []string{"new name", "both", "old name"}) {
			t.Errorf("signatures at the target: %q", have)
		}
		if target.Blob("me/os", m.Config.Digest.String()) == nil {
			t.Error("the configuration of the merged signatures is missing")
		}
	}
}

func TestCopyWithinARegistry(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	p := pushed(t, r, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), strings.Repeat("layer", 10_000))
	r.Forget()
	if _, err := registry.Copy(t.Context(), p, r.Host+"/me/other", options(t, r), options(t, r)); err != nil {
		t.Fatal(err)
	}
	if n := r.Count(http.MethodGet, "/me/os/blobs/"); n != 0 {
		t.Errorf("%d blobs were read", n)
	}
}

// What the source returns is compared with its digest before it is sent on.
func TestCopyOfDamage(t *testing.T) {
	t.Parallel()
	source, target := testregistry.New(t, testregistry.Options{}), testregistry.New(t, testregistry.Options{})
	p := pushed(t, source, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), "a layer")
	layer := digest.FromString("a layer")
	source.Fail(t, testregistry.Fault{Method: http.MethodGet, Path: "/blobs/" + layer.String(), Times: -1, Status: http.StatusOK, Body: []byte("b layer")})
	_, err := registry.Copy(context.Background(), p, target.Host+"/me/os", options(t, source), options(t, target))
	var e *registry.Error
	if !errors.As(err, &e) || e.Class != registry.Inconsistent {
		t.Errorf("error: %v", err)
	}
	if raw, _ := target.Manifest("me/os", p.Digest.String()); raw != nil {
		t.Error("the image is at the target")
	}
}
