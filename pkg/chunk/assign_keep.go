package chunk

import (
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize"
)

// pack puts units into layers. With a previous plan, layers that nothing has
// changed in are kept, and what is in the others is free to go anywhere:
// clients fetch it in any case. Layers that have not changed are touched only
// where that pays for itself. Of those with few changes as many are kept, with
// the changes above them, as pays.
func (a *assigner) pack(units []unit, previous *Plan) (bins []*bin, notes []string, err error) {
	if previous == nil {
		bins, err = a.packer(units).fresh()
		return bins, nil, err
	}
	a.calibrate(units, previous)
	stale := a.staleLayers(units, previous)
	var best *attempt
	for _, n := range stale.counts() {
		next, err := a.attempt(units, previous, stale.first(n), n == 0)
		if err != nil {
			return nil, nil, err
		}
		if best == nil || next.cost < best.cost-gain {
			best = next
		}
	}
	for _, b := range best.bins {
		if b.home >= 0 && !b.moved() {
			b.dead = best.stale[b.home]
		}
	}
	return best.bins, best.notes(previous), nil
}

func (a *assigner) packer(units []unit) *packer {
	return &packer{units: slices.Clone(units), layers: a.options.Layers, largest: a.largest()}
}

// attempt is one way to go on from the previous plan.
type attempt struct {
	*packer
	// kept are the layers without a touch to what did not change, bins those
	// that it ends with.
	kept, bins []*bin
	// cost is what it costs in the mean of the updates that it has to pay in.
	cost float64
}

// attempt keeps these stale layers, unless another partition is better or, with
// fresh, one without regard to how it was before.
func (a *assigner) attempt(units []unit, previous *Plan, stale map[int]int64, fresh bool) (*attempt, error) {
	p := a.packer(units)
	p.stale = stale
	old, changed := p.keep(previous)
	if !changed && len(old) <= p.layers {
		return &attempt{packer: p, kept: old, bins: old}, nil
	}
	// First without a touch to what has not changed, unless the budget demands it.
	p.move = 1e3
	kept, err := p.settle(old)
	if err != nil { // what is as it was leaves no room for what is not
		if kept, err = p.fresh(); err != nil {
			return nil, err
		}
	}
	p.move = 1 / float64(a.options.Horizon)
	further, err := p.settle(kept)
	if err != nil {
		return nil, err
	}
	others := [][]*bin{further}
	if fresh {
		if other, err := p.fresh(); err == nil { // else there is the one that fits
			others = append(others, other)
		}
	}
	t := &attempt{packer: p, kept: kept, bins: kept}
	for _, other := range others {
		if p.total(other) < p.total(t.bins)-gain {
			t.bins = other
		}
	}
	t.cost = p.total(t.bins) + p.burden(t.bins)
	return t, nil
}

// notes say what is not as it was although it did not change.
func (t *attempt) notes(previous *Plan) (notes []string) {
	if moved := t.broken(t.bins, previous); moved > 0 {
		note := fmt.Sprintf("rebalanced: %s that did not change are in other layers now", humanize.Bytes(uint64(moved)))
		if saved := t.expected(t.kept) - t.expected(t.bins); saved > 0 {
			note += fmt.Sprintf(", which is expected to save %s in each update", humanize.Bytes(uint64(saved)))
		} else {
			note += ", because the budget has no other place for what is new"
		}
		notes = append(notes, note)
	}
	return append(notes, staleNotes(t.bins, previous)...)
}

// calibrate corrects estimates by what the layers of the previous plan came to.
func (a *assigner) calibrate(units []unit, previous *Plan) {
	ratio := map[string]float64{}
	for _, l := range previous.Layers {
		sum := int64(0)
		for _, g := range l.Groups {
			sum += g.Estimate
		}
		if l.Size <= 0 || sum <= 0 {
			continue
		}
		for _, g := range l.Groups {
			ratio[g.Name] = min(max(float64(l.Size-l.Dead)/float64(sum), 0.2), 3)
		}
	}
	for i := range units {
		if r, ok := ratio[units[i].group.Name]; ok {
			units[i].size *= r
		}
	}
}

// keep makes a bin of each layer of the previous plan that is as it was, or may
// be stale, and one of each unit that is not in such a layer.
func (p *packer) keep(previous *Plan) (bins []*bin, changed bool) {
	place := map[string]int{}
	for i := range p.units {
		place[p.units[i].group.Name] = i
	}
	kept := make([]bool, len(p.units))
	p.homes = make([]int, len(previous.Layers))
	for at, l := range previous.Layers {
		var members []int
		for _, g := range l.Groups {
			if i, ok := place[g.Name]; ok && !kept[i] && !p.units[i].changed {
				members = append(members, i)
			}
		}
		whole := len(members) == len(l.Groups)
		changed = changed || !whole
		tooLarge := len(members) > 1 && float64(l.Size) > p.largest/fill // by other options, or because estimates erred
		if dead, stale := p.stale[at]; tooLarge || len(members) == 0 || !stale && !whole || dead == 0 && l.Dead > 0 {
			changed = true
			continue
		}
		b := p.newBin(members...)
		b.home = at
		p.homes[at] = len(members)
		for _, i := range members {
			kept[i], p.units[i].home = true, at
		}
		bins = append(bins, b)
	}
	for i := range p.units {
		if !kept[i] {
			changed = true
			bins = append(bins, p.newBin(i))
		}
	}
	return bins, changed
}

// fresh is the partition without regard to how it was before.
func (p *packer) fresh() ([]*bin, error) {
	bins := make([]*bin, 0, len(p.units))
	for i := range p.units {
		b := p.newBin(i)
		if home := p.units[i].home; home >= 0 && p.homes[home] == 1 {
			b.home = home
		}
		bins = append(bins, b)
	}
	return p.settle(bins)
}

// settle brings bins down to the budget and improves on that.
func (p *packer) settle(bins []*bin) ([]*bin, error) {
	bins = p.merge(p.bundle(slices.Clone(bins), 1000))
	if len(bins) > p.layers {
		return nil, &BudgetError{Needed: len(bins), Layers: p.layers, Largest: int64(math.Round(p.largest / fill))}
	}
	for _, b := range bins {
		p.recognise(b)
	}
	s := newSearch(p, bins)
	s.run()
	var found []*bin
	for i := range s.bins {
		if b := &s.bins[i]; len(b.units) > 0 {
			again := p.newBin(b.units...)
			p.recognise(again)
			found = append(found, again)
		}
	}
	return found, nil
}

// recognise notes that a bin is a layer that clients have.
func (p *packer) recognise(b *bin) {
	if b.home >= 0 {
		return
	}
	home := p.units[b.units[0]].home
	if home < 0 || p.homes[home] != len(b.units) {
		return
	}
	for _, u := range b.units {
		if p.units[u].home != home {
			return
		}
	}
	b.home = home
}

func (p *packer) total(bins []*bin) float64 {
	sum := 0.
	for _, b := range bins {
		sum += p.binCost(b)
	}
	return sum
}

// expected is what the model expects of an update, in bytes.
func (p *packer) expected(bins []*bin) float64 {
	sum := 0.
	for _, b := range bins {
		sum += b.size * chance(b.weight)
	}
	return sum
}

// broken is how many bytes of layers that clients have, without a change, are in
// other layers.
func (p *packer) broken(bins []*bin, previous *Plan) float64 {
	sum := 0.
	for _, b := range bins {
		for _, u := range b.units {
			home := p.units[u].home
			if home >= 0 && p.stale[home] <= previous.Layers[home].Dead && b.moved() {
				sum += p.units[u].size
			}
		}
	}
	return sum
}
