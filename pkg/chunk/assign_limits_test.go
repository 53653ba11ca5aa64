package chunk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// filesOf makes a tree of large files that no package owns, each a group.
func filesOf(sizes []int64) Input {
	var in Input
	for i, size := range sizes {
		in.Files = append(in.Files, File{Name: fmt.Sprintf("opt/%d/%d", i%100, i), Mode: 0o644, Size: size, Time: newYear})
	}
	return in
}

// TestTightBudget has images that just fit into their layers: what clients have is
// no reason to fail where the image would fit without regard to it.
func TestTightBudget(t *testing.T) {
	t.Parallel()
	kept := 0
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		o := Options{Stale: func(string) bool { return seed%2 == 0 }, Layers: 3 + random.IntN(3), Largest: 10 << 20}
		var sizes []int64
		for sum := 0.; ; {
			size := int64(float64(2<<20) + random.Float64()*float64(16<<20))
			if sum += float64(size); sum*.4 > (0.75+random.Float64()*.25)*float64(o.Layers)*fill*float64(o.Largest) {
				break
			}
			sizes = append(sizes, size)
		}
		in := filesOf(sizes)
		before, err := Assign(in, nil, o)
		if err != nil {
			continue
		}
		measure(before)
		in.Files[random.IntN(len(sizes))].Size += int64(random.IntN(2 << 20))
		if _, err := Assign(in, nil, o); err != nil {
			continue
		}
		kept++
		if _, err := Assign(in, before, o); err != nil {
			t.Errorf("seed %d: it fits without a previous plan, and with it: %v", seed, err)
		}
	}
	if kept < 300 {
		t.Errorf("only %d trees", kept)
	}
}

// TestManyLargeFiles has more groups than a plan may have.
func TestManyLargeFiles(t *testing.T) {
	t.Parallel()
	sizes := make([]int64, maxPlanGroups+1)
	for i := range sizes {
		sizes[i] = alone + int64(i)
	}
	in := filesOf(sizes)
	p := mustAssign(t, in, nil, Options{})
	checkPlan(t, in, p, Options{})
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodePlan(text); err != nil {
		t.Errorf("the next update cannot read it: %v", err)
	}
}

// TestLargestIsLowered cuts layers anew that are larger than they may be now.
func TestLargestIsLowered(t *testing.T) {
	t.Parallel()
	sizes := make([]int64, 40)
	for i := range sizes {
		sizes[i] = 4 << 20
	}
	in := filesOf(sizes)
	before := mustAssign(t, in, nil, Options{Layers: 4})
	measure(before)
	largest := int64(0)
	for _, l := range mustAssign(t, in, before, Options{Layers: 40, Largest: 5 << 20}).Layers {
		largest = max(largest, l.Estimate)
	}
	if largest > 5<<20 {
		t.Errorf("a layer of %d bytes", largest)
	}
}

// TestErringClocks has a changelog of another century, and files from before and
// after all times.
func TestErringClocks(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, 50, 500)
	before := mustAssign(t, w.Input, nil, Options{})
	w.Packages[7].Changes = append([]time.Time{newYear.AddDate(100, 0, 0)}, w.Packages[7].Changes...)
	after := mustAssign(t, w.Input, nil, Options{})
	if before.Epoch != after.Epoch {
		t.Errorf("the time of what no package owns is %d, and %d with an error in a changelog", before.Epoch, after.Epoch)
	}
	a, b := before.expectation(), after.expectation()
	if b < a*0.98 || b > a*1.02 {
		t.Errorf("an update is expected to have %g bytes, and %g with an error in a changelog", a, b)
	}
	for _, year := range []int{1900, 2500} {
		in := Input{Files: w.Files[:5], Packages: w.Packages[:1]}
		in.Packages[0].BuildTime = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		text, err := mustAssign(t, in, nil, Options{}).Encode()
		if err == nil {
			_, err = DecodePlan(text)
		}
		if err != nil {
			t.Errorf("%d: the next update cannot read it: %v", year, err)
		}
	}
}

func (p *Plan) expectation() float64 {
	sum := 0.
	for _, l := range p.Layers {
		sum += l.Chance * float64(l.Estimate)
	}
	return sum
}

// TestPartsOfStrangers has a previous plan that says of how many parts a group is.
func TestPartsOfStrangers(t *testing.T) {
	t.Parallel()
	in := filesOf(slices.Repeat([]int64{1 << 20}, 200))
	a := &assigner{sorter: newSorter(in), options: Options{Largest: 60 << 20}.complete(), memory: map[string]*past{"x": {parts: maxPlanGroups}}}
	a.link()
	var all []int32
	for i := range in.Files {
		all = append(all, int32(i))
	}
	if n := len(a.parts("x", all)); n > 18 {
		t.Errorf("%d parts of what two layers could hold", n)
	}
}

// measure says of a plan's layers what a writer would, whatever their content.
func measure(p *Plan) {
	for i := range p.Layers {
		l := &p.Layers[i]
		l.Size, l.DiffID = l.Estimate, fmt.Sprintf("sha256:%064x", i)
	}
}
