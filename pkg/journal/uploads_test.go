package journal

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	digest "github.com/opencontainers/go-digest"
)

func TestUploads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, UploadsName)
	set := func(u *Uploads, repository, blob, location string) {
		t.Helper()
		if err := u.Set(repository, digest.FromString(blob), location); err != nil {
			t.Error(err)
		}
	}
	u := OpenUploads(dir)
	var all sync.WaitGroup
	for _, blob := range []string{"a", "b", "c", "d"} {
		all.Go(func() { set(u, "registry.lan/os", blob, "https://registry.lan/"+blob) })
	}
	all.Wait()
	set(u, "mirror.lan/os", "a", "https://mirror.lan/a")
	set(u, "registry.lan/os", "b", "")
	set(u, "registry.lan/os", "c", "https://registry.lan/c?more")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("%v, %v: others can read it", info, err)
	}

	later := OpenUploads(dir)
	for blob, want := range map[string]string{"a": "https://registry.lan/a", "b": "", "c": "https://registry.lan/c?more", "e": ""} {
		if got := later.Get("registry.lan/os", digest.FromString(blob)); got != want {
			t.Errorf("the upload of %s goes on at %q, want %q", blob, got, want)
		}
	}
	for _, blob := range []string{"a", "c", "d"} {
		set(later, "registry.lan/os", blob, "")
	}
	set(later, "mirror.lan/os", "a", "")
	set(later, "mirror.lan/os", "a", "")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestUploadsOfNoUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, text := range []string{"", "{", "[]", `{"registry.lan/os": "x"}`} {
		if err := os.WriteFile(filepath.Join(dir, UploadsName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		u := OpenUploads(dir)
		if got := u.Get("registry.lan/os", digest.FromString("a")); got != "" {
			t.Errorf("%q is taken for %q", text, got)
		}
		if err := u.Set("registry.lan/os", digest.FromString("a"), "x"); err != nil {
			t.Error(err)
		}
	}
	gone := OpenUploads(filepath.Join(dir, "gone"))
	if err := gone.Set("registry.lan/os", digest.FromString("a"), "x"); err == nil {
		t.Error("it was written into a folder that is not there")
	}
}
