package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/provenance"
)

// An index is signed, and what it was made of is said of it, before it has a tag.
// What each image is made of has been said where it was made.
func TestIndex(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets)
	s := k.services()
	arm := digest.FromString("arm64")
	s.Members = func(_ context.Context, p image.Pinned) ([]provenance.Member, error) {
		return []provenance.Member{{Platform: "linux/arm64", Digest: arm}}, k.did("members " + p.Repository)
	}
	if _, err := Index(t.Context(), in, k.img, s); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"preflight registry.lan/a", "preflight registry.lan/b",
		"push registry.lan/a", "sign registry.lan/a", "members registry.lan/a", "attest registry.lan/a v1", "verify registry.lan/a 1",
		"tag registry.lan/a:12.20261121", "tag registry.lan/a:k6.1.0-56", "tag registry.lan/a:latest", "verify registry.lan/a 1",
		"push registry.lan/b", "sign registry.lan/b", "members registry.lan/b", "attest registry.lan/b v1", "verify registry.lan/b 1",
		"tag registry.lan/b:latest", "verify registry.lan/b 1",
	}
	if !slices.Equal(k.calls, want) {
		t.Errorf("it did\n%s\nnot\n%s", strings.Join(k.calls, "\n"), strings.Join(want, "\n"))
	}
	said := string(k.said[provenance.PredicateType])
	for _, words := range []string{provenance.IndexBuildType, arm.Encoded(), "docker://registry.lan/b", in.Origin.Recipe.Encoded(), "https://kiln.example"} {
		if !strings.Contains(said, words) {
			t.Errorf("it is said\n%s\nwithout %q", said, words)
		}
	}

	k = newKiln(t)
	s = k.services()
	s.Members = func(context.Context, image.Pinned) ([]provenance.Member, error) { return nil, errBroken }
	if r, err := Index(t.Context(), in, k.img, s); err == nil || len(k.tags) > 0 || r.Published[0].Tags == nil {
		t.Errorf("%v, tags %v", err, k.tags)
	}
}
