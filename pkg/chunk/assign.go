package chunk

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

// assigner is one run of [Assign].
type assigner struct {
	*sorter
	in      Input
	options Options
	memory  map[string]*past
	byName  map[string]int32 // sources
	rater   *rater
	epochs  []time.Time // of sources
	// leader of each file is the first name of its hard links: itself, mostly.
	leader []int32
	// compiled are Python modules with a compiled form.
	compiled map[int32]bool
	epoch    int64
}

// Assign plans the layers of a tree. It is pure: the same input, previous plan
// and options give the same plan, in any order of the input. The previous plan
// is that of the image which clients have, decoded or not; nil for the first.
// Errors are those of the input's functions, and a budget that cannot hold
// the tree.
func Assign(in Input, previous *Plan, o Options) (*Plan, error) {
	a := &assigner{sorter: newSorter(in), in: in, options: o.complete(), memory: remember(previous), byName: map[string]int32{}}
	for id := range a.sources {
		a.byName[a.sources[id].name] = int32(id)
	}
	a.link()
	a.readChangelogs()
	a.epochs = a.sourceEpochs()
	a.rater = newRater(a.sources, a.epochs)
	a.epoch = a.rater.now.Unix()
	switch {
	case previous != nil:
		a.epoch = previous.Epoch
	case !in.Epoch.IsZero():
		a.epoch = in.Epoch.Unix()
	case a.rater.now.IsZero():
		a.epoch = 0
	}
	a.epoch = min(max(a.epoch, 0), maxEpoch)
	units, err := a.units()
	if err != nil {
		return nil, err
	}
	if err := a.compare(units, previous); err != nil {
		return nil, err
	}
	return a.plan(units, previous)
}

// link finds the hard links.
func (a *assigner) link() {
	a.leader = make([]int32, len(a.files))
	first := map[uint64]int32{}
	a.compiled = map[int32]bool{}
	for i, f := range a.files {
		a.leader[i] = int32(i)
		if source := pythonSource(f.Name); source != "" {
			if j, ok := a.place[source]; ok {
				a.compiled[j] = true
			}
		}
		if f.Inode == 0 || f.Mode.IsDir() {
			continue
		}
		if j, ok := first[f.Inode]; ok {
			a.leader[i] = j
		} else {
			first[f.Inode] = int32(i)
		}
	}
}

// sizeOf is what files come to in a layer, compressed. Further names of a file
// are no more than a header.
func (a *assigner) sizeOf(files []int32) int64 {
	size := int64(0)
	for _, i := range files {
		if a.leader[i] == i {
			size += estimate(&a.files[i])
		} else {
			size += header
		}
	}
	return size
}

// fill is how much of a layer's budget is used, because sizes are estimates.
const fill = 0.85

// largest is the budget of a layer.
func (a *assigner) largest() float64 { return fill * float64(a.options.Largest) }

// units are the groups of the tree, by name, split where that pays.
func (a *assigner) units() ([]unit, error) {
	groups := a.groups()
	sets := a.rater.releases(a.sources)
	a.numberKernel(groups)
	total := 0.
	for id := range a.sources {
		total += a.rater.rate(&a.sources[id])
	}
	var units []unit
	events := len(a.sources)
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		moving, still, learnt, err := a.split(name, groups[name])
		if err != nil {
			return nil, err
		}
		u := unit{release: -1, home: -1, source: events}
		events++
		rate := a.rateOf(name, total)
		if id, ok := a.byName[name]; ok {
			u.source, u.release = int(id), sets[id]
		}
		for at, files := range [][]int32{moving, still} {
			if len(files) == 0 {
				continue
			}
			part := name
			if at == 1 {
				part += stillMark
				rate *= stillRate(learnt)
			}
			for n, list := range a.parts(part, files) {
				u.group = a.newGroup(partName(part, n), list, at == 1)
				u.weigh(rate * a.options.Every.Hours() / 24)
				u.size = float64(u.group.Estimate)
				units = append(units, u)
			}
		}
	}
	slices.SortFunc(units, func(a, b unit) int { return cmp.Compare(a.group.Name, b.group.Name) })
	return units, nil
}

