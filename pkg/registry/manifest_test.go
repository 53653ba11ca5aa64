package registry_test

import (
	"testing"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

func TestTagAndResolve(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	o := options(t, r)
	repository := r.Host + "/me/os"
	_, err := registry.Resolve(t.Context(), repository, o)
	wantError(t, err, registry.Missing, "not found", "")

	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 2, 1_000), repository, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = registry.Resolve(t.Context(), repository+":latest", o)
	wantError(t, err, registry.Missing, "latest", "")

	for _, tag := range []string{"v1", "latest"} {
		if err := registry.Tag(t.Context(), p, tag, o); err != nil {
			t.Fatal(err)
		}
	}
	if tags := r.Tags("me/os"); len(tags) != 2 {
		t.Errorf("tags %q", tags)
	}
	for _, ref := range []string{repository, repository + ":latest", repository + ":v1", p.String()} {
		got, err := registry.Resolve(t.Context(), ref, o)
		if err != nil || got != p {
			t.Errorf("%s: %+v, %v, want %+v", ref, got, err, p)
		}
	}
	want, wantType := r.Manifest("me/os", p.Digest.String())
	if got, gotType := r.Manifest("me/os", "latest"); string(got) != string(want) || gotType != wantType {
		t.Errorf("the tag has other bytes, or type %q and not %q", gotType, wantType)
	}

	// Tagging again writes nothing; moving the tag writes.
	r.Forget()
	if err := registry.Tag(t.Context(), p, "latest", o); err != nil {
		t.Fatal(err)
	}
	if n := r.Count("PUT", ""); n != 0 {
		t.Errorf("%d writes for a tag that is right already", n)
	}
	second, err := registry.Push(t.Context(), testregistry.NewImage(t, 2, 1, 1_000), repository, o)
	if err != nil {
		t.Fatal(err)
	}
	if now, err := registry.Resolve(t.Context(), repository, o); err != nil || now.Digest != p.Digest {
		t.Errorf("the push moved the tag to %s, %v", now, err)
	}
	if err := registry.Tag(t.Context(), second, "latest", o); err != nil {
		t.Fatal(err)
	}
	if now, err := registry.Resolve(t.Context(), repository, o); err != nil || now.Digest != second.Digest {
		t.Errorf("the tag is %s, %v, want %s", now, err, second)
	}
}

func TestTagErrors(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 1_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"", ".x", "a b", "a/b", "sha256:0", "\n"} {
		wantError(t, registry.Tag(t.Context(), p, tag, o), registry.InvalidName, "tag", "128")
	}
	none := image.Pinned{Repository: p.Repository, Digest: digest.FromString("not there")}
	wantError(t, registry.Tag(t.Context(), none, "latest", o), registry.Missing, "", "")

	r.Fail(t, testregistry.Fault{Method: "PUT", Path: "/manifests/v1", Status: 400, Body: testregistry.ErrorBody("TAG_INVALID", "the repository is immutable")})
	wantError(t, registry.Tag(t.Context(), p, "v1", o), registry.Immutable, "may not be moved", "another tag")
	if tags := r.Tags("me/os"); len(tags) != 0 {
		t.Errorf("tags %q", tags)
	}
}

// TestTagLostRace has another publisher move the tag between writing and
// reading back.
func TestTagLostRace(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 1_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	q, err := registry.Push(t.Context(), testregistry.NewImage(t, 2, 1, 1_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	theirs, mediaType := r.Manifest("me/os", q.Digest.String())
	r.Fail(t, testregistry.Fault{
		Method: "GET", Path: "/manifests/latest", Skip: 1,
		Status: 200, Header: map[string][]string{"Content-Type": {mediaType}}, Body: theirs,
	})
	r.Forget()
	err = registry.Tag(t.Context(), p, "latest", o)
	wantError(t, err, registry.Inconsistent, "names "+q.Digest.String()+" now", "another publish")
	wantError(t, err, registry.Inconsistent, p.Digest.String(), "at the same time")
	// One session: its scheme and its login, the tag before, the image, the tag after.
	if n := r.Count("GET", "/v2/"); n != 5 {
		t.Errorf("%d requests: %v", n, r.Requests())
	}
}
