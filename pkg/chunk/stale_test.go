package chunk_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// packages is an image in the making, of packages as dpkg has them, or rpm.
type packages struct {
	version map[string]int
	files   map[string]fakeimage.Files
	rpm     bool
}

func newPackages() *packages {
	return &packages{version: map[string]int{}, files: map[string]fakeimage.Files{}}
}

// noise is text that does not get smaller.
func noise(random *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

// image has all packages, and the files that none has.
func (p *packages) image(t testing.TB, others fakeimage.Files) image.Image {
	t.Helper()
	all := maps.Clone(others)
	if all == nil {
		all = fakeimage.Files{}
	}
	status := ""
	var headers [][]byte
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		list := []string{"/usr/share/" + name}
		for _, file := range slices.Sorted(maps.Keys(p.files[name])) {
			all[file] = p.files[name][file]
			list = append(list, "/"+file)
		}
		if p.rpm {
			headers = append(headers, fakeimage.RPM{Name: name, Version: fmt.Sprint(p.version[name]), Release: "1", Files: list}.Header())
			continue
		}
		all["var/lib/dpkg/info/"+name+".list"] = fakeimage.Text(strings.Join(list, "\n") + "\n")
		status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nVersion: %d\n\n", name, p.version[name])
	}
	if p.rpm {
		db, wal := fakeimage.RPMDatabase(t, headers...)
		all["usr/lib/sysimage/rpm/rpmdb.sqlite"], all["usr/lib/sysimage/rpm/rpmdb.sqlite-wal"] = fakeimage.Text(string(db)), fakeimage.Text(string(wal))
		return fakeimage.New(t, imgspecv1.Image{}, all)
	}
	all["var/lib/dpkg/status"] = fakeimage.Text(status)
	return fakeimage.New(t, imgspecv1.Image{}, all)
}

// desktop has forty packages, half of them large: the others are in one layer.
// With an even seed there are many, all of one size, in all layers.
func desktop(seed uint64) *packages {
	random := rand.New(rand.NewPCG(seed, 7))
	p := newPackages()
	count := 40
	if seed%2 == 0 {
		count = 150
	}
	for i := range count {
		name := fmt.Sprintf("p%d", i)
		size := 1000
		if i%2 == 0 && seed%2 != 0 {
			size = 15_000
		}
		p.version[name] = 1
		p.files[name] = fakeimage.Files{
			"usr/bin/" + name:                    fakeimage.Program(noise(random, size)),
			"usr/share/" + name + "/data":        fakeimage.Text(noise(random, size)),
			"usr/share/" + name + "/old/a":       fakeimage.Text("a of " + name),
			"usr/share/" + name + "/old/b":       fakeimage.Text("b of " + name),
			"usr/lib/" + name + "/hard":          {HardLink: "usr/bin/" + name},
			"usr/lib/" + name + "/soft":          fakeimage.Link("hard"),
			"usr/lib/" + name + "/\xff odd\n.wh": fakeimage.Text("odd"),
		}
	}
	return p
}

// update changes a small package, and takes files away from it.
func (p *packages) update(name string) {
	p.version[name]++
	files := p.files[name]
	files["usr/bin/"+name] = fakeimage.Program(fmt.Sprint(name, p.version[name]))
	delete(files, "usr/share/"+name+"/old/a")
	delete(files, "usr/share/"+name+"/old/b")
	delete(files, "usr/lib/"+name+"/soft")
}

var fourLayers = chunk.RewriteOptions{Options: chunk.Options{Layers: 6}}

// staleOf are the layers with dead files.
func staleOf(r *chunk.Report) (list []chunk.LayerReport) {
	for _, l := range r.Layers {
		if l.Dead > 0 {
			list = append(list, l)
		}
	}
	return list
}

// after returns options with a previous image.
func after(o chunk.RewriteOptions, previous image.Image) chunk.RewriteOptions {
	o.Previous = previous
	return o
}

