package chunk_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// TestChunkedAgain chunks what was chunked: the times that were written say the
// same of the packages as those that were read.
func TestChunkedAgain(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	built := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, f := range map[string]struct {
		text string
		days int // since the build
	}{
		// Of two times the more frequent is that of the build, and the file in
		// /etc decides: there layers have the time of the epoch.
		"usr/bin/a":                {"a", 0},
		"etc/a.conf":               {"a", 0},
		"usr/share/doc/a/NEWS":     {"a", -900},
		"usr/bin/b":                {"b", 70},
		"usr/lib/b.so":             {"b", 70},
		"var/lib/dpkg/info/a.list": {"/usr/bin/a\n/etc/a.conf\n/usr/share/doc/a/NEWS\n", 90},
		"var/lib/dpkg/info/b.list": {"/usr/bin/b\n/usr/lib/b.so\n", 90},
		"var/lib/dpkg/status": {"Package: a\nStatus: install ok installed\nVersion: 1\n\n" +
			"Package: b\nStatus: install ok installed\nVersion: 1\n", 90},
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := built.AddDate(0, 0, f.days)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	img, err := image.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := rewrite(t, img, chunk.RewriteOptions{})
	second, report := rewrite(t, first, chunk.RewriteOptions{Previous: first})
	_, before := manifest(t, first)
	if _, after := manifest(t, second); after != before {
		t.Errorf("another manifest, because of %+v", report.Update.Causes)
	}
}
