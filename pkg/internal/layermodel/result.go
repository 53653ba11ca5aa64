package layermodel

import (
	"fmt"

	"github.com/bootkiln/bootkiln/pkg/chunk"
)

// Result is what a client of one image fetches for the next, in compressed
// bytes, with the layers that several planners make.
type Result struct {
	Layers int
	// Total is the whole image, which is what one as it was built in one layer
	// costs.
	Total int64
	// Floor has one layer for each source package, and Changed is the part of
	// it that is in files that changed.
	Floor, Changed int64
	Ours, Chunkah  int64
	// Back is what the way back costs with our plan, as the next update of the
	// same packages, and BackFloor the floor of that. It changes the files that
	// the update before changed, which is more alike than updates are.
	Back, BackFloor int64
	// Stale is how many layers are kept with files that changed, and Dead how
	// many bytes these are: what who installs the image fetches for nothing.
	Stale int
	Dead  int64
	// Packages are the source packages that changed.
	Packages []string
	// Text is the length of our plan, as the image has it.
	Text int
}

// Compare plans two images one after the other, and the first one once more.
// All layers of the image before can be read.
func Compare(before, after *Tree, o chunk.Options) (*Result, error) {
	o.Stale = Readable
	first, err := chunk.Assign(before.Input(), nil, o)
	if err != nil {
		return nil, err
	}
	before.Written(first)
	text, err := first.Encode()
	if err != nil {
		return nil, err
	}
	previous, err := chunk.DecodePlan(text)
	if err != nil {
		return nil, err
	}
	second, err := chunk.Assign(after.Input(), previous, o)
	if err != nil {
		return nil, err
	}
	r := &Result{Layers: o.Layers, Total: after.Total(), Text: len(text)}
	r.Floor, r.Changed, r.Packages = Floor(before, after)
	r.Ours = Download(before, before.Planned(first), after, after.Planned(second))
	r.Chunkah = Download(before, before.Chunkah(o.Layers), after, after.Chunkah(o.Layers))
	r.Stale, r.Dead = Dead(second)
	after.Written(second)
	third, err := chunk.Assign(before.Input(), second, o)
	if err != nil {
		return nil, err
	}
	r.Back = Download(after, after.Planned(second), before, before.Planned(third))
	r.BackFloor, _, _ = Floor(after, before)
	return r, nil
}

// Dead counts the stale layers of a plan, and what is dead in them.
func Dead(p *chunk.Plan) (layers int, bytes int64) {
	for _, l := range p.Layers {
		if l.Dead > 0 {
			layers++
			bytes += l.Dead
		}
	}
	return layers, bytes
}

func (r *Result) String() string {
	part := func(n int64) string {
		return fmt.Sprintf("%.1f MB (%.3f of the floor)", float64(n)/1e6, float64(n)/float64(max(r.Floor, 1)))
	}
	return fmt.Sprintf("%d layers: ours %s, chunkah's packing %s, one layer %s; floor %.1f MB in %d packages, changed files %s; %d layers kept with %.1f MB that are dead; plan of %d bytes; the way back %.1f MB (%.3f of its floor)",
		r.Layers, part(r.Ours), part(r.Chunkah), part(r.Total), float64(r.Floor)/1e6, len(r.Packages), part(r.Changed), r.Stale, float64(r.Dead)/1e6, r.Text,
		float64(r.Back)/1e6, float64(r.Back)/float64(max(r.BackFloor, 1)))
}
