package chunk

import (
	"bytes"
	"cmp"
	"slices"
)

// Prediction is what a client of the previous image fetches for the next one,
// in compressed bytes.
type Prediction struct {
	// Bytes are those of the layers that it does not have, Total those of all.
	Bytes  int64 `json:"bytes"`
	Total  int64 `json:"total"`
	Layers int   `json:"layers"`
	Reused int   `json:"reused"`
	// Floor is what it would fetch if each source package, and what else is
	// kept together, had a layer of its own, undivided.
	Floor int64 `json:"floor"`
	// Causes are the groups that changed, those that cost most first.
	Causes []Cause `json:"causes"`
}

// Cause is a group that changed, or came into the image.
type Cause struct {
	Group string `json:"group"`
	// Own is the size of the group, Dragged its share of what else is in the
	// layer and did not change.
	Own     int64 `json:"own"`
	Dragged int64 `json:"dragged"`
	// Moved says that the group itself did not change: its files are divided
	// among layers in another way now.
	Moved bool `json:"moved"`
	// Files say what changed in a group although its packages did not
	// ("etc/machine-id: content"): the first few, where the previous image's
	// layer could be read. Whoever makes them anew with every build makes every
	// machine download the layer.
	Files []string `json:"files,omitempty"`
}

// Predict compares the plans of two images whose layers were written. previous
// may be decoded; nil is a client that has nothing.
func Predict(previous, next *Plan) Prediction {
	var p Prediction
	had := map[string]bool{}
	sums := map[string][]byte{}
	if previous != nil {
		for _, l := range previous.Layers {
			had[l.DiffID] = l.DiffID != ""
			for _, g := range l.Groups {
				sums[g.Name] = g.Sum
			}
		}
	}
	whole := map[string]int64{} // of groups with all their parts
	changed := map[string]bool{}
	for i := range next.Layers {
		l := &next.Layers[i]
		p.Total += l.Size
		p.Layers++
		reused := had[l.DiffID]
		var causes []Cause
		rest := l.Size
		estimate := max(l.estimate(), 1)
		for j := range l.Groups {
			g := &l.Groups[j]
			size := int64(float64(l.Size-l.Dead) * float64(g.Estimate) / float64(estimate))
			base := baseName(g.Name)
			whole[base] += size
			if len(g.Sum) == 0 || !bytes.Equal(g.Sum, sums[g.Name]) {
				changed[base] = true
				causes = append(causes, Cause{Group: g.Name, Own: size})
				rest -= size
			}
		}
		if reused {
			p.Reused++
			continue
		}
		p.Bytes += l.Size
		p.Causes = append(p.Causes, blame(l, causes, rest)...)
	}
	for base := range changed {
		p.Floor += whole[base]
	}
	slices.SortFunc(p.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Own+b.Dragged, a.Own+a.Dragged), cmp.Compare(a.Group, b.Group))
	})
	return p
}

func (l *Layer) estimate() int64 {
	sum := int64(0)
	for _, g := range l.Groups {
		sum += g.Estimate
	}
	return sum
}

// blame divides the rest of a layer among the groups that changed in it, by
// their size. Where none did, another division of the layers is the cause.
func blame(l *Layer, causes []Cause, rest int64) []Cause {
	if len(causes) == 0 {
		return []Cause{{Group: l.Groups[0].Name, Own: 0, Dragged: l.Size, Moved: true}}
	}
	own := int64(0)
	for _, c := range causes {
		own += c.Own
	}
	for i := range causes {
		causes[i].Dragged = int64(float64(rest) * float64(causes[i].Own) / float64(max(own, 1)))
	}
	return causes
}
