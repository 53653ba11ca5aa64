package chunk

import "slices"

// search is a partition that is improved by moving one unit, or by changing
// two, as long as that pays.
type search struct {
	*packer
	bins []bin
	in   []int // the bin of each unit
	// heaviest[bin][event] is the largest weight in the bin.
	heaviest [][]float64
	// same are the units of each event.
	same [][]int
}

// gain is below what is worth a step: sums of floating point numbers are not
// exact, and a search has to end.
const gain = 1

func newSearch(p *packer, bins []*bin) *search {
	s := &search{packer: p, in: make([]int, len(p.units)), same: make([][]int, p.numbers())}
	for i := range p.units {
		for _, e := range p.units[i].causes {
			s.same[e.number] = append(s.same[e.number], i)
		}
	}
	for at, b := range bins {
		s.add(*b)
		for _, u := range b.units {
			s.in[u] = at
		}
	}
	for len(s.bins) < p.layers {
		s.add(bin{home: -1})
	}
	return s
}

func (s *search) add(b bin) {
	heaviest := make([]float64, len(s.same))
	for _, e := range b.events {
		heaviest[e.number] = e.weight
	}
	b.units = slices.Clone(b.units)
	b.paid = s.binCost(&b)
	s.bins = append(s.bins, b)
	s.heaviest = append(s.heaviest, heaviest)
}

// without is the weight of a bin that loses unit u.
func (s *search) without(at, u int) float64 {
	weight := s.bins[at].weight
	for _, e := range s.units[u].causes {
		weight -= e.weight - min(e.weight, s.second(at, u, e.number))
	}
	return max(weight, 0)
}

// second is the largest weight of an event in a bin without unit u.
func (s *search) second(at, u, number int) float64 {
	largest := 0.
	for _, v := range s.same[number] {
		if v != u && s.in[v] == at {
			largest = max(largest, s.units[v].weight(number))
		}
	}
	return largest
}

func (u *unit) weight(number int) float64 {
	switch number {
	case 2 * u.source:
		return u.own
	case 2*u.release + 1:
		return u.shared
	}
	return 0
}

// with is the weight of a bin that gets unit u.
func (s *search) with(at, u int) float64 {
	weight := s.bins[at].weight
	for _, e := range s.units[u].causes {
		weight += max(0, e.weight-s.heaviest[at][e.number])
	}
	return weight
}

// lossOf is what a bin costs less without unit u.
func (s *search) lossOf(at, u int) float64 {
	b := s.bins[at]
	if len(b.units) == 1 {
		return b.paid
	}
	before := b.paid
	b.leave(&s.units[u])
	return before - s.cost(b.size-s.units[u].size, s.without(at, u), b.moved())
}

// priceOf is what a bin costs more with unit u.
func (s *search) priceOf(at, u int) float64 {
	b := s.bins[at]
	before := b.paid
	b.enter(&s.units[u])
	return s.cost(b.size+s.units[u].size, s.with(at, u), b.moved()) - before
}

func (b *bin) leave(u *unit) {
	if b.home >= 0 && u.home == b.home {
		b.missing++
	} else {
		b.foreign--
	}
}

func (b *bin) enter(u *unit) {
	if b.home >= 0 && u.home == b.home {
		b.missing--
	} else {
		b.foreign++
	}
}

// shift moves unit u.
func (s *search) shift(u, to int) {
	from := s.in[u]
	a, b := &s.bins[from], &s.bins[to]
	a.weight, b.weight = s.without(from, u), s.with(to, u)
	a.size -= s.units[u].size
	b.size += s.units[u].size
	for _, e := range s.units[u].causes {
		s.heaviest[from][e.number] = s.second(from, u, e.number)
		s.heaviest[to][e.number] = max(s.heaviest[to][e.number], e.weight)
	}
	a.units = slices.DeleteFunc(a.units, func(v int) bool { return v == u })
	b.units = append(b.units, u)
	a.leave(&s.units[u])
	b.enter(&s.units[u])
	if len(a.units) == 0 {
		a.size, a.weight = 0, 0
	}
	a.paid, b.paid = s.binCost(a), s.binCost(b)
	s.in[u] = to
}

// run improves until nothing does, or for a number of rounds that is more than
// it was ever seen to need.
func (s *search) run() {
	for range 30 {
		moves := s.moves()
		if moves == 0 && s.swaps() == 0 {
			return
		}
	}
}

func (s *search) moves() int {
	done := 0
	for u := range s.units {
		from := s.in[u]
		loss := s.lossOf(from, u)
		if loss <= gain {
			continue
		}
		best, price, emptySeen := -1, loss-gain, false
		for to := range s.bins {
			empty := len(s.bins[to].units) == 0
			if to == from || empty && (emptySeen || len(s.bins[from].units) == 1) || s.bins[to].size+s.units[u].size > s.largest && !empty {
				continue
			}
			emptySeen = emptySeen || empty
			if c := s.priceOf(to, u); c < price {
				best, price = to, c
			}
		}
		if best >= 0 {
			s.shift(u, best)
			done++
		}
	}
	return done
}

// swaps changes the places of two units where no single move pays: sizes and
// rates can be such that only both together do.
func (s *search) swaps() int {
	done := 0
	for u := range s.units {
		for v := u + 1; v < len(s.units); v++ {
			a, b := s.in[u], s.in[v]
			if a == b || s.promise(u, v) <= gain || s.related(u, v) {
				continue
			}
			if s.bins[a].size-s.units[u].size+s.units[v].size > s.largest || s.bins[b].size-s.units[v].size+s.units[u].size > s.largest {
				continue
			}
			if s.saved(u, v) > gain {
				s.shift(u, b)
				s.shift(v, a)
				done++
			}
		}
	}
	return done
}

// promise is what a change of places saves, but for events that a unit has in
// common with others: enough to pass most by.
func (s *search) promise(u, v int) float64 {
	a, b, x, y := &s.bins[s.in[u]], &s.bins[s.in[v]], &s.units[u], &s.units[v]
	size, weight := y.size-x.size, y.own+y.shared-x.own-x.shared
	return a.paid + b.paid - s.cost(a.size+size, max(a.weight+weight, 0), true) - s.cost(b.size-size, max(b.weight-weight, 0), true)
}

// saved is what a change of places saves, of units without a common event.
func (s *search) saved(u, v int) float64 {
	i, j := s.in[u], s.in[v]
	a, b, x, y := s.bins[i], s.bins[j], &s.units[u], &s.units[v]
	for _, step := range []struct {
		b         *bin
		out, into *unit
	}{{&a, x, y}, {&b, y, x}} {
		step.b.leave(step.out)
		step.b.enter(step.into)
		step.b.size += step.into.size - step.out.size
	}
	return a.paid + b.paid -
		s.cost(a.size, s.without(i, u)+s.with(i, v)-a.weight, a.moved()) -
		s.cost(b.size, s.without(j, v)+s.with(j, u)-b.weight, b.moved())
}

func (s *search) related(u, v int) bool {
	x, y := &s.units[u], &s.units[v]
	return x.source == y.source || x.release >= 0 && x.release == y.release
}
