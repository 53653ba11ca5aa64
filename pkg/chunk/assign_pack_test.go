package chunk

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// manyUnits are sources with sizes and weights as they come.
func manyUnits(n int) []unit {
	random := rand.New(rand.NewPCG(3, 3))
	units := make([]unit, n)
	for i := range units {
		units[i] = unit{size: 3e5 * math.Exp(1.8*random.NormFloat64()), release: -1, home: -1, source: i}
		units[i].weigh(0.01 * math.Exp(1.5*random.NormFloat64()))
	}
	return units
}

// What is joined before all pairs are looked at is not missed later.
func TestBundlesCostLittle(t *testing.T) {
	t.Parallel()
	const most = 300
	p := &packer{units: manyUnits(1000), layers: 64, largest: 1e12}
	bins := make([]*bin, 0, len(p.units))
	for i := range p.units {
		bins = append(bins, p.newBin(i))
	}
	bins[17].home = 0 // a layer that clients have
	pack := func(bins []*bin) float64 {
		s := newSearch(p, p.merge(slices.Clone(bins)))
		s.run()
		sum := 0.
		for i := range s.bins {
			sum += s.bins[i].paid
		}
		return sum
	}
	bundled := p.bundle(slices.Clone(bins), most)
	if len(bundled) > most*3/2 {
		t.Errorf("%d bins, of which %d were wanted", len(bundled), most)
	}
	seen := map[int]bool{}
	for _, b := range bundled {
		for _, u := range b.units {
			if seen[u] {
				t.Errorf("unit %d is in two bins", u)
			}
			seen[u] = true
			if u == 17 && (len(b.units) != 1 || b.home != 0) {
				t.Error("a layer that clients have is joined with others")
			}
		}
	}
	if len(seen) != len(p.units) {
		t.Errorf("%d of %d units are left", len(seen), len(p.units))
	}
	ratio := pack(bundled) / pack(bins)
	t.Logf("%d bins, %.4f of the cost without bundles", len(bundled), ratio)
	if ratio > 1.005 {
		t.Errorf("bundles cost %.4f", ratio)
	}

	p.largest = 2e6
	for _, b := range p.bundle(bins, most) {
		if b.size > p.largest && len(b.units) > 1 {
			t.Errorf("a bundle has %g bytes", b.size)
		}
	}
}

func TestThousandsOfSources(t *testing.T) {
	t.Parallel()
	w := makeWorld(5, 4500, 9000)
	o := Options{Layers: 96}
	first := mustAssign(t, w.Input, nil, o)
	checkPlan(t, w.Input, first, o)
	groups := 0
	for _, l := range first.Layers {
		groups += len(l.Groups)
	}
	if groups < 3000 {
		t.Errorf("only %d groups", groups)
	}
	w.written(t, first)
	w.update(4, rand.New(rand.NewPCG(1, 1)))
	next := w.written(t, mustAssign(t, w.Input, first, o))
	checkPlan(t, w.Input, next, o)
	if p := Predict(first, next); p.Reused < len(next.Layers)*9/10 {
		t.Errorf("after one change %d of %d layers are as they were: %v", p.Reused, len(next.Layers), next.Notes)
	}
}
