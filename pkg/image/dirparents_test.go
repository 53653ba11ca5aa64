package image_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// More folders than are kept open, from several goroutines in different
// orders: each file is its own, and nothing stays open.
func TestDirFromSeveralGoroutines(t *testing.T) {
	t.Parallel()
	const folders = 300
	dir := t.TempDir()
	for i := range folders {
		name := filepath.Join(dir, "d", fmt.Sprint(i), "f")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := image.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range folders {
				i = (i*(2*g+1) + g) % folders
				name := fmt.Sprintf("d/%d/f", i)
				if got, err := fs.ReadFile(root, name); err != nil || string(got) != fmt.Sprint(i) {
					t.Errorf("%s: %q, %v", name, got, err)
				}
				if fi, err := root.Lstat(name); err != nil || fi.Size() != int64(len(fmt.Sprint(i))) {
					t.Errorf("%s: %v, %v", name, fi, err)
				}
			}
		})
	}
	all.Wait()
	if err := root.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"d/1/f", "d"} {
		if _, err := root.Lstat(name); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	// Other tests of this process have files open too, but none of this folder.
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && (target == dir || strings.HasPrefix(target, dir+"/")) {
			t.Errorf("%s is still open", target)
		}
	}
}
