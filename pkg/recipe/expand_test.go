package recipe

import (
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Who only builds need not have what publishing needs, and hears of it.
func TestUnpublished(t *testing.T) {
	t.Parallel()
	const text = "version: 1\nname: x\nbase: {image: \"ghcr.io/${BASE}/x\"}\npublish: [{to: \"ghcr.io/${OWNER}/x\"}]\nsign: {key: cosign.key}\n"
	for _, c := range []struct {
		unpublished bool
		want        diag.Severity
	}{{false, diag.Error}, {true, diag.Warning}} {
		r, problems := Parse("recipe.yaml", []byte(text), Options{
			Unpublished: c.unpublished,
			Lookup: func(name string) (string, bool) {
				value, ok := map[string]string{"BASE": "base"}[name]
				return value, ok
			},
		})
		if len(problems) != 1 || problems[0].Code != "unset-variable" || problems[0].Severity != c.want {
			t.Fatalf("unpublished %v: %v", c.unpublished, problems)
		}
		if c.unpublished && r.Publish[0].To.Value != "ghcr.io/owner/x" {
			t.Errorf("got %q", r.Publish[0].To.Value)
		}
	}
	_, problems := Parse("recipe.yaml", []byte(text), Options{Unpublished: true})
	if !problems.HasErrors() {
		t.Error("a base that cannot be named is accepted")
	}
}
