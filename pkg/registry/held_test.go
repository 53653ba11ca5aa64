package registry_test

import (
	"encoding/json"
	"slices"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// TestHeld asks for blobs that are there, and for some that are not.
func TestHeld(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	o := options(t, r)
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 3, 2_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := r.Manifest("me/os", p.Digest.String())
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	var there []digest.Digest
	for _, l := range m.Layers {
		there = append(there, l.Digest)
	}
	gone := digest.FromString("nobody has it")
	got, err := registry.Held(t.Context(), r.Host+"/me/os", append([]digest.Digest{gone}, there...), o)
	slices.Sort(got)
	slices.Sort(there)
	if err != nil || !slices.Equal(got, there) {
		t.Errorf("got %v, %v, want %v", got, err, there)
	}
	o.AuthFile = r.WriteAuth(t, testregistry.User, "wrong")
	_, err = registry.Held(t.Context(), r.Host+"/me/os", there, o)
	wantError(t, err, registry.Unauthorized, "", "")
}
