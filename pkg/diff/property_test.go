package diff

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// anyImage has few names, so that two images share many.
var anyImage = rapid.Custom(func(t *rapid.T) fake.Files {
	packages := map[string][]string{}
	for _, name := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, name+" is installed") {
			version := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version of "+name)
			packages[name+" "+version] = []string{"/usr/" + name, "/usr/d/" + name}
		}
	}
	files := dpkg(packages)
	add := func(name string) {
		mode := rapid.SampledFrom([]fs.FileMode{0o644, 0o755, setuid, fs.ModeDir | 0o755, fs.ModeDir | 0o700, fs.ModeSymlink | 0o777, fs.ModeNamedPipe | 0o600}).Draw(t, "mode of "+name)
		f := fake.File{Mode: mode, UID: rapid.IntRange(0, 1).Draw(t, "owner of "+name)}
		if mode.IsRegular() || mode.Type() == fs.ModeSymlink {
			f.Content = rapid.SampledFrom([]string{"x", "y", "longer"}).Draw(t, "content of "+name)
		}
		if mode.IsRegular() && rapid.Bool().Draw(t, name+" has capabilities") {
			f.Xattrs = map[string]string{"security.capability": netRaw}
		}
		files[name] = f
	}
	for _, name := range []string{"usr/a", "usr/b", "usr/e", "usr/e-f", "usr/lib/systemd/system/s.service", "etc/systemd/system/s.service"} {
		if rapid.Bool().Draw(t, name+" is there") {
			add(name)
		}
	}
	// Folders that hold something.
	for _, name := range []string{"usr/d/a", "usr/d/b", "usr/d-e", "usr/d/e/f"} {
		if rapid.Bool().Draw(t, name+" is there") {
			add(name)
		}
	}
	for _, version := range []string{"1", "2"} {
		if rapid.Bool().Draw(t, "kernel "+version) {
			files["usr/lib/modules/"+version+"/vmlinuz"] = fake.Text(fake.Kernel(version, "amd64"))
		}
	}
	// A file in the way of folders is no image.
	if e, ok := files["usr/d/e/f"]; ok && !e.Mode.IsDir() {
		delete(files, "usr/d/e")
	}
	return files
})

// An image does not differ from itself, and what is added one way is removed
// the other way.
func TestDiffIsSymmetric(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		label := rapid.SampledFrom([]string{"1", "2"})
		version, files := label.Draw(rt, "old label"), anyImage.Draw(rt, "old")
		a := fake.New(t, config(version), files)
		b := fake.New(t, config(label.Draw(rt, "new label"), "X=1"), anyImage.Draw(rt, "new"))
		o := Options{Exact: rapid.Bool().Draw(rt, "exact")}
		if r := diffOf(t, a, a, o); !r.Empty() {
			rt.Fatalf("an image differs from itself: %+v", r)
		}
		// A layer with nothing in it: the files have to be looked at.
		if r := diffOf(t, a, fake.New(t, config(version), files, fake.Files{}), o); !r.Empty() {
			rt.Fatalf("an image differs from its copy: %+v", r)
		}
		forth, back := diffOf(t, a, b, o), diffOf(t, b, a, o)
		if diff := cmp.Diff(mirror(forth), back, orderOfSources, cmpopts.IgnoreFields(FileChange{}, "Package"), cmpopts.IgnoreFields(PrivilegeChange{}, "Package")); diff != "" {
			rt.Fatal(diff)
		}
		grown := forth.Files.Added.Bytes + forth.Files.Changed.Bytes - forth.Files.Removed.Bytes
		if want := forth.New.Bytes - forth.Old.Bytes; grown != want {
			rt.Fatalf("the files account for %d bytes, and the images differ by %d", grown, want)
		}
		var packages int64
		for _, s := range forth.Sizes {
			packages += s.growth()
		}
		if packages != grown {
			rt.Fatalf("the packages account for %d bytes, and the files for %d", packages, grown)
		}
	})
}

// Kinds have an order of their own, which is not that of their opposites.
var orderOfSources = cmpopts.SortSlices(func(a, b SourceChange) bool { return fmt.Sprint(a) < fmt.Sprint(b) })

// mirror is the report of the images the other way round.
func mirror(r *Report) *Report {
	opposite := map[Kind]Kind{Added: Removed, Removed: Added, Changed: Changed}
	m := *r
	m.Old, m.New = r.New, r.Old
	m.Kernels = Kernels{Added: r.Kernels.Removed, Removed: r.Kernels.Added}
	m.Packages.Added, m.Packages.Removed = r.Packages.Removed, r.Packages.Added
	m.Packages.Changed = each(r.Packages.Changed, func(c *PackageChange) {
		c.OldVersion, c.NewVersion, c.OldArch, c.NewArch = c.NewVersion, c.OldVersion, c.NewArch, c.OldArch
	})
	m.Packages.Sources = each(r.Packages.Sources, func(c *SourceChange) {
		c.Change, c.OldVersion, c.NewVersion = opposite[c.Change], c.NewVersion, c.OldVersion
	})
	m.Files.Added, m.Files.Removed = r.Files.Removed, r.Files.Added
	m.Files.Changed.Bytes = -r.Files.Changed.Bytes
	m.Files.List = each(r.Files.List, func(c *FileChange) { c.Change, c.Old, c.New = opposite[c.Change], c.New, c.Old })
	m.Sizes = each(r.Sizes, func(c *SizeChange) { c.OldBytes, c.NewBytes = c.NewBytes, c.OldBytes })
	m.Privileges = each(r.Privileges, func(c *PrivilegeChange) { c.Old, c.New = c.New, c.Old })
	m.Units = each(r.Units, func(c *UnitChange) { c.Old, c.New = c.New, c.Old })
	m.Config = each(r.Config, func(c *ConfigChange) { c.Old, c.New = c.New, c.Old })
	return &m
}

func each[T any](list []T, change func(*T)) []T {
	out := slices.Clone(list)
	for i := range out {
		change(&out[i])
	}
	return out
}
