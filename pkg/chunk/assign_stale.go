package chunk

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/dustin/go-humanize"
)

// The limits of what is dead, see doc.go.
const (
	// deadInLayer is how much of a layer may be dead, and deadInImage of all.
	deadInLayer = 1. / 2
	deadInImage = 1. / 40
	// installs is how many installations there are for each update that a
	// machine gets.
	installs = 0.02
)

// staleLayer is one that may be kept.
type staleLayer struct {
	at int
	// live is what is saved, changed what of it dies now, and dead all that is
	// dead then; in compressed bytes.
	live, changed, dead float64
}

// staleLayers are those of the previous plan that may be kept although files of
// them changed or are gone.
type staleLayers struct {
	// same have nothing dead that was not so before: these are kept for nothing.
	same map[int]int64
	// list are the others, the most useful first.
	list []staleLayer
}

// staleLayers finds them, within the limits. What is stale already may be twice
// what may become so, because images get smaller as well.
func (a *assigner) staleLayers(units []unit, previous *Plan) staleLayers {
	s := staleLayers{same: map[int]int64{}}
	place := map[string]*unit{}
	total, spent := 0., 0.
	for i := range units {
		place[units[i].group.Name] = &units[i]
		total += units[i].size
	}
	var same []staleLayer
	for at, l := range previous.Layers {
		size := float64(max(l.Size-l.Dead, 0))
		n, part := l.unchanged(place)
		live := part * size
		switch c := (staleLayer{at, live, size - live, float64(l.Dead) + size - live}); {
		case !a.mayStay(&l):
		case n == len(l.Groups):
			if l.Dead > 0 {
				same = append(same, c)
			}
		case n > 0 && c.dead <= deadInLayer*float64(l.Size) && a.released(&l, place):
			s.list = append(s.list, c)
		}
	}
	within := func(list []staleLayer, limit float64) []staleLayer {
		return slices.DeleteFunc(list, func(c staleLayer) bool {
			if spent+c.dead > limit*total {
				return true
			}
			spent += c.dead
			return false
		})
	}
	slices.SortStableFunc(same, func(x, y staleLayer) int { return cmp.Compare(y.live*x.dead, x.live*y.dead) })
	for _, c := range within(same, 2*deadInImage) {
		s.same[c.at] = previous.Layers[c.at].Dead
	}
	slices.SortStableFunc(s.list, func(x, y staleLayer) int { return cmp.Compare(y.live*x.changed, x.live*y.changed) })
	s.list = within(s.list, deadInImage)
	slices.SortStableFunc(s.list, func(x, y staleLayer) int { return cmp.Compare(y.live, x.live) })
	return s
}

// released says that what a layer has that changed or is gone was listed by
// packages, and went with another version of them or with the package itself.
// All else is somebody's own, who may have removed it because nobody is to have
// it.
func (a *assigner) released(l *Layer, units map[string]*unit) bool {
	for i := range l.Groups {
		g := &l.Groups[i]
		if u := units[g.Name]; u != nil && !u.changed {
			continue
		}
		if !g.listed || g.packages == a.packageVersions(g.Name) {
			return false
		}
	}
	return true
}

// counts are how many of the list to try to keep. Each takes a layer of the
// budget that would else be open to what changed. Where it makes no difference,
// none is kept.
func (s staleLayers) counts() []int {
	n := len(s.list)
	return slices.Compact([]int{0, (n + 3) / 4, (n + 1) / 2, (3*n + 3) / 4, n})
}

// first returns the dead bytes of the layers to keep, with the first n of the
// list.
func (s staleLayers) first(n int) map[int]int64 {
	dead := map[int]int64{}
	maps.Copy(dead, s.same)
	for _, c := range s.list[:n] {
		dead[c.at] = int64(math.Ceil(c.dead))
	}
	return dead
}

// burden is what the dead bytes cost.
func (p *packer) burden(bins []*bin) float64 {
	sum := 0.
	for _, b := range bins {
		if b.home >= 0 && !b.moved() {
			sum += installs * float64(p.stale[b.home])
		}
	}
	return sum
}

// staleNotes say what became of the layers with dead files in them.
func staleNotes(bins []*bin, previous *Plan) (notes []string) {
	kept := map[int]bool{}
	for _, b := range bins {
		if b.dead > 0 {
			kept[b.home] = true
		}
	}
	gone, freed := 0, int64(0)
	for at, l := range previous.Layers {
		if l.Dead > 0 && !kept[at] {
			gone++
			freed += l.Dead
		}
	}
	switch gone {
	case 0:
	case 1:
		notes = append(notes, fmt.Sprintf("rebalanced: a layer is made anew, without %s in it that nobody saw any more", humanize.Bytes(uint64(freed))))
	default:
		notes = append(notes, fmt.Sprintf("rebalanced: %d layers are made anew, without %s in them that nobody saw any more", gone, humanize.Bytes(uint64(freed))))
	}
	return notes
}
