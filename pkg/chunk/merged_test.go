package chunk_test

import (
	"archive/tar"
	"io"
	"io/fs"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// sameImage compares the files of an image with those of its layers, as they are
// merged here and as others do it: one after the other, entry by entry.
func sameImage(t testing.TB, source, chunked image.Image) {
	t.Helper()
	want := listingOf(t, source)
	if diff := cmp.Diff(want, listingOf(t, chunked)); diff != "" {
		t.Errorf("files (-image +layers):\n%.3000s", diff)
	}
	got := unpack(t, chunked.(image.Layered))
	for name := range want {
		if _, ok := got[name]; !ok && name != "." {
			t.Errorf("%q is not unpacked", name)
		}
	}
	root, err := source.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, content := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q is unpacked", name)
		}
		if content == nil {
			continue
		}
		if b, err := fs.ReadFile(root, name); err != nil || string(b) != *content {
			t.Errorf("%q has another content", name)
		}
	}
}

// unpack merges layers as tar does; the contents of regular files. It fails
// where a directory and something else meet, because ostree does.
func unpack(t testing.TB, img image.Layered) map[string]*string {
	t.Helper()
	files, dirs := map[string]*string{}, map[string]bool{}
	for at := range img.Layers() {
		r, err := img.OpenLayer(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(h.Name, "/")
			if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
				gone = path.Join(path.Dir(name), gone)
				if _, ok := files[gone]; !ok {
					t.Errorf("layer %d removes %q, which is not there", at, gone)
				}
				maps.DeleteFunc(files, func(n string, _ *string) bool { return n == gone || strings.HasPrefix(n, gone+"/") })
				continue
			}
			isDir := h.Typeflag == tar.TypeDir
			if _, ok := files[name]; ok && dirs[name] != isDir {
				t.Errorf("%q is a directory in one layer and none in another", name)
			}
			files[name], dirs[name] = nil, isDir
			switch h.Typeflag {
			case tar.TypeReg:
				b, err := io.ReadAll(archive)
				if err != nil {
					t.Fatal(err)
				}
				text := string(b)
				files[name] = &text
			case tar.TypeLink:
				files[name] = files[h.Linkname]
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
