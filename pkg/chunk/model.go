package chunk

import "slices"

// unit is what the packing moves as a whole: a group with what the model knows
// of it.
type unit struct {
	group *Group
	// size is in compressed bytes.
	size float64
	// own and shared are weights, see doc.go: of changes of the source alone,
	// and of those that come with a release of many.
	own, shared float64
	// source and release number the events; release is -1 for none.
	source, release int
	// changed says that it is another one than in the previous plan.
	changed bool
	// home is the layer of the previous plan that the unit has no reason to
	// leave, -1 where there is none.
	home int
	// causes are the events of own and shared, by number; see setCauses.
	causes []event
}

// chance is the probability that one of some events comes to pass before the
// next update, from the sum of their weights; see doc.go for the intervals.
func chance(weight float64) float64 { return weight / (1 + weight) }

// event is a cause of change, and the largest weight that a unit of a layer
// gives it. The number is even for sources and odd for releases.
type event struct {
	number int
	weight float64
}

func (u *unit) setCauses() {
	u.causes = nil
	if u.own > 0 {
		u.causes = append(u.causes, event{2 * u.source, u.own})
	}
	if u.release >= 0 && u.shared > 0 {
		u.causes = append(u.causes, event{2*u.release + 1, u.shared})
	}
	slices.SortFunc(u.causes, func(a, b event) int { return a.number - b.number })
}

// bin is a layer in the making.
type bin struct {
	units  []int
	size   float64
	weight float64 // the sum over events
	events []event // by number
	// home is the layer of the previous plan that this is, if all of that is
	// here and nothing else; missing and foreign count what is amiss.
	home, missing, foreign int
	// paid is the cost, of a bin that is not changed any more.
	paid float64
	// dead is that of the stale layer that the bin is.
	dead int64
}

func (b *bin) moved() bool { return b.home < 0 || b.missing > 0 || b.foreign > 0 }

// cost is what a layer costs a client in the mean of the updates to come: the
// expectation of the model and, of a layer that clients do not have, its
// share of the one time that they fetch it for the plan's sake.
func (p *packer) cost(size, weight float64, moved bool) float64 {
	c := size * chance(weight)
	if moved {
		c += size * p.move
	}
	return c
}

func (p *packer) binCost(b *bin) float64 {
	if len(b.units) == 0 {
		return 0
	}
	return p.cost(b.size, b.weight, b.moved())
}

// merged returns events of two lists, each at its larger weight, and their sum.
func merged(a, b []event) ([]event, float64) {
	list := make([]event, 0, len(a)+len(b))
	sum := 0.
	for len(a) > 0 || len(b) > 0 {
		var e event
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].number < b[0].number:
			e, a = a[0], a[1:]
		case len(a) == 0 || b[0].number < a[0].number:
			e, b = b[0], b[1:]
		default:
			e = event{a[0].number, max(a[0].weight, b[0].weight)}
			a, b = a[1:], b[1:]
		}
		list = append(list, e)
		sum += e.weight
	}
	return list, sum
}
