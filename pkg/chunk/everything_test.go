package chunk_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/test/listing"
)

// listingOf describes every file of an image.
func listingOf(t testing.TB, img image.Image) map[string]string {
	t.Helper()
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return listing.Of(t, root, nil)
}

// rewrite chunks an image into a folder of its own.
func rewrite(t testing.TB, img image.Image, o chunk.RewriteOptions) (image.Image, *chunk.Report) {
	t.Helper()
	chunked, report, err := chunk.Rewrite(t.Context(), img, filepath.Join(t.TempDir(), "layout"), o)
	if err != nil {
		t.Fatal(err)
	}
	return chunked, report
}

// manifest reads the manifest of a layout, and returns its digest too.
func manifest(t testing.TB, img image.Image) (imgspecv1.Manifest, string) {
	t.Helper()
	dir := strings.TrimPrefix(img.Location(), "oci:")
	var index imgspecv1.Index
	var m imgspecv1.Manifest
	readJSON(t, filepath.Join(dir, "index.json"), &index)
	d := index.Manifests[0].Digest
	readJSON(t, filepath.Join(dir, "blobs/sha256", d.Encoded()), &m)
	return m, d.String()
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// everything has a file of every kind.
var everything = fakeimage.Files{
	"usr":                    fakeimage.Dir(),
	"usr/bin":                fakeimage.Dir(),
	"usr/bin/ping":           {Mode: 0o755, Content: "ping", Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00 \x00\x00", "user.note": ""}},
	"usr/bin/ping4":          {HardLink: "usr/bin/ping"},
	"usr/bin/a":              {HardLink: "usr/bin/ping"},
	"usr/bin/su":             {Mode: 0o755 | fs.ModeSetuid, UID: 0, GID: 7, Content: "su"},
	"usr/bin/sh":             fakeimage.Link("bash"),
	"usr/lib/empty":          {Mode: fs.ModeDir | 0o700, UID: 12, GID: 13, Xattrs: map[string]string{"user.dir": "x"}},
	"usr/lib/deep/a":         {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	"usr/lib/deep/a/b":       fakeimage.Text("b"),
	"usr/lib/deep/a.b":       fakeimage.Text("in another order than a folder's"),
	"usr/share/zero":         fakeimage.Text(""),
	"usr/share/hole":         fakeimage.Text(strings.Repeat("\x00", 3<<20)),
	"usr/share/\xff\xfe\n:-": fakeimage.Text("odd"),
	"usr/share/한글":           fakeimage.Link("\xff/nowhere"),
	"usr/share/" + strings.Repeat("long/", 60) + "name": fakeimage.Text("long"),
	"var/lib/owned": {Mode: 0o640, UID: 3_000_000, GID: 4_000_000, Content: "large IDs"},
	"var/lib/pipe":  {Mode: fs.ModeNamedPipe | 0o600},
	"var/lib/tty":   {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o620, Major: 4, Minor: 7},
	"var/lib/sda":   {Mode: fs.ModeDevice | 0o660, Major: 8, Minor: 1},
	"sysroot":       fakeimage.Dir(),
	"ostree":        fakeimage.Link("sysroot/ostree"),
}

var config = imgspecv1.Image{
	Created:  func() *time.Time { t := time.Unix(1_760_000_000, 0).UTC(); return &t }(),
	Author:   "someone",
	Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
	Config: imgspecv1.ImageConfig{
		Env: []string{"PATH=/usr/bin"}, Cmd: []string{"/sbin/init"}, StopSignal: "SIGRTMIN+3",
		Labels: map[string]string{"containers.bootc": "1", "ostree.commit": "x", "ostree.final-diffid": "y", "ostree.bootable": "1"},
	},
	History: []imgspecv1.History{{CreatedBy: "step"}, {CreatedBy: "label", EmptyLayer: true}},
}