const (
	// withRelease is how many of the updates of a source that belongs to a set
	// come with an update of the others.
	withRelease = 0.8
)

// stillRate is how many of the updates of a group reach into the part that is
// expected not to change: by the names of its files, or because none of them
// did in the last one.
func stillRate(learnt bool) float64 {
	if learnt {
		return 0.2
	}
	return 0.4
}

func (u *unit) weigh(weight float64) {
	u.own, u.shared = weight, 0
	if u.release >= 0 {
		u.own, u.shared = (1-withRelease)*weight, withRelease*weight
	}
	u.setCauses()
}

// numberKernel makes the kernel's files one with the source that brings them,
// so that both change together.
func (a *assigner) numberKernel(groups map[string][]int32) {
	count := map[int32]int{}
	best := int32(nobody)
	for _, i := range groups[kernelGroup] {
		if id := a.owner[i]; id != nobody {
			count[id]++
			if best == nobody || count[id] > count[best] || count[id] == count[best] && id < best {
				best = id
			}
		}
	}
	if best != nobody {
		a.byName[kernelGroup] = best
	}
}

// rateOf is how often a group changes, in changes per day; total is the sum
// over packages.
func (a *assigner) rateOf(name string, total float64) float64 {
	if id, ok := a.byName[name]; ok {
		return a.rater.rate(&a.sources[id])
	}
	switch {
	case name == databaseGroup:
		return max(total, folderRate)
	case name == kernelGroup:
		return often["linux"]
	case name == initramfsGroup:
		return a.rateOf(kernelGroup, total) + initRate
	case name == "/etc":
		return etcRate
	}
	if i, ok := a.place[strings.TrimPrefix(name, "/")]; ok && !a.files[i].Mode.IsDir() {
		return fileRate
	}
	return folderRate
}

// newGroup makes the group that a plan has.
func (a *assigner) newGroup(name string, files []int32, still bool) *Group {
	g := &Group{Name: name, Estimate: a.sizeOf(files), Files: make([]Entry, 0, len(files))}
	owner, _, _ := strings.Cut(name, partMark)
	g.version, g.packages = a.version(owner, files), a.packageVersions(name)
	g.listed = !strings.HasPrefix(name, ":") && !strings.HasPrefix(name, "/")
	for _, i := range files {
		g.listed = g.listed && !a.guest[i]
		g.Files = append(g.Files, Entry{Name: a.files[i].Name, Time: a.timeOf(a.leader[i], still)})
	}
	return g
}

// packageVersions is a digest over the versions of the packages that a group
// depends on, so that the next run knows whether a change came with them; 0 where
// it depends on none, or these are not in the image.
func (a *assigner) packageVersions(group string) uint32 {
	if strings.HasPrefix(group, ":") { // what every package may change
		all := fnv.New32a()
		for _, s := range a.sources {
			fmt.Fprintf(all, "%s %d ", s.name, s.version)
		}
		return all.Sum32()
	}
	if id, ok := a.byName[baseName(group)]; ok {
		return a.sources[id].version
	}
	return 0
}

// timeOf is the modification time to write. What a package brought has its own,
// unless something wrote to it later; the rest has that of the plan. So does
// what stays still: packages that are built anew bring the same content at
// another time.
func (a *assigner) timeOf(i int32, still bool) int64 {
	f := &a.files[i]
	id := a.owner[i]
	if still || id == nobody || a.epochs[id].IsZero() || inEtc(f.Name) {
		return a.epoch
	}
	return min(f.Time.Unix(), a.epochs[id].Unix())
}

// clean makes a name that the marks of parts, lines and the length of a plan
// can rely on. That two groups become one by it does no harm.
func clean(name string) string {
	if len(name) > 256 {
		name = name[:256]
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' || strings.ContainsRune(stillMark+partMark, r) {
			return '?'
		}
		return r
	}, name)
}

