package main

import (
	"slices"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/sbom"
)

// An index says of which images it was made, and each image the rest.
func TestDemanded(t *testing.T) {
	t.Parallel()
	both, own := []string{sbom.PredicateType, provenance.PredicateType}, []string{"https://example.org/review"}
	for name, tt := range map[string]struct {
		types      []string
		isIndex    bool
		own, inner []string
	}{
		"an image":            {nil, false, both, nil},
		"an index":            {nil, true, []string{provenance.PredicateType}, both},
		"a type, of an image": {own, false, own, nil},
		"a type, of an index": {own, true, nil, own},
	} {
		o := &verifyOptions{types: tt.types}
		if gotOwn, gotInner := o.demanded(tt.isIndex); !slices.Equal(gotOwn, tt.own) || !slices.Equal(gotInner, tt.inner) {
			t.Errorf("%s: %q and %q, want %q and %q", name, gotOwn, gotInner, tt.own, tt.inner)
		}
	}
}
