package chunk

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// groupOf finds a group of a plan, and the place of its layer.
func groupOf(p *Plan, name string) (*Group, int) {
	for at := range p.Layers {
		for i := range p.Layers[at].Groups {
			if g := &p.Layers[at].Groups[i]; g.Name == name {
				return g, at
			}
		}
	}
	return nil, -1
}

// TestStaleLayers updates small packages, again and again.
func TestStaleLayers(t *testing.T) {
	t.Parallel()
	w := makeWorld(5, 300, 3000)
	o := Options{Layers: 40, Stale: func(string) bool { return true }}
	plan := w.written(t, mustAssign(t, w.Input, nil, o))
	random := rand.New(rand.NewPCG(5, 5))
	several := 0
	for range 7 {
		for range 12 {
			w.update(random.IntN(len(w.Packages)), random)
		}
		w.content["usr/lib/sysimage/rpm/rpmdb.sqlite"] += "'" // and is as large as it was
		for range 3 {                                         // somebody writes to what a package brought
			files := w.Packages[random.IntN(len(w.Packages))].Files
			w.content[files[random.IntN(len(files))]] += "'"
		}
		next := mustAssign(t, w.Input, plan, o)
		checkPlan(t, w.Input, next, o)
		text, err := plan.Encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := DecodePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(next, mustAssign(t, w.Input, decoded, o), cmp.AllowUnexported(Group{}, filter{})); diff != "" {
			t.Errorf("a plan that was encoded gives another one: %s", diff)
		}
		w.written(t, next)
		checkStale(t, plan, next)
		if len(next.Layers) > 1 && next.Layers[1].Dead > 0 {
			several++
		}
		plan = next
	}
	if several < 4 {
		t.Errorf("several layers stayed in %d updates only", several)
	}
}

// checkStale says whether the stale layers of a plan are what they may be.
func checkStale(t *testing.T, before, next *Plan) {
	t.Helper()
	last, dead, size := -1, int64(0), int64(0)
	for at, l := range next.Layers {
		size += l.Size
		if l.Dead == 0 {
			continue
		}
		dead += l.Dead
		home := slices.IndexFunc(before.Layers, func(b Layer) bool { return b.DiffID == l.DiffID })
		switch {
		case at > 0 && next.Layers[at-1].Dead == 0:
			t.Errorf("layer %d is stale, and above one that is not", at)
		case home < 0:
			t.Fatalf("layer %d stays, and was not there", at)
		case home <= last:
			t.Errorf("layer %d was below the one that it is above now", at)
		case l.Size != before.Layers[home].Size || l.Dead > l.Size/2:
			t.Errorf("layer %d has %d of %d bytes that are dead, and was of %d", at, l.Dead, l.Size, before.Layers[home].Size)
		}
		last = home
		for _, g := range l.Groups {
			if old, in := groupOf(before, g.Name); in != home || !bytes.Equal(old.Sum, g.Sum) {
				t.Errorf("%s is not what the layer has", g.Name)
			}
		}
	}
	if dead > size/40 {
		t.Errorf("%d of %d bytes are dead", dead, size)
	}
}

// TestStaleIsAsked keeps no layer that cannot be read, and none with much in it
// that changed.
func TestStaleIsAsked(t *testing.T) {
	t.Parallel()
	w := makeWorld(5, 300, 3000)
	o := Options{Layers: 40, Stale: func(string) bool { return true }}
	first := w.written(t, mustAssign(t, w.Input, nil, o))
	random := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		w.update(random.IntN(len(w.Packages)), random)
	}
	second := w.written(t, mustAssign(t, w.Input, first, o))
	if second.Layers[0].Dead == 0 {
		t.Fatal("no layer is stale")
	}
	none := w.written(t, mustAssign(t, w.Input, first, Options{Layers: 40}))
	if none.Layers[0].Dead > 0 || Predict(first, second).Bytes >= Predict(first, none).Bytes {
		t.Errorf("an update costs %d bytes with stale layers, and %d without", Predict(first, second).Bytes, Predict(first, none).Bytes)
	}
	gone := second.Layers[0].DiffID
	o.Stale = func(id string) bool { return id != gone }
	third := mustAssign(t, w.Input, second, o)
	checkPlan(t, w.Input, third, o)
	if slices.ContainsFunc(third.Layers, func(l Layer) bool { return l.Dead > 0 && l.DiffID == gone }) {
		t.Error("a layer that cannot be read is kept")
	}
	if len(third.Notes) == 0 {
		t.Error("no note that it is made anew")
	}
}