// TestStale keeps a layer of which little changed, and every way to come by its
// blob gives the same image.
func TestStale(t *testing.T) {
	t.Parallel()
	p := desktop(1)
	first, before := rewrite(t, p.image(t, nil), fourLayers)
	for _, l := range before.Layers {
		t.Logf("%d %s", l.Size, l.Name)
	}
	p.update("p1")
	source := p.image(t, nil)
	second, report := rewrite(t, source, after(fourLayers, first))
	stale := staleOf(report)
	if len(stale) != 1 || !stale[0].Reused || report.Layers[1].Dead == 0 {
		t.Fatalf("%d layers stayed: %+v", len(stale), report)
	}
	if i := slices.IndexFunc(before.Layers, func(l chunk.LayerReport) bool { return l.Digest == stale[0].Digest }); i < 0 || !strings.Contains(before.Layers[i].Name, "p1") {
		t.Errorf("it is none of the layers before: %v", stale)
	}
	if report.Update.Bytes > 20_000 || !strings.Contains(strings.Join(report.Notes, " "), "nobody sees any more") {
		t.Errorf("an update of %d bytes, notes %v", report.Update.Bytes, report.Notes)
	}
	sameImage(t, source, second)
	for _, c := range report.Update.Causes {
		if strings.Contains(strings.Join(c.Files, " "), ".wh.") {
			t.Errorf("%s is said to change because of %q", c.Group, c.Files)
		}
	}

	// Out of a registry, out of the cache, and left in the registry.
	there, held := heldBy(t, first)
	cached := fourLayers
	cached.Cache, cached.CacheLimit = t.TempDir(), 1<<30
	for range 2 {
		got, _ := rewrite(t, shuffled{source, 1}, after(cached, there))
		if digestOf(t, got) != digestOf(t, second) {
			t.Error("it is another image when the previous one is in a registry")
		}
		sameImage(t, source, got)
	}
	left := after(fourLayers, there)
	left.Held = held
	got, report := rewrite(t, source, left)
	if digestOf(t, got) != digestOf(t, second) {
		t.Error("it is another image when layers are left in the registry")
	}
	_, err := os.Stat(filepath.Join(strings.TrimPrefix(got.Location(), "oci:"), "blobs/sha256", stale[0].Digest.Encoded()))
	if s := staleOf(report); len(s) != 1 || !s[0].Held || !os.IsNotExist(err) {
		t.Errorf("the layer is not left there: %v, %v", s, err)
	}

	// Nothing changes, and then something comes back.
	third, report := rewrite(t, source, after(fourLayers, second))
	if report.Update.Bytes != 0 || digestOf(t, third) != digestOf(t, second) {
		t.Errorf("nothing changed, and an update has %d bytes", report.Update.Bytes)
	}
	p.files["p1"]["usr/share/p1/old/a"] = fakeimage.Text("back")
	p.version["p1"]++
	source = p.image(t, nil)
	fourth, report := rewrite(t, source, after(fourLayers, third))
	if s := staleOf(report); len(s) != 1 || s[0].Digest != stale[0].Digest {
		t.Errorf("the layer is not kept any more: %v", report)
	}
	sameImage(t, source, fourth)
}

// TestStaleSeries changes an image at random, again and again.
func TestStaleSeries(t *testing.T) {
	t.Parallel()
	kept, several := 0, 0
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			p := desktop(seed)
			p.rpm = seed%3 == 2
			others := fakeimage.Files{"usr/lib/private": {Mode: fs.ModeDir | 0o700}}
			o := chunk.RewriteOptions{Options: chunk.Options{Layers: 6 + random.IntN(2) + int(1-seed%2)*6}}
			previous, _ := rewrite(t, p.image(t, others), o)
			for range 5 {
				for range 1 + random.IntN(3) {
					p.mutate(random, others, 20+int(1-seed%2)*55)
				}
				source := p.image(t, others)
				next, report := rewrite(t, source, after(o, previous))
				if n := len(staleOf(report)); n > 0 {
					kept++
					if n > 1 {
						several++
					}
				}
				sameImage(t, source, next)
				if report.Dead > report.Size/10 {
					t.Errorf("%d of %d bytes are dead", report.Dead, report.Size)
				}
				for _, note := range report.Notes {
					t.Log(note)
				}
				previous = next
			}
		})
	}
	if kept < 15 || several < 6 {
		t.Errorf("layers stayed in %d updates only, several in %d", kept, several)
	}
}

