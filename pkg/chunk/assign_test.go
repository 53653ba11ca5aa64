package chunk

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// world is a tree whose files have contents, as far as a planner can tell.
type world struct {
	Input
	content map[string]string
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// makeWorld has packages of files with sizes and histories as they come.
func makeWorld(seed uint64, packages, files int) *world {
	random := rand.New(rand.NewPCG(seed, 1))
	w := &world{content: map[string]string{}}
	w.Sum = func(name string) ([]byte, error) {
		sum := sha256.Sum256([]byte(w.content[name]))
		return sum[:], nil
	}
	w.GroupSum = w.groupSum
	add := func(name string, size int64) {
		w.Files = append(w.Files, File{Name: name, Mode: 0o644, Size: size, Time: newYear})
		w.content[name] = name
	}
	for p := range packages {
		owner := packagedb.Owner{Package: packagedb.Package{
			Name: fmt.Sprintf("package%d", p), Source: fmt.Sprintf("source%d", p*2/3), Version: "1-1", Arch: "x86_64",
			Format: "rpm", BuildTime: newYear.Add(-time.Duration(random.IntN(1000)) * 24 * time.Hour),
		}}
		for d := random.IntN(400); d < 1000; d += 5 + random.IntN(1000) {
			owner.Changes = append(owner.Changes, newYear.Add(-time.Duration(d)*24*time.Hour))
		}
		scale := math.Exp(random.NormFloat64() * 1.5)
		for f := range 1 + random.IntN(2*files/max(packages, 1)+1) {
			folder := []string{"usr/bin", "usr/lib", "usr/share"}[f%3]
			name := fmt.Sprintf("%s/p%d/f%d", folder, p, f)
			owner.Files = append(owner.Files, name)
			add(name, int64(scale*20_000*math.Exp(random.NormFloat64())))
		}
		w.Packages = append(w.Packages, owner)
	}
	for i := range 30 {
		add(fmt.Sprintf("etc/file%d", i), 1000)
	}
	add("usr/lib/modules/6.1.0/vmlinuz", 8<<20)
	add("usr/lib/modules/6.1.0/initramfs.img", 40<<20)
	add("usr/lib/sysimage/rpm/rpmdb.sqlite", 30<<20)
	add("usr/share/big.bin", 3<<20)
	return w
}

// update gives a package a new version, and other contents to some of its files.
func (w *world) update(p int, random *rand.Rand) {
	owner := &w.Packages[p]
	owner.Version += ".1"
	owner.BuildTime = newYear
	for i, name := range owner.Files {
		if strings.HasPrefix(name, "usr/share") && random.IntN(10) > 0 {
			continue // data that is as it was
		}
		w.content[name] += "'"
		at := slices.IndexFunc(w.Files, func(f File) bool { return f.Name == name })
		w.Files[at].Size += int64(i % 3)
	}
}

func (w *world) groupSum(g *Group) ([]byte, error) {
	sum := sha256.New()
	for _, f := range g.Files {
		fmt.Fprintf(sum, "%s %d %s", f.Name, f.Time, w.content[f.Name])
	}
	return sum.Sum(nil)[:8], nil
}

// written fills in what the writer does.
func (w *world) written(t testing.TB, p *Plan) *Plan {
	t.Helper()
	for i := range p.Layers {
		l := &p.Layers[i]
		h := sha256.New()
		for j := range l.Groups {
			g := &l.Groups[j]
			for k := range g.Files {
				if f := &g.Files[k]; f.Track {
					f.Sum, _ = w.Sum(f.Name)
				}
			}
			g.Sum, _ = w.groupSum(g)
			h.Write(g.Sum)
		}
		if l.Dead > 0 {
			continue
		}
		l.Size, l.DiffID = l.Estimate, fmt.Sprintf("sha256:%x", h.Sum(nil))
	}
	return p
}

func mustAssign(t testing.TB, in Input, previous *Plan, o Options) *Plan {
	t.Helper()
	p, err := Assign(in, previous, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkPlan says whether each file is in exactly one layer, and hard links in
// the same.
func checkPlan(t testing.TB, in Input, p *Plan, o Options) {
	t.Helper()
	if o.Layers > 0 && len(p.Layers) > o.Layers {
		t.Errorf("%d layers, more than %d", len(p.Layers), o.Layers)
	}
	at := map[string]int{}
	names := map[string]bool{}
	for i, l := range p.Layers {
		if len(l.Groups) == 0 {
			t.Errorf("layer %d is empty", i)
		}
		for _, g := range l.Groups {
			if names[g.Name] || len(g.Files) == 0 {
				t.Errorf("group %q is empty or there twice", g.Name)
			}
			names[g.Name] = true
			if !slices.IsSortedFunc(g.Files, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("group %q is not sorted", g.Name)
			}
			for _, f := range g.Files {
				if _, ok := at[f.Name]; ok {
					t.Errorf("%q is in two places", f.Name)
				}
				at[f.Name] = i
			}
		}
	}
	if len(at) != len(in.Files) {
		t.Errorf("%d files in the plan, %d in the tree", len(at), len(in.Files))
	}
	links := map[uint64]int{}
	for _, f := range in.Files {
		layer, ok := at[f.Name]
		if !ok {
			t.Errorf("%q is in no layer", f.Name)
		}
		if other, ok := links[f.Inode]; ok && f.Inode != 0 && other != layer {
			t.Errorf("%q is in another layer than its hard link", f.Name)
		}
		links[f.Inode] = layer
	}
}

func TestAssignIsPureAndComplete(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		w := makeWorld(seed, 60, 600)
		random := rand.New(rand.NewPCG(seed, 2))
		for i := range w.Files { // links within and across packages
			if random.IntN(5) == 0 {
				w.Files[i].Inode = 1 + uint64(random.IntN(40))
			}
		}
		o := Options{Layers: 4 + int(seed)*5, Largest: 64 << 20}
		first := mustAssign(t, w.Input, nil, o)
		checkPlan(t, w.Input, first, o)
		w.written(t, first)
		w.update(3, random)
		w.update(17, random)
		second := mustAssign(t, w.Input, first, o)
		checkPlan(t, w.Input, second, o)

		text, err := first.Encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := DecodePlan(text)
		if err != nil {
			t.Fatal(err)
		}
		other := w.Input
		other.Files, other.Packages = slices.Clone(w.Files), slices.Clone(w.Packages)
		random.Shuffle(len(other.Files), func(i, j int) { other.Files[i], other.Files[j] = other.Files[j], other.Files[i] })
		random.Shuffle(len(other.Packages), func(i, j int) {
			other.Packages[i], other.Packages[j] = other.Packages[j], other.Packages[i]
		})
		again := mustAssign(t, other, decoded, o)
		if diff := cmp.Diff(second, again, cmp.AllowUnexported(Group{}, filter{})); diff != "" {
			t.Errorf("seed %d: another order, or a plan that was encoded, gives another plan: %s", seed, diff)
		}
	}
}

func TestAssignKeepsWhatDidNotChange(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, 200, 2000)
	o := Options{Layers: 40}
	first := w.written(t, mustAssign(t, w.Input, nil, o))
	same := w.written(t, mustAssign(t, w.Input, first, o))
	if p := Predict(first, same); p.Bytes != 0 || len(same.Notes) > 0 {
		t.Errorf("nothing changed, and a client fetches %d bytes: %v %v", p.Bytes, p.Causes, same.Notes)
	}
	w.update(5, rand.New(rand.NewPCG(1, 1)))
	next := w.written(t, mustAssign(t, w.Input, same, o))
	home := slices.IndexFunc(same.Layers, func(l Layer) bool {
		return slices.ContainsFunc(l.Groups, func(g Group) bool { return g.Name == "source3" })
	})
	if p := Predict(same, next); p.Bytes > same.Layers[home].Size*11/10 || p.Floor > p.Bytes || p.Floor == 0 {
		t.Errorf("a client fetches %d, floor %d: %v", p.Bytes, p.Floor, p.Causes)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	file := func(name string) File { return File{Name: name, Mode: 0o644, Size: 100, Time: newYear} }
	large := func(name string) File { return File{Name: name, Mode: 0o644, Size: 2 << 20, Time: newYear} }
	link := func(name, target string) File { return File{Name: name, Mode: fs.ModeSymlink | 0o777, Target: target} }
	deb := func(name, source string, files ...string) packagedb.Owner {
		return packagedb.Owner{Package: packagedb.Package{Name: name, Source: source, Version: "1-1", Arch: "amd64", Format: "dpkg"}, Files: files}
	}
	want := map[string]string{ // file to group
		"usr/lib/x86_64-linux-gnu/libc.so.6":            "glibc",
		"usr/etc/gai.conf":                              "/etc",
		"usr/lib/sysimage/dpkg/info/libc6:amd64.list":   "glibc",
		"usr/lib/sysimage/dpkg/info/libc-bin.postinst":  "glibc",
		"usr/lib/sysimage/dpkg/info/gone.list":          ":packages",
		"usr/lib/sysimage/dpkg/status":                  ":packages",
		"usr/lib/modules/6.1/kernel/fs/ext4.ko":         ":kernel",
		"usr/lib/modules/6.1/vmlinuz":                   ":kernel",
		"usr/lib/modules/6.1/initramfs.img":             ":initramfs",
		"usr/lib/modules/6.1/extra/nvidia.ko":           "nvidia",
		"usr/lib/python3/a.py":                          "python-a",
		"usr/lib/python3/__pycache__/a.cpython-311.pyc": "python-a",
		"usr/lib/python3/a/__pycache__/b.c-3.opt-1.pyc": "python-a",
		"usr/share/a/cache":                             "python-a",
		"usr/share/a/cache.bin":                         "/usr/share/a/cache.bin",
		"usr/share/mime/mime.cache":                     "/usr/share/mime",
		"usr/local/bin/tool":                            "/usr/local/bin",
		"opt/x/y/z":                                     "/opt/x",
		"vmlinuz":                                       "/",
		"lib":                                           "/",
	}
	in := Input{Files: []File{link("lib", "usr/lib")}, Packages: []packagedb.Owner{
		deb("libc6", "glibc", "lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu/libc.so.6", "etc/gai.conf", "usr/share/mime"),
		deb("libc-bin", "glibc"),
		deb("linux-image", "linux", "lib/modules/6.1/kernel/fs/ext4.ko"),
		deb("nvidia", "nvidia", "lib/modules/6.1/extra/nvidia.ko", "usr/share/mime"),
		deb("python3-a", "python-a", "usr/lib/python3/a.py", "usr/lib/python3/a", "usr/lib/python3/a/b.py", "usr/share/a"),
	}}
	for name := range want {
		switch {
		case name == "lib":
		case strings.HasSuffix(name, ".bin"):
			in.Files = append(in.Files, large(name))
		default:
			in.Files = append(in.Files, file(name))
		}
	}
	got := map[string]string{}
	for _, l := range mustAssign(t, in, nil, Options{}).Layers {
		for _, g := range l.Groups {
			for _, f := range g.Files {
				got[f.Name] = g.Name
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLargeGroupsHaveParts(t *testing.T) {
	t.Parallel()
	w := makeWorld(4, 3, 900)
	for _, p := range w.Packages {
		for _, name := range p.Files {
			at := slices.IndexFunc(w.Files, func(f File) bool { return f.Name == name })
			w.Files[at].Size *= 30
		}
	}
	o := Options{Largest: 60 << 20}
	first := mustAssign(t, w.Input, nil, o)
	checkPlan(t, w.Input, first, o)
	parts := 0
	for _, l := range first.Layers {
		if l.Estimate > o.Largest {
			t.Errorf("%s has %d bytes", l.Groups[0].Name, l.Estimate)
		}
		for _, g := range l.Groups {
			if strings.Contains(g.Name, partMark) {
				parts++
			}
		}
	}
	if parts == 0 {
		t.Error("no group has parts")
	}
	if _, err := Assign(w.Input, nil, Options{Layers: 2, Largest: 60 << 20}); err == nil {
		t.Error("a tree that is too large for the budget has a plan")
	}
}

func BenchmarkAssign(b *testing.B) {
	w := makeWorld(1, 900, 150_000)
	first := w.written(b, mustAssign(b, w.Input, nil, Options{}))
	random := rand.New(rand.NewPCG(1, 1))
	for p := range 30 {
		w.update(p*29, random)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			mustAssign(b, w.Input, nil, Options{})
		}
	})
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			mustAssign(b, w.Input, first, Options{})
		}
	})
	b.Run("next with stale layers", func(b *testing.B) {
		for b.Loop() {
			mustAssign(b, w.Input, first, Options{Stale: func(string) bool { return true }})
		}
	})
	text, err := first.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d files, %d bytes of plan", len(w.Files), len(text))
}
