package chunk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// twoPackages are installed by dpkg, with a version of the second.
func twoPackages(version string) fakeimage.Files {
	return fakeimage.Files{
		"etc/keys/host":               fakeimage.Text("a secret"),
		"etc/old":                     fakeimage.Text("old"),
		"etc/shadow":                  {Mode: 0o600, Content: "root:*"},
		"usr/bin/one":                 fakeimage.Program("one"),
		"usr/bin/two":                 fakeimage.Program("two " + version),
		"usr/share/cache.db":          fakeimage.Text("made at 10:00"),
		"var/log":                     fakeimage.Dir(),
		"var/lib/dpkg/info/one.list":  fakeimage.Text("/usr/bin/one\n"),
		"var/lib/dpkg/info/two.list":  fakeimage.Text("/usr/bin/two\n"),
		"var/lib/dpkg/info/two.state": fakeimage.Text(version),
		"var/lib/dpkg/status": fakeimage.Text("Package: one\nStatus: install ok installed\nVersion: 1\n\n" +
			"Package: two\nStatus: install ok installed\nVersion: " + version + "\n"),
	}
}

// blamed are the files that a report blames, by group.
func blamed(r *chunk.Report) map[string][]string {
	list := map[string][]string{}
	for _, c := range r.Update.Causes {
		if c.Files != nil {
			list[c.Group] = c.Files
		}
	}
	return list
}

// TestBlame builds an image again: what changed though no package did is named.
func TestBlame(t *testing.T) {
	t.Parallel()
	files := twoPackages("1")
	before, _ := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, files), chunk.RewriteOptions{})
	after := files.Without("etc/old").With(fakeimage.Files{
		"etc/keys/host":      fakeimage.Text("another!"),
		"etc/keys/new":       fakeimage.Text("a secret"),
		"etc/shadow":         {Mode: 0o640, Content: "root:*"},
		"usr/bin/one":        fakeimage.Program("one and more"),
		"usr/share/cache.db": fakeimage.Text("made at 11:00"),
		"var/log":            {Mode: 0o1777 | os.ModeDir},
	})
	_, report := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, after), chunk.RewriteOptions{Previous: before})
	want := map[string][]string{
		"/etc":        {"etc/keys/host: content", "etc/keys/new: new", "etc/old: gone", "etc/shadow: mode or owner, 0600 0:0 before"},
		"/usr/share":  {"usr/share/cache.db: content"},
		"one":         {"usr/bin/one: content"},
		"directories": {"var/log: mode or owner, 0755 0:0 before"},
	}
	if diff := cmp.Diff(want, blamed(report)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil || !strings.Contains(text.String(), "- usr/share/cache.db: content\n") {
		t.Errorf("%v\n%s", err, text.String())
	}

	// What came with a package is what an update is for.
	_, report = rewrite(t, fakeimage.New(t, imgspecv1.Image{}, twoPackages("2")), chunk.RewriteOptions{Previous: before})
	if diff := cmp.Diff(map[string][]string{}, blamed(report)); diff != "" || report.Update.Bytes == 0 {
		t.Errorf("%d bytes (-want +got):\n%s", report.Update.Bytes, diff)
	}
}

// TestBlameUnreadable goes without the layers of the previous image.
func TestBlameUnreadable(t *testing.T) {
	t.Parallel()
	files := twoPackages("1")
	before, _ := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, files), chunk.RewriteOptions{})
	for _, l := range before.(image.Layered).Layers() {
		if err := os.Remove(filepath.Join(strings.TrimPrefix(before.Location(), "oci:"), "blobs/sha256", l.Digest.Encoded())); err != nil {
			t.Fatal(err)
		}
	}
	after := files.With(fakeimage.Files{"usr/share/cache.db": fakeimage.Text("made at 11:00")})
	_, report := rewrite(t, fakeimage.New(t, imgspecv1.Image{}, after), chunk.RewriteOptions{Previous: before})
	if list := blamed(report)["/usr/share"]; len(list) != 1 || !strings.HasPrefix(list[0], "which files changed in it is not known: ") {
		t.Errorf("%q", list)
	}
}
