package chunk_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// shuffled lists folders in another order each time, and numbers inodes anew.
type shuffled struct {
	image.Image
	seed uint64
}

func (s shuffled) Root(ctx context.Context) (image.Root, error) {
	root, err := s.Image.Root(ctx)
	return shuffledRoot{root, rand.New(rand.NewPCG(s.seed, 1))}, err
}

type shuffledRoot struct {
	image.Root
	random *rand.Rand
}

func (r shuffledRoot) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := r.Root.ReadDir(name)
	r.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i, d := range list {
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		list[i] = fs.FileInfoToDirEntry(renumbered{info})
	}
	return list, err
}

// renumbered has another inode.
type renumbered struct{ fs.FileInfo }

func (r renumbered) Sys() any {
	st := *image.StatOf(r.FileInfo)
	st.Inode = 1<<40 - st.Inode
	return &st
}

// Any order of reading, and any place and earlier content of the cache.
func TestSameDigest(t *testing.T) {
	t.Parallel()
	source := fakeimage.New(t, config, everything)
	want, wantReport := rewrite(t, source, chunk.RewriteOptions{})
	_, wantDigest := manifest(t, want)
	cache := t.TempDir()
	for i := range 4 {
		got, report := rewrite(t, shuffled{source, uint64(i)}, chunk.RewriteOptions{Cache: cache, CacheLimit: 1 << 30})
		if _, d := manifest(t, got); d != wantDigest {
			t.Errorf("manifest %s and %s", d, wantDigest)
		}
		if reused := report.Reused; (i > 0) != (reused == len(wantReport.Layers)) {
			t.Errorf("run %d: %d of %d layers from the cache", i, reused, len(wantReport.Layers))
		}
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"usr", "lib", "bin", "a", "a.b", "a-b", "\xff", "한", " ", "x\n", "etc", "var", "__pycache__", "m.py", "m.cpython-311.pyc", strings.Repeat("n", 120)}),
		rapid.StringMatching(`[a-z]{1,3}`))
	content := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 50, 200),
		rapid.Map(rapid.IntRange(0, 3000), func(n int) string { return strings.Repeat("\x00", n) }))
	attrs := rapid.OneOf(rapid.Just(map[string]string(nil)),
		rapid.MapOfN(rapid.SampledFrom([]string{"user.a", "user.b", "security.capability", "system.posix_acl_access"}), content, 0, 3))
	mode := rapid.Map(rapid.IntRange(0, 0o7777), func(n int) fs.FileMode {
		m := fs.FileMode(n & 0o777)
		for i, bit := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
			if n>>9>>i&1 != 0 {
				m |= bit
			}
		}
		return m
	})
	id := rapid.SampledFrom([]int{0, 0, 0, 1000, 5_000_000})
	folder, trees := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		files := fakeimage.Files{}
		var regular []string
		for range rapid.IntRange(0, 30).Draw(rt, "files") {
			// Not where package databases are, which no random file is.
			name := "opt/" + strings.Join(rapid.SliceOfN(part, 1, 5).Draw(rt, "name"), "/")
			if taken(files, name) {
				continue
			}
			f := fakeimage.File{Mode: mode.Draw(rt, "mode"), UID: id.Draw(rt, "uid"), GID: id.Draw(rt, "gid"), Xattrs: attrs.Draw(rt, "attrs")}
			switch rapid.IntRange(0, 6).Draw(rt, "kind") {
			case 0:
				f.Mode |= fs.ModeDir
			case 1:
				f = fakeimage.Link(rapid.StringMatching(`[a-z.]{1,30}(/[가-힣]{1,40})?`).Draw(rt, "target"))
			case 2:
				f.Mode |= fs.ModeNamedPipe
			case 3:
				if len(regular) > 0 {
					f = fakeimage.File{HardLink: rapid.SampledFrom(regular).Draw(rt, "link")}
					break
				}
				fallthrough
			default:
				f.Content = content.Draw(rt, "content")
				regular = append(regular, name)
			}
			files[name] = f
		}
		source := fakeimage.New(t, config, files)
		trees++
		dir := filepath.Join(folder, fmt.Sprint(trees))
		layers := rapid.SampledFrom([]int{3, 5, 128}).Draw(rt, "layers")
		chunked, _, err := chunk.Rewrite(t.Context(), source, filepath.Join(dir, "layout"), chunk.RewriteOptions{Options: chunk.Options{Layers: layers}})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(listingOf(t, source), listingOf(t, chunked)); diff != "" {
			rt.Errorf("files (-image +layers):\n%s", diff)
		}
		if err := os.RemoveAll(dir); err != nil {
			rt.Fatal(err)
		}
	})
}

// taken says that a name is in use, or in the way of one that is, or below
// what is no folder, or in a folder that is dropped.
func taken(files fakeimage.Files, name string) bool {
	for other, f := range files {
		if other == name || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") && !f.Mode.IsDir() {
			return true
		}
	}
	return false
}

// TestManyFiles has 100,000 files.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	files := fakeimage.Files{}
	for i := range 100_000 {
		files[fmt.Sprintf("usr/share/%d/%d/file-%d", i%17, i%991, i)] = fakeimage.Text(fmt.Sprint("content ", i))
	}
	source := fakeimage.New(t, config, files)
	chunked, _ := rewrite(t, source, chunk.RewriteOptions{})
	if want, got := listingOf(t, source), listingOf(t, chunked); !maps.Equal(want, got) {
		t.Errorf("files (-image +layers):\n%.2000s", cmp.Diff(want, got))
	}
}
