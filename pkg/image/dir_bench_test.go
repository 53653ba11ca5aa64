package image_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// manyFiles makes a folder of small files, one in ten with an attribute.
func manyFiles(b *testing.B, folders, files int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range folders {
		folder := filepath.Join(dir, "usr/share/kiln", fmt.Sprint(i%40), fmt.Sprint(i))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range files {
			name := filepath.Join(folder, fmt.Sprint("file-", j))
			if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
				b.Fatal(err)
			}
			if j%10 == 0 {
				if err := unix.Lsetxattr(name, "user.kiln", []byte("1"), 0); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	return dir
}

// plainFS is what package os makes of a folder, with the attributes that
// image.Root has.
type plainFS string

func (p plainFS) walk(visit func(name string, d fs.DirEntry) error) error {
	return filepath.WalkDir(string(p), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return visit(name, d)
	})
}

func (p plainFS) look(name string, read bool) error {
	fi, err := os.Lstat(name)
	if err != nil {
		return err
	}
	buf := make([]byte, 256)
	n, err := unix.Llistxattr(name, buf)
	for from := 0; err == nil && from < n; {
		to := from
		for buf[to] != 0 {
			to++
		}
		_, err = unix.Lgetxattr(name, string(buf[from:to]), make([]byte, 256))
		from = to + 1
	}
	if err != nil || !read || !fi.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

type rootFS struct{ image.Root }

func (r rootFS) walk(visit func(name string, d fs.DirEntry) error) error {
	return fs.WalkDir(r.Root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return visit(name, d)
	})
}

func (r rootFS) look(name string, read bool) error {
	fi, err := r.Lstat(name)
	if err != nil {
		return err
	}
	if _, err := r.Xattrs(name); err != nil || !read || !fi.Mode().IsRegular() {
		return err
	}
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// BenchmarkDirWalk reads a folder as a Root and as package os does: the names
// alone, those with Lstat and Xattrs of every file, and that with its content,
// looked at by two goroutines.
func BenchmarkDirWalk(b *testing.B) {
	dir := manyFiles(b, 1500, 100)
	root, err := image.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	type walker interface {
		walk(visit func(name string, d fs.DirEntry) error) error
		look(name string, read bool) error
	}
	for _, c := range []struct {
		name       string
		look, read bool
	}{{"names", false, false}, {"attributes", true, false}, {"contents", true, true}} {
		for _, w := range []struct {
			name string
			walker
		}{{"plain", plainFS(dir)}, {"root", rootFS{root}}} {
			b.Run(c.name+"/"+w.name, func(b *testing.B) {
				for b.Loop() {
					names := make(chan string, 1024)
					var both sync.WaitGroup
					for range 2 {
						both.Go(func() {
							for name := range names {
								if err := w.look(name, c.read); err != nil {
									b.Error(err)
								}
							}
						})
					}
					err := w.walk(func(name string, d fs.DirEntry) error {
						_, err := d.Info()
						if c.look {
							names <- name
						}
						return err
					})
					close(names)
					both.Wait()
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
