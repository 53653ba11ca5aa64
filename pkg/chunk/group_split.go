package chunk

import (
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"
)

const (
	// splittable is the size from which a group may be split, in compressed
	// bytes, and least is what each part has to have: below, the layers and
	// digests are worth more than what they save.
	splittable = 4 << 20
	least      = 512 << 10
	// trackable is how large a file has to be for its digest to be kept.
	trackable = 4 << 10
	// tracked is how many digests a plan has at most, about 160 kB of it.
	tracked = 32 << 10
	// still marks the part of a group that updates leave as it is, and part
	// goes before the number of a part.
	stillMark = "~"
	partMark  = "#"
)

// past is what the previous plan knows of the parts of one group.
type past struct {
	names, contents []filter
	version         uint32
	parts           int
}

func (p *past) has(name string) bool {
	m := memberOf([]byte(name))
	return slices.ContainsFunc(p.names, func(f filter) bool { return f.has(m) })
}

func (p *past) hasContent(name string, sum []byte) bool {
	m := memberOf([]byte(name), sum)
	return slices.ContainsFunc(p.contents, func(f filter) bool { return f.has(m) })
}

// remember sums up the previous plan, by the names of groups without their
// numbers.
func remember(p *Plan) map[string]*past {
	memory := map[string]*past{}
	if p == nil {
		return memory
	}
	for i := range p.Layers {
		for j := range p.Layers[i].Groups {
			g := &p.Layers[i].Groups[j]
			g.seal()
			name, _, _ := strings.Cut(g.Name, partMark)
			m := memory[name]
			if m == nil {
				m = &past{}
				memory[name] = m
			}
			m.names = append(m.names, g.names)
			m.contents = append(m.contents, g.contents)
			m.version += g.version
			m.parts++
		}
	}
	return memory
}

// seal makes the filters of a group that has files.
func (g *Group) seal() {
	if len(g.Files) == 0 {
		return
	}
	var names, contents []uint64
	isStill := strings.Contains(g.Name, stillMark)
	for _, f := range g.Files {
		if !f.Track {
			continue
		}
		if isStill {
			names = append(names, memberOf([]byte(f.Name)))
		}
		if len(f.Sum) > 0 {
			contents = append(contents, memberOf([]byte(f.Name), f.Sum))
		}
	}
	g.names, g.contents = newFilter(names), newFilter(contents)
}

// steady tells by its name that an update of its package is likely to leave a
// file as it is: data rather than code. What is right of this shows with the
// first update, see split.
func steady(name string) bool {
	if strings.HasPrefix(name, "usr/share/doc/") {
		return false
	}
	switch path.Ext(name) {
	case ".ttf", ".otf", ".ttc", ".png", ".svg", ".jpg", ".svgz", ".wav", ".ogg", ".oga", ".mo", ".pm", ".h", ".hpp":
		return true
	}
	return strings.HasPrefix(name, "usr/share/")
}

// split divides the files of a group (by their index) into what moves with
// updates and what stays still. Both go to new layers when a group is split,
// so that it is done only where the group has changed: then it costs nothing.
// learnt says that all that stays still has come through an update as it was.
func (a *assigner) split(name string, files []int32) (moving, still []int32, learnt bool, err error) {
	size := a.sizeOf(files)
	before, stillBefore := a.memory[name], a.memory[name+stillMark]
	if strings.HasPrefix(name, ":") || size < splittable && stillBefore == nil {
		return files, nil, false, nil
	}
	var keep func(*File) (bool, error)
	switch {
	case stillBefore != nil:
		member := func(f *File) (bool, error) { return stillBefore.has(f.Name), nil }
		moving, still, err = a.divide(files, member)
		if err != nil || a.in.Sum == nil ||
			before != nil && a.version(name, moving) == before.version && a.version(name+stillMark, still) == stillBefore.version {
			return moving, still, false, err
		}
		learnt = true
		keep = func(f *File) (bool, error) {
			if !stillBefore.has(f.Name) {
				return false, nil
			}
			sum, err := a.in.Sum(f.Name)
			return err == nil && stillBefore.hasContent(f.Name, sum), err
		}
	case before == nil:
		keep = func(f *File) (bool, error) { return steady(f.Name), nil }
	case a.version(name, files) == before.version:
		return files, nil, false, nil
	case a.in.Sum == nil || !slices.ContainsFunc(before.contents, func(f filter) bool { return len(f.members) > 0 }):
		keep = func(f *File) (bool, error) { return steady(f.Name), nil }
	default:
		learnt = true
		keep = func(f *File) (bool, error) {
			sum, err := a.in.Sum(f.Name)
			return err == nil && before.hasContent(f.Name, sum), err
		}
	}
	moving, still, err = a.divide(files, keep)
	if err != nil {
		return nil, nil, false, fmt.Errorf("splitting %s along what changed: %w", name, err)
	}
	if a.sizeOf(still) < least || a.sizeOf(moving) < least && stillBefore == nil {
		return files, nil, false, nil
	}
	return moving, still, learnt, nil
}

// divide asks of each file whether it stays still. Hard links go with the first
// of their names. The source of a compiled Python module never does: the module
// says its modification time, which in a part that stays still is another.
func (a *assigner) divide(files []int32, keep func(*File) (bool, error)) (moving, still []int32, err error) {
	links := map[int32]bool{}
	for _, i := range files {
		leader := a.leader[i]
		stays, known := links[leader]
		if !known {
			f := &a.files[leader]
			if f.Mode.IsRegular() && f.Size >= trackable && !a.compiled[leader] {
				if stays, err = keep(f); err != nil {
					return nil, nil, err
				}
			}
			links[leader] = stays
		}
		if stays {
			still = append(still, i)
		} else {
			moving = append(moving, i)
		}
	}
	return moving, still, nil
}

// version is a digest over what can be known of files without reading them. It
// is a sum, so that the versions of a group's parts add up to that of all.
func (a *assigner) version(name string, files []int32) uint32 {
	h := fnv.New32a()
	sum := uint32(0)
	for _, i := range files {
		f := &a.files[i]
		h.Reset()
		fmt.Fprintf(h, "%s\x00%d\x00%d\x00%s", f.Name, f.Mode, f.Size, f.Target)
		sum += h.Sum32()
	}
	if id, ok := a.byName[name]; ok {
		sum += a.sources[id].version
	}
	return sum
}

// parts divides files so that each part fits into a layer: by a digest of the
// name, so that a file stays where it is when others come and go.
func (a *assigner) parts(name string, files []int32) [][]int32 {
	limit := a.largest()
	size := float64(a.sizeOf(files))
	n := 1
	if m := a.memory[name]; m != nil && m.parts > 1 && size > limit/2 {
		n = min(m.parts, 2*int(size/limit)+16) // whoever the plan is from
	}
	n = max(n, int(size/limit)+1)
	if n == 1 {
		return [][]int32{files}
	}
	for ; ; n++ {
		parts := make([][]int32, n)
		for _, i := range files {
			at := memberOf([]byte(a.files[a.leader[i]].Name)) % uint64(n)
			parts[at] = append(parts[at], i)
		}
		fits := !slices.ContainsFunc(parts, func(p []int32) bool { return len(p) > 1 && float64(a.sizeOf(p)) > limit })
		if fits || n > 2*int(size/limit)+16 {
			return slices.DeleteFunc(parts, func(p []int32) bool { return len(p) == 0 })
		}
	}
}

func partName(name string, part int) string {
	if part == 0 {
		return name
	}
	return fmt.Sprintf("%s%s%d", name, partMark, part+1)
}
