package chunk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// best is the cost of the best partition, by looking at all of them.
func best(p *packer) float64 {
	lowest := math.Inf(1)
	bins := make([][]int, 0, p.layers)
	var place func(u int)
	place = func(u int) {
		if u == len(p.units) {
			sum := 0.
			for _, b := range bins {
				sum += p.binCost(p.newBin(b...))
			}
			lowest = min(lowest, sum)
			return
		}
		for i := range bins {
			bins[i] = append(bins[i], u)
			place(u + 1)
			bins[i] = bins[i][:len(bins[i])-1]
		}
		if len(bins) < p.layers {
			bins = append(bins, []int{u})
			place(u + 1)
			bins = bins[:len(bins)-1]
		}
	}
	place(0)
	return lowest
}

func TestPartitionsAreNearlyTheBest(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	worst, sum, exact, runs := 1., 0., 0, 40
	for range runs {
		p := &packer{layers: 2 + random.IntN(3), largest: math.Inf(1)}
		for i := range 9 {
			u := unit{size: 1e6 * math.Exp(2*random.NormFloat64()), release: -1, home: -1, source: i}
			if i%4 == 3 {
				u.source-- // a part of the one before
			}
			if i%3 == 0 {
				u.release = 0
			}
			u.weigh(0.02 * math.Exp(2*random.NormFloat64()))
			p.units = append(p.units, u)
		}
		bins, err := p.fresh()
		if err != nil {
			t.Fatal(err)
		}
		ratio := p.total(bins) / best(p)
		worst = max(worst, ratio)
		sum += ratio
		if ratio < 1.0001 {
			exact++
		}
	}
	t.Logf("%d of %d are the best, in the mean %.4f times its cost, at worst %.4f", exact, runs, sum/float64(runs), worst)
	if worst > 1.1 || sum/float64(runs) > 1.01 || exact < runs*3/4 {
		t.Errorf("worse than it was")
	}
}

func TestSearchKeepsItsBooks(t *testing.T) {
	t.Parallel()
	w := makeWorld(3, 120, 1200)
	a := &assigner{sorter: newSorter(w.Input), in: w.Input, options: Options{}.complete(), memory: remember(nil), byName: map[string]int32{}}
	a.link()
	a.epochs = a.sourceEpochs()
	a.rater = newRater(a.sources, a.epochs)
	units, err := a.units()
	if err != nil {
		t.Fatal(err)
	}
	p := &packer{units: units, layers: 20, largest: a.largest()}
	bins := make([]*bin, 0, len(units))
	for i := range units {
		bins = append(bins, p.newBin(i))
	}
	s := newSearch(p, p.merge(bins))
	s.run()
	for i := range s.bins {
		want := p.newBin(s.bins[i].units...)
		if got := s.bins[i]; math.Abs(got.weight-want.weight) > 1e-6 || math.Abs(got.size-want.size) > 1 {
			t.Errorf("bin %d: weight %g and size %g, not %g and %g", i, got.weight, got.size, want.weight, want.size)
		}
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	ago := func(days ...int) (list []time.Time) {
		for _, d := range days {
			list = append(list, newYear.AddDate(0, 0, -d))
		}
		return list
	}
	r := &rater{now: newYear, age: 900}
	never, once, oft := &source{name: "a", changes: []time.Time{}}, &source{name: "b", changes: ago(100)}, &source{name: "c", changes: ago(1, 8, 15, 22, 29, 36)}
	long := &source{name: "d", changes: ago(2000)}
	if known := (&source{name: "e", changes: []time.Time{}, flaws: 3}); r.rate(known) <= r.rate(never) || r.rate(known) >= r.rate(once) {
		t.Errorf("with holes %g", r.rate(known))
	}
	if r.rate(never) >= r.rate(long) || r.rate(long) >= r.rate(once) || r.rate(once) >= r.rate(oft) {
		t.Errorf("rates %g, %g, %g, %g", r.rate(never), r.rate(long), r.rate(once), r.rate(oft))
	}
	for version, want := range map[string]int{
		"2.36-9+deb12u10": 10, "128.3.0esr-1~deb12u1": 1, "1.1.1f-1ubuntu2.24": 24, "5.15.0-0ubuntu0.22.04.5": 5, "1.0-1": 0, "1-1+deb12u99999999999999999999": 0,
	} {
		if got := updates([]string{version}); got != want {
			t.Errorf("%s: %d updates, not %d", version, got, want)
		}
	}
	rpm := func(flaws int) packagedb.Owner {
		return packagedb.Owner{Package: packagedb.Package{Name: "rpm", Source: fmt.Sprint(flaws), Changes: ago(100), Flaws: flaws}}
	}
	if list, _ := sources([]packagedb.Owner{rpm(0), rpm(9)}); r.rate(&list[0]) >= r.rate(&list[1]) {
		t.Errorf("of rpms without holes and with some %g, %g", r.rate(&list[0]), r.rate(&list[1]))
	}
	list := []source{{changes: ago(10, 40, 70)}, {changes: ago(10, 40, 70, 99)}, {changes: ago(11, 41, 71)}, {changes: ago(10)}}
	sets := r.releases(list)
	if sets[0] != sets[1] || sets[0] < 0 || sets[2] >= 0 || sets[3] >= 0 {
		t.Errorf("sets %v", sets)
	}
}

func TestParseChangelog(t *testing.T) {
	t.Parallel()
	text := "glibc (2.36-9+deb12u10) bookworm; urgency=medium\n\n  * x\n\n -- A B <a@b>  Thu, 27 Feb 2025 22:30:07 +0100\n\n" +
		"glibc (2.36-9) unstable; urgency=medium\n\n  * CVE-2023-1\n  * CVE-2023-2\n\n -- A <a@b>  Sun,  2 Apr 2023 13:31:01 +0200\n\n" +
		" -- broken\n -- C <c>  yesterday\n"
	if got, flaws := parseChangelog(text, true); len(got) != 1 || got[0].Unix() != 1740691807 || flaws != 1 {
		t.Errorf("of a stable distribution: %v, %d", got, flaws)
	}
	if got, flaws := parseChangelog(text, false); len(got) != 2 || flaws != 1 {
		t.Errorf("of another: %v, %d", got, flaws)
	}
}
