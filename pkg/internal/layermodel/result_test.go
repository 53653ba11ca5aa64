package layermodel

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/chunk"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	list := readOrigins(t)
	before := treeOf(list, 0)
	for i := 0; i < len(list); i += 20 {
		list[i].build++
		list[i].changes = slices.Insert(slices.Clone(list[i].changes), 0, firstNight)
	}
	r, err := Compare(before, treeOf(list, 0), chunk.Options{Layers: len(list) + 10})
	if err != nil {
		t.Fatal(err)
	}
	// With a layer for each group nothing is fetched that did not change.
	if r.Ours != r.Floor || r.Changed != r.Floor || r.Floor == 0 || r.Chunkah < r.Floor || len(r.Packages) != (len(list)+19)/20 {
		t.Error(r)
	}
	if r.Back != r.BackFloor || r.BackFloor == 0 {
		t.Errorf("the way back costs %d, floor %d", r.Back, r.BackFloor)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(root, "var/lib/dpkg/info"), 0o755))
	must(os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755))
	must(os.Symlink("usr/bin", filepath.Join(root, "bin")))
	must(os.WriteFile(filepath.Join(root, "usr/bin/a"), make([]byte, 100_000), 0o755))
	must(os.Link(filepath.Join(root, "usr/bin/a"), filepath.Join(root, "usr/bin/b")))
	must(os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), []byte("Package: a\nStatus: install ok installed\nVersion: 1\n"), 0o644))
	must(os.WriteFile(filepath.Join(root, "var/lib/dpkg/info/a.list"), []byte("/bin\n/bin/a\n"), 0o644))
	tree, err := Scan(t.Context(), root)
	must(err)
	at := tree.find("usr/bin/a")
	a, b := tree.Files[at], tree.Files[tree.find("usr/bin/b")]
	if tree.Owners()[at] != "a" || a.Inode == 0 || a.Inode != b.Inode || a.Compressed > 500 || a.Compressed <= overhead || b.Compressed != overhead {
		t.Errorf("%+v, %+v, owners %v", a, b, tree.Owners())
	}
	if a.Sum == sha256.Sum256(nil) || tree.Files[tree.find("bin")].Target != "usr/bin" {
		t.Errorf("%+v", tree.Files)
	}
}
