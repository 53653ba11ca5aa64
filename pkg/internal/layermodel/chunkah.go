package layermodel

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"hash/fnv"
	"io"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// component is what chunkah packs: a source package, a file of 1 MiB or more
// that no package owns, or all other files.
type component struct {
	name      string
	size      int64
	stability float64
	bin       int
}

// Chunkah is the layout that chunkah 0.6.0 would choose (src/packing.rs,
// src/utils.rs of coreos/chunkah): components of unusual size alone, the others
// in bins of three tiers of stability, by a hash of their name.
func (t *Tree) Chunkah(layers int) Layout {
	owners := t.Owners()
	stability := stabilities(t.withChangelogs())
	index := map[string]int{}
	var list []component
	of := make([]int, len(t.Files))
	linked := map[uint64]int{}
	for i, c := range t.Files {
		name := owners[i]
		s := stability[name]
		if name == "" {
			name, s = "chunkah/unclaimed", 0
			if c.Size >= 1<<20 {
				name = "bigfile " + c.Name
			}
		}
		at, ok := index[name]
		if !ok {
			at = len(list)
			index[name] = at
			list = append(list, component{name: name, stability: s})
		}
		size := c.Compressed
		if c.Inode != 0 {
			if first, ok := linked[c.Inode]; ok {
				at, size = first, overhead
			}
			linked[c.Inode] = at
		}
		of[i] = at
		list[at].size += size
	}
	bins := pack(list, layers)
	for i := range of {
		of[i] = list[of[i]].bin
	}
	built := map[string]int64{}
	for _, p := range t.Packages {
		built[p.Source] = max(built[p.Source], p.BuildTime.Unix())
	}
	return Layout{Of: of, Layers: bins, Time: func(i int) int64 {
		switch clamp := built[owners[i]]; {
		case owners[i] == "":
			return 0
		case clamp > 0:
			return min(clamp, t.Files[i].Time.Unix())
		}
		return t.Files[i].Time.Unix()
	}}
}

// changelogDate is the last line of an entry, in deb-changelog(5).
var changelogDate = regexp.MustCompile(`(?m)^ -- .*>  (.*)$`)

// withChangelogs gives dpkg's packages what rpm's have in their database.
func (t *Tree) withChangelogs() []packagedb.Owner {
	list := slices.Clone(t.Packages)
	for i := range list {
		p := &list[i]
		for _, name := range []string{"changelog.Debian.gz", "changelog.gz"} {
			z, err := gzip.NewReader(bytes.NewReader(t.Changelogs["usr/share/doc/"+p.Name+"/"+name]))
			if err != nil || len(p.Changes) > 0 {
				continue
			}
			text, err := io.ReadAll(z)
			if err != nil {
				continue
			}
			for _, m := range changelogDate.FindAllSubmatch(text, -1) {
				if at, err := time.Parse("Mon, _2 Jan 2006 15:04:05 -0700", string(m[1])); err == nil {
					p.Changes = append(p.Changes, at)
				}
			}
		}
	}
	return list
}

// stabilities are the chances that sources are as they were a week later.
func stabilities(packages []packagedb.Owner) map[string]float64 {
	var now time.Time
	for _, p := range packages {
		for _, c := range p.Changes {
			if c.After(now) {
				now = c
			}
		}
	}
	days := map[string]map[string]bool{}
	oldest := map[string]time.Time{}
	for _, p := range packages {
		if days[p.Source] == nil {
			days[p.Source] = map[string]bool{}
		}
		for _, c := range p.Changes {
			if now.Sub(c) > 365*24*time.Hour {
				continue
			}
			days[p.Source][c.UTC().Format(time.DateOnly)] = true
			if o := oldest[p.Source]; o.IsZero() || c.Before(o) {
				oldest[p.Source] = c
			}
		}
	}
	list := map[string]float64{}
	for source, set := range days {
		span := now.Sub(oldest[source]).Hours() / 24
		switch {
		case len(set) == 0:
			list[source] = 0.99
		case span < 1:
			list[source] = 0
		default:
			list[source] = math.Exp(-float64(len(set)) / span * 7)
		}
	}
	return list
}

// pack sets the bins and returns their number.
func pack(list []component, layers int) int {
	if len(list) <= layers {
		for i := range list {
			list[i].bin = i
		}
		return len(list)
	}
	order := make([]*component, len(list))
	for i := range list {
		order[i] = &list[i]
	}
	slices.SortFunc(order, func(a, b *component) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name))
	})
	sizes := make([]float64, len(order))
	for i, c := range order {
		sizes[i] = float64(c.size)
	}
	middle := median(sizes)
	deviations := make([]float64, len(sizes))
	for i, s := range sizes {
		deviations[i] = math.Abs(s - middle)
	}
	limit := middle + 1.5*median(deviations)
	bins := 0
	for bins < layers*8/10 && float64(order[bins].size) >= limit {
		order[bins].bin = bins
		bins++
	}
	return tiers(order[bins:], bins, layers-bins)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// tiers spreads components over bins from first on.
func tiers(rest []*component, first, bins int) int {
	mean, variance := 0., 0.
	for _, c := range rest {
		mean += c.stability / float64(len(rest))
	}
	for _, c := range rest {
		variance += (c.stability - mean) * (c.stability - mean) / float64(len(rest))
	}
	sigma := math.Sqrt(variance)
	var tier [3][]*component
	for _, c := range rest {
		switch {
		case c.stability > mean+sigma:
			tier[0] = append(tier[0], c)
		case c.stability >= mean-sigma:
			tier[1] = append(tier[1], c)
		default:
			tier[2] = append(tier[2], c)
		}
	}
	left, members := bins, len(rest)
	for _, list := range tier {
		if len(list) == 0 {
			continue
		}
		n := min(max(1, int(math.Round(float64(left)*float64(len(list))/float64(members)))), len(list), max(left, 1))
		spread(list, first, n)
		first += n
		left -= n
		members -= len(list)
	}
	return first
}

// spread hashes components into bins; an empty bin gets the largest of those
// that are not alone.
func spread(list []*component, first, n int) {
	count := make([]int, n)
	for _, c := range list {
		h := fnv.New64a()
		h.Write([]byte(c.name))
		at := int(h.Sum64() % uint64(n))
		c.bin = first + at
		count[at]++
	}
	for at := range count {
		if count[at] > 0 {
			continue
		}
		for _, c := range list { // the largest first
			if count[c.bin-first] > 1 {
				count[c.bin-first]--
				c.bin = first + at
				count[at]++
				break
			}
		}
	}
}
