package chunk

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// suite is a tree with one large package, of which updates change a tenth.
func suite(folder string) *world {
	w := makeWorld(9, 40, 400)
	owner := packagedb.Owner{Package: packagedb.Package{Name: "suite", Source: "suite", Version: "1", Format: "rpm", BuildTime: newYear}}
	for i := range 100 {
		name := fmt.Sprintf("%s/suite/f%02d", folder, i)
		owner.Files = append(owner.Files, name)
		w.Files = append(w.Files, File{Name: name, Mode: 0o644, Size: 1 << 20, Time: newYear})
		w.content[name] = name
	}
	w.Packages = append(w.Packages, owner)
	return w
}

// rebuild is an update of the suite: all of its files have another time, and
// every tenth another content.
func (w *world) rebuild(n int) {
	owner := &w.Packages[len(w.Packages)-1]
	owner.Version += ".1"
	owner.BuildTime = newYear.Add(time.Duration(n) * 24 * time.Hour)
	for i, name := range owner.Files {
		at := slices.IndexFunc(w.Files, func(f File) bool { return f.Name == name })
		w.Files[at].Time = owner.BuildTime
		if i%10 == 0 {
			w.content[name] += "'"
		}
	}
}

func hasGroup(p *Plan, name string) bool {
	return slices.ContainsFunc(p.Layers, func(l Layer) bool {
		return slices.ContainsFunc(l.Groups, func(g Group) bool { return g.Name == name })
	})
}

func TestSplitGoesBelowTheFloor(t *testing.T) {
	t.Parallel()
	w := suite("usr/lib")
	plan := w.written(t, mustAssign(t, w.Input, nil, Options{Layers: 40}))
	if hasGroup(plan, "suite~") {
		t.Error("code is taken for data")
	}
	for n := 1; n <= 4; n++ {
		w.rebuild(n)
		text, err := plan.Encode()
		if err != nil {
			t.Fatal(err)
		}
		previous, err := DecodePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		next := w.written(t, mustAssign(t, w.Input, previous, Options{Layers: 40}))
		checkPlan(t, w.Input, next, Options{Layers: 40})
		p := Predict(previous, next)
		if !hasGroup(next, "suite~") {
			t.Errorf("update %d: the suite is in one piece", n)
		}
		// The first has no choice, the others fetch what changed.
		if n > 1 && p.Bytes > p.Floor/4 {
			t.Errorf("update %d: %d bytes, floor %d: %v", n, p.Bytes, p.Floor, p.Causes)
		}
		plan = next
	}
}

// Names promise less than an update that a part came through as it was.
func TestStillPartsEarnTrust(t *testing.T) {
	t.Parallel()
	share := func(w *world, previous *Plan) float64 {
		t.Helper()
		a := &assigner{sorter: newSorter(w.Input), in: w.Input, options: Options{}.complete(), memory: remember(previous), byName: map[string]int32{}}
		a.link()
		a.epochs = a.sourceEpochs()
		a.rater = newRater(a.sources, a.epochs)
		for id := range a.sources {
			a.byName[a.sources[id].name] = int32(id)
		}
		units, err := a.units()
		if err != nil {
			t.Fatal(err)
		}
		weights := map[string]float64{}
		for _, u := range units {
			weights[u.group.Name] = u.own + u.shared
		}
		return weights["suite~"] / weights["suite"]
	}
	w := suite("usr/share")
	owner := &w.Packages[len(w.Packages)-1]
	owner.Files = append(owner.Files, "usr/bin/suite")
	w.Files = append(w.Files, File{Name: "usr/bin/suite", Mode: 0o755, Size: 4 << 20, Time: newYear})
	plan := w.written(t, mustAssign(t, w.Input, nil, Options{}))
	byName, unchanged := share(w, nil), share(w, plan)
	w.rebuild(1)
	learnt := share(w, plan)
	w = suite("usr/lib")
	plan = w.written(t, mustAssign(t, w.Input, nil, Options{}))
	w.rebuild(1)
	if divided := share(w, plan); byName != unchanged || learnt >= byName || learnt <= 0 || divided != learnt {
		t.Errorf("of the updates, %g by name, %g after no update, %g and %g after one", byName, unchanged, learnt, divided)
	}
}

func TestDataIsDividedFromCode(t *testing.T) {
	t.Parallel()
	w := suite("usr/share")
	owner := &w.Packages[len(w.Packages)-1]
	owner.Files = append(owner.Files, "usr/bin/suite", "usr/share/suite/x.py", "usr/share/suite/__pycache__/x.c.pyc")
	for _, name := range owner.Files[100:] {
		w.Files = append(w.Files, File{Name: name, Mode: 0o755, Size: 4 << 20, Time: newYear})
	}
	plan := mustAssign(t, w.Input, nil, Options{})
	for _, l := range plan.Layers {
		for _, g := range l.Groups {
			for _, f := range g.Files {
				code := slices.Contains(owner.Files[100:101], f.Name) || strings.HasSuffix(f.Name, "suite/x.py")
				if g.Name == "suite~" && (code || f.Time != plan.Epoch || !f.Track) || g.Name == "suite" && strings.Contains(f.Name, "/f") {
					t.Errorf("%s has %+v", g.Name, f)
				}
			}
		}
	}
	if !hasGroup(plan, "suite~") {
		t.Error("data is not divided from code")
	}
}
