package chunk

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A layer with a change in it is fetched in any case, so that all that is in it
// may go elsewhere; the others are where they were.
func TestLayersWithChangesAreOpen(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, 200, 2000)
	plan := mustAssign(t, w.Input, nil, Options{Layers: 40})
	at := slices.IndexFunc(plan.Layers, func(l Layer) bool {
		return len(l.Groups) > 1 && slices.ContainsFunc(l.Groups, func(g Group) bool { return strings.HasPrefix(g.Name, "source") })
	})
	changed := plan.Layers[at].Groups[0].Name
	p := &packer{}
	for _, l := range plan.Layers {
		for _, g := range l.Groups {
			p.units = append(p.units, unit{group: &g, size: 1, release: -1, home: -1, source: len(p.units), changed: g.Name == changed})
		}
	}
	bins, open := p.keep(plan)
	if want := len(plan.Layers) - 1 + len(plan.Layers[at].Groups); !open || len(bins) != want {
		t.Errorf("%d bins, want %d (%v)", len(bins), want, open)
	}
	for _, b := range bins {
		if b.home == at {
			t.Error("the layer is kept as it was")
		}
	}
}

func TestTimesStay(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, 50, 500)
	w.Epoch = newYear.AddDate(-1, 0, 0)
	first := mustAssign(t, w.Input, nil, Options{})
	w.Epoch = newYear.AddDate(1, 0, 0)
	w.update(3, rand.New(rand.NewPCG(1, 1)))
	for _, p := range []*Plan{first, mustAssign(t, w.Input, first, Options{})} {
		for _, l := range p.Layers {
			for _, g := range l.Groups {
				for _, f := range g.Files {
					if strings.HasPrefix(f.Name, "etc/") && f.Time != newYear.AddDate(-1, 0, 0).Unix() {
						t.Fatalf("%s has %d", f.Name, f.Time)
					}
				}
			}
		}
	}
}