// mutate does something to a small package, or to what no package has.
func (p *packages) mutate(random *rand.Rand, others fakeimage.Files, count int) {
	name := fmt.Sprintf("p%d", 1+2*random.IntN(count))
	files := p.files[name]
	if files == nil {
		p.files[name], p.version[name] = fakeimage.Files{"usr/bin/" + name: fakeimage.Program("back")}, p.version[name]+1
		return
	}
	p.version[name]++
	names := slices.Sorted(maps.Keys(files))
	some := names[random.IntN(len(names))]
	switch random.IntN(9) {
	case 0:
		delete(p.files, name)
	case 1, 2:
		if files[some].HardLink == "" && len(files) > 3 && !strings.HasPrefix(some, "usr/bin/") {
			delete(files, some)
		}
	case 3:
		files["usr/lib/"+name+"/soft"] = fakeimage.Link(fmt.Sprint("elsewhere", p.version[name]))
	case 4:
		others["usr/share/cache.db"] = fakeimage.Text(noise(random, 100)) // always of the same size
	case 5:
		other := fmt.Sprintf("p%d", 1+2*random.IntN(count))
		if o := p.files[other]; o != nil && files[some].HardLink == "" && !strings.HasPrefix(some, "usr/bin/") {
			o[some] = files[some] // it goes to another package
			delete(files, some)
			p.version[other]++
		}
	case 6:
		if _, ok := files["usr/share/"+name+"/old"]; !ok {
			maps.DeleteFunc(files, func(n string, _ fakeimage.File) bool { return strings.HasPrefix(n, "usr/share/"+name+"/old/") })
			files["usr/share/"+name+"/old"] = fakeimage.Link("data")
		}
	default:
		files["usr/bin/"+name] = fakeimage.Program(noise(random, 1500))
	}
}

// TestStaleBelowAttributes has a highest layer before and after, whose archive is
// made to see whether it is the one before, and made again because it is not.
func TestStaleBelowAttributes(t *testing.T) {
	t.Parallel()
	p := desktop(1)
	others := fakeimage.Files{"usr/lib/private": {Mode: fs.ModeDir | 0o700}}
	first, _ := rewrite(t, p.image(t, others), fourLayers)
	there, held := heldBy(t, first)
	p.update("p1")
	source := p.image(t, others)
	o := after(fourLayers, there)
	o.Held = held
	sparse, report := rewrite(t, source, o)
	whole, _ := rewrite(t, source, after(fourLayers, first))
	if len(staleOf(report)) != 1 || digestOf(t, sparse) != digestOf(t, whole) {
		t.Errorf("it is another image when layers are left in the registry: %v", report)
	}
	sameImage(t, source, whole)
}

// TestStaleOfEverything has files of every kind live on in a layer, and those that
// may die in one do so.
func TestStaleOfEverything(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"p1", "p3"} {
		p := desktop(1)
		all := p.files["p1"]
		for name, f := range everything {
			mayDie := utf8.ValidString(name+f.Content) && (f.Mode.IsRegular() || f.Mode&fs.ModeSymlink != 0)
			if !f.Mode.IsDir() && f.HardLink == "" && (mayDie || gone != "p1") {
				all["usr/lib/p1/"+name] = f
			}
		}
		all["usr/lib/p1/capable"] = fakeimage.File{HardLink: "usr/lib/p1/usr/bin/ping"}
		delete(all, "usr/lib/p1/usr/share/hole") // which is the most of the layer
		first, _ := rewrite(t, p.image(t, nil), fourLayers)
		delete(p.files, gone)
		source := p.image(t, nil)
		second, report := rewrite(t, source, after(fourLayers, first))
		if len(staleOf(report)) != 1 {
			t.Errorf("without %s no layer stays: %v", gone, report.Notes)
		}
		sameImage(t, source, second)
	}
}
