package chunk

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
)

// TestStaleProof reads layers of somebody who means ill, or errs.
func TestStaleProof(t *testing.T) {
	t.Parallel()
	w, _ := oneLayer(t)
	tr := w.archive.tree
	const at = 2
	layer := make([]int, len(tr.entries))
	const live, above, below = "usr/lib/a", "usr/bin/ping", "usr/lib/tty"
	layer[tr.find(live)], layer[tr.find(above)], layer[tr.find(below)] = at, at+1, at-1
	dir := func(name string) *tar.Header {
		return &tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}
	}
	file := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	with := func(h *tar.Header, change func(*tar.Header)) *tar.Header { change(h); return h }
	right := tr.header(item{entry: tr.find(live)})
	content := strings.Repeat("x", int(right.Size))
	if b, err := w.archive.root.Open(live); err == nil {
		buf := make([]byte, right.Size)
		_, _ = b.Read(buf)
		content = string(buf)
		_ = b.Close()
	}
	usr := []*tar.Header{dir("usr"), dir("usr/lib")}
	for name, test := range map[string]struct {
		more []*tar.Header
		says string // "" where it is right
	}{
		"right":                 {nil, ""},
		"dead":                  {[]*tar.Header{dir("usr/old"), file("usr/old/x"), dir("usr/bin"), file(above)}, ""},
		"of a layer below":      {[]*tar.Header{file(below)}, "a layer below has"},
		"a file is a directory": {[]*tar.Header{file("usr/bin")}, "in the image"},
		"a directory is a file": {[]*tar.Header{dir("usr/bin"), dir(above)}, "in the image"},
		"other directory":       {[]*tar.Header{with(dir("old"), func(h *tar.Header) { h.Mode = 0o700 })}, "plain"},
		"owned directory":       {[]*tar.Header{with(dir("old"), func(h *tar.Header) { h.Uid = 7 })}, "plain"},
		"without directory":     {[]*tar.Header{file("usr/old/x")}, "does not have the directory"},
		"twice":                 {[]*tar.Header{file("old"), file("old")}, "twice"},
		"upwards":               {[]*tar.Header{file("usr/../../etc/passwd")}, "may have"},
		"absolute":              {[]*tar.Header{file("/etc/passwd")}, "may have"},
		"root":                  {[]*tar.Header{dir(".")}, "may have"},
		"whiteout":              {[]*tar.Header{file("usr/.wh.lib")}, "may have"},
		"opaque":                {[]*tar.Header{file("usr/.wh..wh..opq")}, "may have"},
		"overlayfs":             {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeChar}}, "whiteout"},
		"link outwards":         {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeLink, Linkname: "etc/shadow"}}, "link"},
		"dead pipe":             {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeFifo}}, "device or pipe"},
		"dead device":           {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeChar, Devmajor: 1}}, "device or pipe"},
		"dead disk":             {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeBlock}}, "device or pipe"},
		"dead odd name":         {[]*tar.Header{file("usr/\xff")}, "UTF-8"},
		"dead odd target":       {[]*tar.Header{{Name: "usr/x", Typeflag: tar.TypeSymlink, Linkname: "\xff"}}, "UTF-8"},
		"unknown type":          {[]*tar.Header{{Name: "usr/x", Typeflag: '?'}}, "type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(entries []*tar.Header, says string) {
				t.Helper()
				var b bytes.Buffer
				archive := tar.NewWriter(&b)
				for _, h := range entries {
					h := *h
					if err := archive.WriteHeader(&h); err != nil {
						t.Fatal(err)
					}
					if _, err := archive.Write([]byte(content)[:h.Size]); err != nil {
						t.Fatal(err)
					}
				}
				if err := archive.Close(); err != nil {
					t.Fatal(err)
				}
				diffID := digest.FromBytes(b.Bytes())
				a := newArchive(tr, w.archive.root)
				err := newProof(a).stale(a, layer, at, make([]byte, 1<<10)).read(t.Context(), &b, diffID)
				if difference := (*DifferenceError)(nil); says == "" && err != nil || says != "" && (!errors.As(err, &difference) || !strings.Contains(err.Error(), says)) {
					t.Errorf("error: %v", err)
				}
			}
			check(append(append(append([]*tar.Header{}, usr...), right), test.more...), test.says)
			if name != "right" {
				return
			}
			check(usr, "does not have it")
			later := *right
			later.ModTime = later.ModTime.Add(time.Second)
			check(append(append([]*tar.Header{}, usr...), &later), "time")
			other := *right
			other.Mode = 0o777
			check(append(append([]*tar.Header{}, usr...), &other), "mode")
		})
	}
}