// sourceEpochs are the times at which sources were built: in their packages'
// words, or else that of most files. A few of them may be younger: what scripts
// wrote when the image was built.
func (a *assigner) sourceEpochs() []time.Time {
	count := make([]map[int64]int, len(a.sources))
	for i, f := range a.files {
		id := a.owner[i]
		if id == nobody || !a.sources[id].built.IsZero() || !f.Mode.IsRegular() || f.Time.IsZero() || pythonSource(f.Name) != "" ||
			inEtc(f.Name) { // of the epoch in an image that was chunked before
			continue
		}
		if count[id] == nil {
			count[id] = map[int64]int{}
		}
		count[id][f.Time.Unix()]++
	}
	epochs := make([]time.Time, len(a.sources))
	for id := range a.sources {
		epochs[id] = a.sources[id].built
		best, most := int64(0), 0
		for t, n := range count[id] {
			if n > most || n == most && t < best {
				best, most = t, n
			}
		}
		if most > 0 {
			epochs[id] = time.Unix(best, 0)
		}
	}
	return epochs
}

func (a *assigner) plan(units []unit, previous *Plan) (*Plan, error) {
	bins, notes, err := a.pack(units, previous)
	if err != nil {
		return nil, err
	}
	p := &Plan{Epoch: a.epoch, Notes: notes}
	age := map[string]int{} // of stale layers: their order, from 1
	for _, b := range bins {
		l := Layer{Chance: chance(b.weight), Estimate: int64(b.size)}
		if b.dead > 0 {
			l.Dead, l.DiffID, l.Size = b.dead, previous.Layers[b.home].DiffID, previous.Layers[b.home].Size
			age[l.DiffID] = b.home + 1
		}
		slices.Sort(b.units) // which is by name
		for _, u := range b.units {
			l.Groups = append(l.Groups, *units[u].group)
		}
		if l.Estimate > a.options.Largest && len(l.Groups) == 1 {
			p.Notes = append(p.Notes, fmt.Sprintf("%s is larger than a layer may be and has no parts", l.Groups[0].Name))
		}
		p.Layers = append(p.Layers, l)
	}
	slices.SortStableFunc(p.Layers, func(x, y Layer) int {
		if x.Dead > 0 && y.Dead > 0 {
			return cmp.Compare(age[x.DiffID], age[y.DiffID])
		}
		if (x.Dead > 0) != (y.Dead > 0) {
			return cmp.Compare(y.Dead, x.Dead)
		}
		return cmp.Or(cmp.Compare(x.Chance, y.Chance), cmp.Compare(x.Groups[0].Name, y.Groups[0].Name))
	})
	a.track(p, units)
	return p, nil
}

// track asks for digests where they may save most: those of what stays still
// first, because without them it would not stay.
func (a *assigner) track(p *Plan, units []unit) {
	weight := map[string]float64{}
	split := map[string]bool{}
	for _, u := range units {
		weight[u.group.Name] = (u.own + u.shared) * u.size
		if name, _, _ := strings.Cut(u.group.Name, partMark); strings.HasSuffix(name, stillMark) {
			weight[u.group.Name] = weight[u.group.Name] + 1e18
			split[strings.TrimSuffix(name, stillMark)] = true
		}
	}
	var order []*Group
	for i := range p.Layers {
		for j := range p.Layers[i].Groups {
			g := &p.Layers[i].Groups[j]
			name, _, _ := strings.Cut(g.Name, partMark)
			if !strings.HasPrefix(name, ":") && !split[name] && g.Estimate >= splittable || strings.HasSuffix(name, stillMark) {
				order = append(order, g)
			}
		}
	}
	slices.SortFunc(order, func(x, y *Group) int {
		return cmp.Or(cmp.Compare(weight[y.Name], weight[x.Name]), cmp.Compare(x.Name, y.Name))
	})
	left := tracked
	for _, g := range order {
		var list []int
		for i, e := range g.Files {
			at := a.place[e.Name]
			if f := &a.files[at]; f.Mode.IsRegular() && f.Size >= trackable && a.leader[at] == at {
				list = append(list, i)
			}
		}
		cost := len(list)
		if strings.Contains(g.Name, stillMark) {
			cost *= 2
		}
		if cost > left {
			continue
		}
		left -= cost
		for _, i := range list {
			g.Files[i].Track = true
		}
	}
}
