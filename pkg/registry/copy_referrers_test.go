package registry_test

import (
	"encoding/json"
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

// referrer is a manifest that says itself to which it belongs, as those of
// cosign's bundles and of GitHub's attestations do.
func referrer(t *testing.T, r *testregistry.Registry, of image.Pinned, text string) image.Pinned {
	t.Helper()
	empty := imgspecv1.DescriptorEmptyJSON
	r.PutBlob(t, empty.Data)
	m := imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest,
		ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", Config: empty,
		Layers:  []imgspecv1.Descriptor{{MediaType: "text/plain", Digest: r.PutBlob(t, []byte(text)), Size: int64(len(text))}},
		Subject: descriptor(t, r, of),
	}
	return put(t, r, strings.TrimPrefix(of.Repository, r.Host+"/"), imgspecv1.MediaTypeImageManifest, m)
}

func descriptor(t *testing.T, r *testregistry.Registry, p image.Pinned) *imgspecv1.Descriptor {
	t.Helper()
	raw, mediaType := r.Manifest(strings.TrimPrefix(p.Repository, r.Host+"/"), p.Digest.String())
	return &imgspecv1.Descriptor{MediaType: mediaType, Digest: p.Digest, Size: int64(len(raw))}
}

// listed is what a registry lists of an image, by its interface or by the tag that
// stands in for it.
func listed(t *testing.T, r *testregistry.Registry, p image.Pinned, byTag bool) (list []digest.Digest) {
	t.Helper()
	var index imgspecv1.Index
	name := strings.Replace(p.Digest.String(), ":", "-", 1)
	raw, _ := r.Manifest("you/os", name)
	if !byTag {
		raw = r.Referrers("you/os", p.Digest.String())
	}
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, m := range index.Manifests {
		list = append(list, m.Digest)
	}
	slices.Sort(list)
	return list
}

// TestCopyReferrers moves what a registry lists and no tag names, and what belongs
// to that, to one that lists and to one that does not.
func TestCopyReferrers(t *testing.T) {
	t.Parallel()
	for name, lists := range map[string]bool{"to one that lists": true, "to one that does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := testregistry.New(t, testregistry.Options{Auth: testregistry.Token, Referrers: true})
			target := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic, Referrers: lists})
			p := pushed(t, source, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), "a layer")
			bundle, sbom := referrer(t, source, p, "a bundle"), referrer(t, source, p, "an SBOM")
			ofSBOM := referrer(t, source, sbom, "a bundle of the SBOM")
			signed := attached(t, source, sbom, ".sig", "by one")
			source.Fail(t, testregistry.Fault{Method: http.MethodGet, Path: "/referrers/", Status: http.StatusBadGateway})
			source.Fail(t, testregistry.Fault{Method: http.MethodGet, Path: "/referrers/", Cut: testregistry.Truncated})
			for range 2 {
				got, err := registry.Copy(t.Context(), p, target.Host+"/you/os", options(t, source), options(t, target))
				if err != nil {
					t.Fatal(err)
				}
				want := []digest.Digest{bundle.Digest, sbom.Digest, ofSBOM.Digest}
				slices.Sort(want)
				if have := slices.Sorted(slices.Values(got.Referrers)); !slices.Equal(have, want) {
					t.Errorf("copied %v, want %v", have, want)
				}
				want = []digest.Digest{bundle.Digest, sbom.Digest}
				slices.Sort(want)
				if have := listed(t, target, p, !lists); !slices.Equal(have, want) {
					t.Errorf("the target lists %v, want %v", have, want)
				}
				if have := listed(t, target, sbom, !lists); !slices.Equal(have, []digest.Digest{ofSBOM.Digest}) {
					t.Errorf("the target lists %v of the SBOM", have)
				}
				if !slices.Contains(got.Attachments, signed) || lists && len(target.Tags("you/os")) != 1 {
					t.Errorf("attachments %q, tags %q", got.Attachments, target.Tags("you/os"))
				}
			}
			if target.Blob("you/os", digest.FromString("a bundle of the SBOM").String()) == nil {
				t.Error("what the bundle holds is not there")
			}
		})
	}
}

// TestCopyReferrersInPages follows the links of a registry that lists a few at a
// time, and to no other place.
func TestCopyReferrersInPages(t *testing.T) {
	t.Parallel()
	source, target := testregistry.New(t, testregistry.Options{}), testregistry.New(t, testregistry.Options{Referrers: true})
	p := pushed(t, source, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), "a layer")
	page := func(of image.Pinned, link string) testregistry.Fault {
		raw, err := json.Marshal(imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []imgspecv1.Descriptor{*descriptor(t, source, of)}})
		if err != nil {
			t.Fatal(err)
		}
		f := testregistry.Fault{
			Method: http.MethodGet, Path: "/referrers/" + p.Digest.String(),
			Status: http.StatusOK, Header: http.Header{"Content-Type": {imgspecv1.MediaTypeImageIndex}}, Body: raw,
		}
		if link != "" {
			f.Header.Set("Link", "<"+link+">; rel=\"next\"")
		}
		return f
	}
	first, second := referrer(t, source, p, "the first"), referrer(t, source, p, "the second")
	source.Fail(t, page(first, "/v2/me/os/referrers/"+p.Digest.String()+"?after=1"))
	source.Fail(t, page(second, ""))
	got, err := registry.Copy(t.Context(), p, target.Host+"/you/os", options(t, source), options(t, target))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Referrers, []digest.Digest{first.Digest, second.Digest}) {
		t.Errorf("copied %v", got.Referrers)
	}
	source.Fail(t, page(first, "https://registry.invalid/v2/"))
	if _, err = registry.Copy(t.Context(), p, target.Host+"/you/os", options(t, source), options(t, target)); err == nil || !strings.Contains(err.Error(), "registry.invalid") {
		t.Errorf("%v, want it to follow no such link", err)
	}
}
