package chunk

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// TestSumBeforeAndAfter has of a group that is being planned the sum that it has
// when it is written: with hard links, and with Python sources that keep their
// time, which is that of the compiled form.
func TestSumBeforeAndAfter(t *testing.T) {
	t.Parallel()
	img := fakeimage.New(t, imgspecv1.Image{}, proven)
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plain, err := scan(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	compiled := binary.LittleEndian.AppendUint32(make([]byte, 8), uint32(plain.entries[plain.find("usr/lib/a")].mtime))
	img = fakeimage.New(t, imgspecv1.Image{}, proven.With(fakeimage.Files{
		"usr/lib/m.py": fakeimage.Text("m"), "usr/lib/__pycache__/m.cpython-311.pyc": fakeimage.Text(string(append(compiled, 1, 2, 3, 4, 5))),
		"usr/lib/n.py": fakeimage.Text("n"), "usr/lib/__pycache__/n.cpython-311.pyc": fakeimage.Text("of another time, or none"),
	}))
	if root, err = img.Root(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tr, err := scan(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	g := Group{Name: "all"}
	for i := range tr.entries {
		if e := &tr.entries[i]; !e.isDir() {
			g.Files = append(g.Files, Entry{Name: e.name, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()})
		}
	}
	w := &writer{archive: newArchive(tr, root)}
	block := make([]byte, 1<<10)
	before, err := w.archive.groupSum(&g, block)
	if err != nil {
		t.Fatal(err)
	}
	plan := &Plan{Layers: []Layer{{Groups: []Group{g}}}}
	for range 2 { // as when the plan has to be made anew
		if err := w.archive.retime(plan); err != nil {
			t.Fatal(err)
		}
	}
	if m, n := tr.entries[tr.find("usr/lib/m.py")].mtime, tr.entries[tr.find("usr/lib/n.py")].mtime; m == n {
		t.Errorf("both sources have the time %d", m)
	}
	jobs, err := w.jobs(plan)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.archive.groupSum(&g, block)
	if err != nil || !bytes.Equal(before, again) {
		t.Errorf("%x and then %x, %v", before, again, err)
	}
	w.archive.sums = make([]uint64, len(tr.entries))
	if err := w.archive.write(t.Context(), io.Discard, jobs[0].items, block, nil); err != nil {
		t.Fatal(err)
	}
	jobs[0].blob.diffID = "sha256:0"
	w.describe(jobs)
	if after := plan.Layers[0].Groups[0].Sum; !bytes.Equal(before, after) {
		t.Errorf("%x before, and %x after it was written", before, after)
	}
}
