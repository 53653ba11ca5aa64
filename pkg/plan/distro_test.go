package plan

import (
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func TestContradiction(t *testing.T) {
	t.Parallel()
	at := diag.Pos{File: "recipe.yaml", Line: 3, Col: 5}
	for _, c := range []struct {
		said string
		base Distro
		want string
	}{
		{"fedora-43", Distro{ID: "debian", Version: "12"}, "the base says that it is debian 12, and the recipe, which is believed, that it is fedora 43"},
		{"centos-9", Distro{ID: "centos", Version: "10"}, "the base says that it is centos 10, and the recipe, which is believed, that it is centos 9"},
		{"rhel-10", Distro{ID: "rhel", Version: "10.1"}, ""},
		{"debian-13", Distro{ID: "debian"}, ""}, // as testing and unstable say it
		{"debian", Distro{ID: "debian", Version: "12"}, ""},
		{"fedora-43", Distro{}, ""},
	} {
		list := contradiction(recipe.String{Value: c.said, Pos: at}, c.base)
		got := ""
		if len(list) > 0 {
			got = list[0].Message
			if list[0].Severity != diag.Warning || list[0].Pos != at {
				t.Errorf("%s: %+v", c.said, list[0])
			}
		}
		if got != c.want {
			t.Errorf("%s on %v: %q, want %q", c.said, c.base, got, c.want)
		}
	}
}
