package chunk

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

var proven = fakeimage.Files{
	"usr/bin":       {Mode: fs.ModeDir | 0o711},
	"usr/bin/ping":  {Mode: 0o755, Content: "ping", Xattrs: map[string]string{"security.capability": "cap"}},
	"usr/bin/ping4": {HardLink: "usr/bin/ping"},
	"usr/bin/sh":    fakeimage.Link("bash"),
	"usr/lib/a":     fakeimage.Text("content a"),
	"usr/lib/b":     fakeimage.Text("content b"),
	"usr/lib/tty":   {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o620, Major: 4, Minor: 7},
}

// oneLayer writes all files of an image as one layer, below the layers of
// directories.
func oneLayer(t *testing.T) (*writer, []*job) {
	t.Helper()
	root, err := fakeimage.New(t, imgspecv1.Image{}, proven).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	tr, err := scan(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var g Group
	for i := range tr.entries {
		if e := &tr.entries[i]; !e.isDir() {
			g.Files = append(g.Files, Entry{Name: e.name})
		}
	}
	w := &writer{archive: newArchive(tr, root)}
	w.proof = newProof(w.archive)
	jobs, err := w.jobs(&Plan{Layers: []Layer{{Groups: []Group{g}}}})
	if err == nil {
		jobs, err = w.directories(jobs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w, jobs
}

// prove proves the layers, as each is after a change.
func prove(t *testing.T, w *writer, jobs []*job, change func(kind place, h *tar.Header, content []byte) []byte) error {
	t.Helper()
	for _, j := range jobs {
		var written, changed bytes.Buffer
		if err := w.archive.write(t.Context(), &written, j.items, make([]byte, 1<<10), nil); err != nil {
			t.Fatal(err)
		}
		from, to := tar.NewReader(&written), tar.NewWriter(&changed)
		for {
			h, err := from.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(from)
			if err != nil {
				t.Fatal(err)
			}
			// The reader fills in the records a second time, and the writer takes both.
			h.Format, h.Xattrs = tar.FormatPAX, nil //nolint:staticcheck // see above
			if content = change(j.kind, h, content); h.Name == "" {
				continue
			}
			for range max(1, len(h.Gname)) {
				if err := to.WriteHeader(h); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Write(content); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		proof := w.proof.layer(j.kind, make([]byte, 1<<10))
		if err := proof.archive(t.Context(), &changed); err != nil {
			return err
		}
		if err := w.proof.accept(proof.found, proof.removed); err != nil {
			return err
		}
	}
	return w.proof.finish()
}

// TestProofCatches changes one thing of one entry.
func TestProofCatches(t *testing.T) {
	t.Parallel()
	drop := func(h *tar.Header) { h.Name = "" }
	cases := []struct {
		name, entry string
		in          place
		change      func(h *tar.Header)
		content     string
	}{
		{name: "file dropped", entry: "usr/lib/a", change: drop},
		{name: "directory dropped", entry: "usr/bin/", in: placeLowest, change: drop},
		{name: "attributes of a directory dropped", entry: "usr/bin/", in: placeHighest, change: drop},
		{name: "link dropped", entry: "usr/bin/sh", change: drop},
		{name: "hard link dropped", entry: "usr/bin/ping4", change: drop},
		{name: "first of hard links dropped", entry: "usr/bin/ping", change: drop},
		{name: "file twice", entry: "usr/lib/a", change: func(h *tar.Header) { h.Gname = "xx" }},
		{name: "file added", entry: "usr/lib/a", change: func(h *tar.Header) { h.Name = "usr/lib/c" }},
		{name: "mode", entry: "usr/lib/a", change: func(h *tar.Header) { h.Mode = 0o600 }},
		{name: "setuid", entry: "usr/bin/ping", change: func(h *tar.Header) { h.Mode |= 0o4000 }},
		{name: "mode of a directory", entry: "usr/bin/", in: placeHighest, change: func(h *tar.Header) { h.Mode = 0o755 }},
		{name: "mode of a directory above", entry: "usr/bin/", in: placeFiles, change: func(h *tar.Header) { h.Mode = 0o711 }},
		{name: "user", entry: "usr/lib/a", change: func(h *tar.Header) { h.Uid = 1 }},
		{name: "group", entry: "usr/bin/sh", change: func(h *tar.Header) { h.Gid = 1 }},
		{name: "capability lost", entry: "usr/bin/ping", change: func(h *tar.Header) { h.PAXRecords = nil }},
		{name: "capability of a hard link lost", entry: "usr/bin/ping4", change: func(h *tar.Header) { h.PAXRecords = nil }},
		{name: "capability changed", entry: "usr/bin/ping", change: func(h *tar.Header) { h.PAXRecords["SCHILY.xattr.security.capability"] = "CAP" }},
		{name: "attribute added", entry: "usr/lib/a", change: func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"} }},
		{name: "content", entry: "usr/lib/a", content: "content b"},
		{name: "size", entry: "usr/lib/a", content: "longer content", change: func(h *tar.Header) { h.Size = 14 }},
		{name: "target", entry: "usr/bin/sh", change: func(h *tar.Header) { h.Linkname = "dash" }},
		{name: "other file linked", entry: "usr/bin/ping4", change: func(h *tar.Header) { h.Linkname = "usr/lib/a" }},
		{name: "hard link became a link", entry: "usr/bin/ping4", change: func(h *tar.Header) { h.Typeflag = tar.TypeSymlink }},
		{name: "file became a link", entry: "usr/lib/a", content: "-", change: func(h *tar.Header) { h.Typeflag, h.Size, h.Linkname = tar.TypeSymlink, 0, "b" }},
		{name: "file became a directory", entry: "usr/lib/a", content: "-", change: func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeDir, 0 }},
		{name: "device", entry: "usr/lib/tty", change: func(h *tar.Header) { h.Devminor = 8 }},
		{name: "kind of device", entry: "usr/lib/tty", change: func(h *tar.Header) { h.Typeflag = tar.TypeBlock }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !strings.HasSuffix(c.entry, "/") {
				c.in = placeFiles
			}
			w, jobs := oneLayer(t)
			err := prove(t, w, jobs, func(kind place, h *tar.Header, content []byte) []byte {
				if kind != c.in || h.Name != c.entry {
					return content
				}
				if c.change != nil {
					c.change(h)
				}
				switch c.content {
				case "":
					return content
				case "-":
					return nil
				}
				return []byte(c.content)
			})
			if difference := (*DifferenceError)(nil); !errors.As(err, &difference) {
				t.Errorf("not noticed: %v", err)
			}
		})
	}
}

// TestProofAccepts is what the cases above change.
func TestProofAccepts(t *testing.T) {
	t.Parallel()
	w, jobs := oneLayer(t)
	if err := prove(t, w, jobs, func(_ place, _ *tar.Header, content []byte) []byte { return content }); err != nil {
		t.Error(err)
	}
}

// newTestLayout is a folder for blobs.
func newTestLayout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestReadBackCatches flips each byte of a layer on the disk.
func TestReadBackCatches(t *testing.T) {
	t.Parallel()
	w, jobs := oneLayer(t)
	dir := newTestLayout(t)
	j := jobs[slices.IndexFunc(jobs, func(j *job) bool { return j.kind == placeFiles })]
	tools, err := newTools()
	if err != nil {
		t.Fatal(err)
	}
	defer tools.close()
	b, err := tools.compress(dir, j.size, func(to io.Writer) error {
		return w.archive.write(t.Context(), to, j.items, tools.block, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(r io.Reader) error { return w.proof.layer(j.kind, tools.block).archive(t.Context(), r) }
	if err := tools.readBack(t.Context(), dir, b, read); err != nil {
		t.Fatal(err)
	}
	file := blobPath(dir, b.digest)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(whole)) != b.size {
		t.Errorf("%d bytes, and %d said", len(whole), b.size)
	}
	for i := range whole {
		broken := slices.Clone(whole)
		broken[i] ^= 0x10
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tools.readBack(t.Context(), dir, b, read); err == nil {
			t.Errorf("byte %d: not noticed", i)
		}
	}
	for _, broken := range [][]byte{whole[:len(whole)-1], slices.Concat(whole, []byte{0}), slices.Concat(whole, whole)} {
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := tools.readBack(t.Context(), dir, b, read); err == nil {
			t.Errorf("%d bytes of %d: not noticed", len(broken), len(whole))
		}
	}
	// The archive is another one than the compressor got.
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, check := range [][]byte{make([]byte, len(b.check)), nil} {
		other := b
		other.check, other.diffID = check, b.digest
		if err := tools.readBack(t.Context(), dir, other, read); err == nil {
			t.Errorf("check %x: not noticed", check)
		}
	}
}

// TestPythonSources keeps the times that compiled modules name.
func TestPythonSources(t *testing.T) {
	t.Parallel()
	const now = 1_700_000_000 // of all files of a fake image
	compiled := func(flags byte, made uint32) fakeimage.File {
		return fakeimage.Text(string([]byte{0xa7, 0x0d, 0x0d, 0x0a, flags, 0, 0, 0, byte(made), byte(made >> 8), byte(made >> 16), byte(made >> 24), 1, 0, 0, 0, 'x'}))
	}
	root, err := fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{
		"m/made.py": fakeimage.Text("x"), "m/__pycache__/made.cpython-311.pyc": compiled(0, now),
		"m/stale.py": fakeimage.Text("x"), "m/__pycache__/stale.cpython-311.pyc": compiled(0, now-1),
		"m/hash.py": fakeimage.Text("x"), "m/__pycache__/hash.cpython-311.pyc": compiled(1, now),
		"m/short.py": fakeimage.Text("x"), "m/__pycache__/short.cpython-311.pyc": fakeimage.Text("x"),
		"m/optimized.py": fakeimage.Text("x"), "m/__pycache__/optimized.cpython-311.opt-1.pyc": compiled(0, now),
		"m/alone.py": fakeimage.Text("x"), "m/__pycache__/none.cpython-311.pyc": compiled(0, now),
	}).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tr, err := scan(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var g Group
	for i := range tr.entries {
		if e := &tr.entries[i]; !e.isDir() {
			g.Files = append(g.Files, Entry{Name: e.name, Time: 5})
		}
	}
	if err := newArchive(tr, root).retime(&Plan{Layers: []Layer{{Groups: []Group{g}}}}); err != nil {
		t.Fatal(err)
	}
	for i := range tr.entries {
		e := &tr.entries[i]
		want := int64(5)
		if e.name == "m/made.py" || e.name == "m/optimized.py" {
			want = now
		}
		if !e.isDir() && e.mtime != want {
			t.Errorf("%s: %v", e.name, time.Unix(e.mtime, 0).UTC())
		}
	}
}

// TestWhiteoutsAreProven has a highest layer that removes what it must, once.
func TestWhiteoutsAreProven(t *testing.T) {
	t.Parallel()
	const whiteoutOfOld = "usr/lib/.wh.old"
	for name, test := range map[string]struct {
		change func(*tar.Header)
		says   string // "" where it is right
	}{
		"right":   {func(*tar.Header) {}, ""},
		"missing": {func(h *tar.Header) { h.Name = "" }, "would be back"},
		"twice":   {func(h *tar.Header) { h.Gname = "xx" }, "must not"},
		"another": {func(h *tar.Header) { h.Name = "usr/lib/.wh.a" }, "must not"},
		"a link":  {func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "x" }, "must not"},
	} {
		w, jobs := oneLayer(t)
		w.proof.gone = map[string]bool{whiteoutOfOld: false}
		jobs[2].items = append(jobs[2].items, item{entry: w.archive.tree.find("usr/lib"), gone: "old"})
		err := prove(t, w, jobs, func(_ place, h *tar.Header, content []byte) []byte {
			if h.Name == whiteoutOfOld {
				test.change(h)
			}
			return content
		})
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
