package chunk

import (
	"cmp"
	"math"
	"slices"
)

// packer looks for the partition of units into layers that costs least.
type packer struct {
	units []unit
	// layers and largest are the budget; largest is in compressed bytes.
	layers  int
	largest float64
	// move is the share of a layer's size that moving it costs per update: 1 /
	// horizon, 0 where there is no client yet.
	move float64
	// homes is the number of units of each layer of the previous plan.
	homes []int
	// stale are the layers of the previous plan that may be kept although they
	// have files that changed or are gone: those by their place, in compressed
	// bytes.
	stale map[int]int64
}

// worth is how many expected bytes of an update a layer has to save to be one:
// a request, an entry in the manifest and one in the history.
const worth = 1 << 10

// pair is the cheapest partner of a bin among those after it.
type pair struct {
	with int
	cost float64
}

func (p *packer) newBin(units ...int) *bin {
	b := &bin{home: -1, units: units}
	for _, u := range units {
		b.size += p.units[u].size
		b.events, b.weight = merged(b.events, p.units[u].causes)
	}
	return b
}

// joinCost is what it costs to make one bin of two, +Inf where that is too
// large. weights has those of a's events by number, and else 0.
func (p *packer) joinCost(a, b *bin, weights []float64) float64 {
	if a.size+b.size > p.largest {
		return math.Inf(1)
	}
	weight := a.weight + b.weight
	for _, e := range b.events {
		weight -= min(e.weight, weights[e.number])
	}
	return p.cost(a.size+b.size, weight, true) - a.paid - b.paid
}

func (p *packer) join(a, b *bin) *bin {
	c := &bin{home: -1, units: slices.Concat(a.units, b.units), size: a.size + b.size}
	c.events, c.weight = merged(a.events, b.events)
	c.paid = p.binCost(c)
	return c
}

// merge joins the two bins for which it costs least, again and again, until
// there are no more than the budget allows and nothing is to be gained.
func (p *packer) merge(bins []*bin) []*bin {
	weights := make([]float64, p.numbers())
	best := make([]pair, len(bins))
	seek := func(i int) {
		for _, e := range bins[i].events {
			weights[e.number] = e.weight
		}
		best[i] = pair{-1, math.Inf(1)}
		for j := i + 1; j < len(bins); j++ {
			if bins[j] == nil {
				continue
			}
			if c := p.joinCost(bins[i], bins[j], weights); c < best[i].cost {
				best[i] = pair{j, c}
			}
		}
		for _, e := range bins[i].events {
			weights[e.number] = 0
		}
	}
	for _, b := range bins {
		b.paid = p.binCost(b)
	}
	for i := range bins {
		seek(i)
	}
	for left := len(bins); left > 1; left-- {
		at := -1
		for i := range bins {
			if bins[i] != nil && best[i].with >= 0 && (at < 0 || best[i].cost < best[at].cost) {
				at = i
			}
		}
		if at < 0 || left <= p.layers && best[at].cost > worth {
			break
		}
		gone := best[at].with
		bins[at] = p.join(bins[at], bins[gone])
		bins[gone] = nil
		seek(at)
		for _, e := range bins[at].events {
			weights[e.number] = e.weight
		}
		var again []int
		for i := range bins {
			switch {
			case bins[i] == nil || i == at:
			case best[i].with == at || best[i].with == gone:
				again = append(again, i)
			case i < at:
				if c := p.joinCost(bins[at], bins[i], weights); c < best[i].cost {
					best[i] = pair{at, c}
				}
			}
		}
		for _, e := range bins[at].events {
			weights[e.number] = 0
		}
		for _, i := range again {
			seek(i)
		}
	}
	return slices.DeleteFunc(bins, func(b *bin) bool { return b == nil })
}

// numbers is above the number of every event.
func (p *packer) numbers() int {
	n := 0
	for i := range p.units {
		n = max(n, 2*p.units[i].source+1, 2*p.units[i].release+2)
	}
	return n + 1
}

// bundle brings the number of bins down to where looking at all pairs is cheap,
// by joining neighbours in the order of weight to size: where the sum of
// weights is small, the best partitions are near that order.
func (p *packer) bundle(bins []*bin, most int) []*bin {
	if len(bins) <= most {
		return bins
	}
	ratio := func(b *bin) float64 { return b.weight / (b.size + 1) }
	slices.SortStableFunc(bins, func(a, b *bin) int {
		return cmp.Or(cmp.Compare(a.home, b.home), cmp.Compare(ratio(a), ratio(b)))
	})
	// The smallest go first: what they cost is least.
	free := make([]float64, 0, len(bins))
	for _, b := range bins {
		free = append(free, b.size*b.weight)
	}
	slices.Sort(free)
	small := free[len(free)-most/2]
	var list []*bin
	each := (len(bins) - most/2 + most/2 - 1) / (most / 2)
	count := 0
	for _, b := range bins {
		last := len(list) - 1
		if b.home < 0 && b.size*b.weight < small && count > 0 && count < each && list[last].home < 0 && list[last].size+b.size <= p.largest {
			list[last] = p.join(list[last], b)
			count++
			continue
		}
		list = append(list, b)
		count = 0
		if b.home < 0 && b.size*b.weight < small {
			count = 1
		}
	}
	return list
}
