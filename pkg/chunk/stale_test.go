package chunk_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// packages is an image in the making, of packages as dpkg has them.
type packages struct {
	version map[string]int
	files   map[string]fakeimage.Files
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
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		list := ""
		for _, file := range slices.Sorted(maps.Keys(p.files[name])) {
			all[file] = p.files[name][file]
			list += "/" + file + "\n"
		}
		all["var/lib/dpkg/info/"+name+".list"] = fakeimage.Text(list)
		status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nVersion: %d\n\n", name, p.version[name])
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

// sameImage compares the files of an image with those of its layers, as they are
// merged here and as others do it: one after the other, entry by entry.
func sameImage(t testing.TB, source, chunked image.Image) {
	t.Helper()
	want := listingOf(t, source)
	if diff := cmp.Diff(want, listingOf(t, chunked)); diff != "" {
		t.Errorf("files (-image +layers):\n%.3000s", diff)
	}
	got := unpack(t, chunked.(image.Layered))
	for name := range want {
		if _, ok := got[name]; !ok && name != "." {
			t.Errorf("%q is not unpacked", name)
		}
	}
	root, err := source.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, content := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q is unpacked", name)
		}
		if content == nil {
			continue
		}
		if b, err := fs.ReadFile(root, name); err != nil || string(b) != *content {
			t.Errorf("%q has another content", name)
		}
	}
}

// unpack merges layers as tar does; the contents of regular files. It fails
// where a directory and something else meet, because ostree does.
func unpack(t testing.TB, img image.Layered) map[string]*string {
	t.Helper()
	files, dirs := map[string]*string{}, map[string]bool{}
	for at := range img.Layers() {
		r, err := img.OpenLayer(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(h.Name, "/")
			if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
				gone = path.Join(path.Dir(name), gone)
				if _, ok := files[gone]; !ok {
					t.Errorf("layer %d removes %q, which is not there", at, gone)
				}
				maps.DeleteFunc(files, func(n string, _ *string) bool { return n == gone || strings.HasPrefix(n, gone+"/") })
				continue
			}
			isDir := h.Typeflag == tar.TypeDir
			if _, ok := files[name]; ok && dirs[name] != isDir {
				t.Errorf("%q is a directory in one layer and none in another", name)
			}
			files[name], dirs[name] = nil, isDir
			switch h.Typeflag {
			case tar.TypeReg:
				b, err := io.ReadAll(archive)
				if err != nil {
					t.Fatal(err)
				}
				text := string(b)
				files[name] = &text
			case tar.TypeLink:
				files[name] = files[h.Linkname]
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
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

// TestStaleIsMadeAnew has layers that cannot stay.
func TestStaleIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(*packages)
		previous func(image.Image) image.Image
		note     string
	}{
		"a file becomes a directory": {change: func(p *packages) {
			delete(p.files["p1"], "usr/lib/p1/soft")
			p.files["p1"]["usr/lib/p1/soft/x"] = fakeimage.Text("x")
		}, note: "in the image"},
		"a directory becomes a link": {change: func(p *packages) {
			p.files["p1"]["usr/share/p1/old"] = fakeimage.Link("new")
		}, note: "in the image"},
		"a blob cannot be read": {previous: func(img image.Image) image.Image {
			return broken{remote{img.(image.Layered)}, func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, 100), fails{errors.New("connection reset")})
			}}
		}, note: "connection reset"},
		"a blob is another": {previous: func(img image.Image) image.Image {
			return broken{remote{img.(image.Layered)}, func(io.Reader) io.Reader { return strings.NewReader("something") }}
		}, note: "made anew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := desktop(1)
			first, _ := rewrite(t, p.image(t, nil), fourLayers)
			p.update("p1")
			if test.change != nil {
				test.change(p)
			}
			previous := first
			if test.previous != nil {
				previous = test.previous(first)
			}
			source := p.image(t, nil)
			got, report := rewrite(t, source, after(fourLayers, previous))
			if notes := strings.Join(report.Notes, "\n"); len(staleOf(report)) > 0 || !strings.Contains(notes, test.note) {
				t.Errorf("stale %v, notes %s", staleOf(report), notes)
			}
			sameImage(t, source, got)
			blobs, err := os.ReadDir(filepath.Join(strings.TrimPrefix(got.Location(), "oci:"), "blobs/sha256"))
			if err != nil || len(blobs) != len(report.Layers)+2 {
				t.Errorf("%d blobs for %d layers", len(blobs), len(report.Layers))
			}
		})
	}
}

// broken is an image with blobs that are not what they should be.
type broken struct {
	remote
	change func(io.Reader) io.Reader
}

func (b broken) OpenBlob(ctx context.Context, at int) (io.ReadCloser, error) {
	r, err := b.remote.OpenBlob(ctx, at)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{b.change(r), r}, nil
}

// TestStaleSeries changes an image at random, again and again.
func TestStaleSeries(t *testing.T) {
	t.Parallel()
	kept, several := 0, 0
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			p := desktop(seed)
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

// TestHostileStale has a previous image whose plan says of layers what they are
// not.
func TestHostileStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *chunk.Plan, diffIDs []string){
		"another layer": func(p *chunk.Plan, _ []string) {
			p.Layers[0].DiffID, p.Layers[1].DiffID = p.Layers[1].DiffID, p.Layers[0].DiffID
		},
		"the same twice":        func(p *chunk.Plan, _ []string) { p.Layers[1].DiffID = p.Layers[0].DiffID },
		"that of directories":   func(p *chunk.Plan, diffIDs []string) { p.Layers[0].DiffID = diffIDs[0] },
		"the one of attributes": func(p *chunk.Plan, diffIDs []string) { p.Layers[0].DiffID = diffIDs[len(diffIDs)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			others := fakeimage.Files{"usr/lib/private": {Mode: fs.ModeDir | 0o700}}
			p := desktop(1)
			first, _ := rewrite(t, p.image(t, others), fourLayers)
			previous := changedConfig(t, first, func(c *imgspecv1.Image) {
				plan, err := chunk.DecodePlan(c.Config.Labels[chunk.PlanLabel])
				if err != nil {
					t.Fatal(err)
				}
				for i := range plan.Layers[:2] {
					plan.Layers[i].Dead = 1
				}
				var diffIDs []string
				for _, d := range c.RootFS.DiffIDs {
					diffIDs = append(diffIDs, d.String())
				}
				change(plan, diffIDs)
				if c.Config.Labels[chunk.PlanLabel], err = plan.Encode(); err != nil {
					t.Fatal(err)
				}
			})
			p.update("p1")
			source := p.image(t, others)
			got, report := rewrite(t, source, after(fourLayers, previous))
			if notes := strings.Join(report.Notes, "\n"); !strings.Contains(notes, "could not stay") {
				t.Errorf("notes: %s", notes)
			}
			sameImage(t, source, got)
		})
	}
}