// TestStaleLimit has layers of which a tenth changes, in each: all of them
// together are more than an image may have that is dead.
func TestStaleLimit(t *testing.T) {
	t.Parallel()
	const layers, groups = 20, 10
	a := &assigner{options: Options{Stale: func(string) bool { return true }}}
	previous := &Plan{}
	var units []unit
	for at := range layers {
		l := Layer{DiffID: fmt.Sprint(at), Size: 1000}
		for i := range groups {
			g := Group{Name: fmt.Sprint(at, ":", i), Estimate: 5000, packages: 1, listed: true}
			l.Groups = append(l.Groups, g)
			units = append(units, unit{group: &g, size: 100, changed: i == 0})
		}
		previous.Layers = append(previous.Layers, l)
	}
	previous.Layers[3].Size, previous.Layers[3].Dead = 1020, 20
	s := a.staleLayers(units, previous)
	sum := 0.
	for _, c := range s.list {
		sum += c.dead
	}
	if total := float64(layers * 1000); len(s.list) < 4 || sum > total/40 || sum < total/50 {
		t.Errorf("of %v bytes %v may die: %v", total, sum, s.list)
	}
	if len(s.same) > 0 {
		t.Errorf("layers with a change are kept for nothing: %v", s.same)
	}
	for i := range units {
		units[i].changed = false
	}
	previous.Layers[2].Size, previous.Layers[2].Dead = 1400, 400
	previous.Layers[3].Size, previous.Layers[3].Dead = 1500, 500
	if s := a.staleLayers(units, previous); len(s.same) != 2 {
		t.Errorf("900 of 20000 bytes are dead, and %v stay", s.same)
	}
	if s := a.staleLayers(units[:150], previous); len(s.same) != 1 || s.same[2] != 400 {
		t.Errorf("900 of 15000 bytes are dead, and %v stay", s.same)
	}
	for i := range units {
		units[i].changed = i == 3*groups
	}
	previous.Layers[2].Size, previous.Layers[2].Dead = 1000, 0
	previous.Layers[3].Size, previous.Layers[3].Dead = 600, 290 // and 31 more are too much for one
	if s := a.staleLayers(units, previous); slices.ContainsFunc(s.list, func(c staleLayer) bool { return c.at == 3 }) {
		t.Errorf("a layer stays of which %v are dead", s.list)
	}
	if got := s.counts(); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("%v of %d are tried", got, len(s.list))
	}
}

// TestStaleIsOfPackages says which groups may be dead in a layer.
func TestStaleIsOfPackages(t *testing.T) {
	t.Parallel()
	s := &sorter{sources: []source{{name: "changed", version: 2}, {name: "edited", version: 1}}}
	a := &assigner{sorter: s, byName: map[string]int32{"changed": 0, "edited": 1}, options: Options{Stale: func(string) bool { return true }}}
	for _, tt := range []struct {
		group string
		now   bool // it is there still
		may   bool
	}{
		{"changed", true, true},
		{"changed~", true, true},
		{"gone", false, true},
		{"guests", true, false},
		{"edited", true, false},
		{"edited#2", false, false},
		{"/etc", true, false},
		{"/usr/lib/firmware/blob", false, false},
		{":packages", true, false},
	} {
		dead, live := Group{Name: tt.group, Estimate: 100, packages: 1, listed: tt.group != "guests" && !strings.ContainsAny(tt.group, "/:")}, Group{Name: "other", Estimate: 5000}
		units := []unit{{group: &live, size: 5000}}
		if tt.now {
			units = append(units, unit{group: &dead, changed: true})
		}
		previous := &Plan{Layers: []Layer{{DiffID: "1", Size: 5100, Groups: []Group{dead, live}}}}
		if got := len(a.staleLayers(units, previous).list) == 1; got != tt.may {
			t.Errorf("a layer with %q dead in it may stay: %v", tt.group, got)
		}
	}
}

// TestDeadBytesCost weighs what is dead against what is fetched: the layer of
// which half a megabyte is dead costs as much as ten kilobytes of each update.
func TestDeadBytesCost(t *testing.T) {
	t.Parallel()
	p := &packer{homes: []int{1, 1, 1}, stale: map[int]int64{0: 500_000, 1: 700_000}}
	stays, moved, sound := &bin{home: 0}, &bin{home: 1, missing: 1}, &bin{home: 2}
	if got := p.burden([]*bin{stays, moved, sound, {home: -1}}); got != 10_000 {
		t.Errorf("dead bytes cost %v", got)
	}
}

// TestListed says which groups packages list all files of.
func TestListed(t *testing.T) {
	t.Parallel()
	file := func(name string) File { return File{Name: name, Mode: 0o644, Size: 10} }
	p := mustAssign(t, Input{
		Files: []File{
			{Name: "var/lib/dpkg", Mode: fs.ModeSymlink, Target: "/usr/lib/sysimage/dpkg"},
			file("usr/lib/sysimage/dpkg/info/whole.list"), file("usr/lib/python3/whole.py"), file("usr/lib/python3/__pycache__/whole.cpython-313.pyc"),
			{Name: "usr/share/whole/link", Mode: fs.ModeSymlink, Target: "data"},
			file("usr/share/host/data"), file("usr/share/host/guest"), file("opt/own"),
			file("usr/lib64/rpm/code"), file("usr/share/icons/cache"), file("usr/share/haunted/data"), file("usr/share/haunted/cache"),
		},
		Packages: []packagedb.Owner{
			{Package: packagedb.Package{Name: "dpkg"}, Files: []string{"var/lib/dpkg/info"}},
			{Package: packagedb.Package{Name: "whole"}, Files: []string{"usr/lib/python3/whole.py", "usr/share/whole"}},
			{Package: packagedb.Package{Name: "host"}, Files: []string{"usr/share/host", "usr/share/host/data"}},
			{Package: packagedb.Package{Name: "rpm"}, Files: []string{"usr/lib64/rpm/code", "usr/share/icons/cache"}, Ghosts: []string{"usr/share/icons/cache"}},
			{Package: packagedb.Package{Name: "haunted"}, Files: []string{"usr/share/haunted", "usr/share/haunted/cache", "usr/share/haunted/data"}, Ghosts: []string{"usr/share/haunted/cache"}},
		},
	}, nil, Options{})
	for name, want := range map[string]bool{"whole": true, "host": false, "/opt": false, "rpm": true, "haunted": false, "/usr/share/icons": false} {
		if g, _ := groupOf(p, name); g == nil || g.listed != want {
			t.Errorf("packages list all of %s: want %v, got %+v", name, want, g)
		}
	}
}
