// Package layermodel measures plans of layers against each other on real trees:
// what a client would download with this one, with an image as it was built,
// with the packing of chunkah, and what the floor is. It is for tests.
package layermodel

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// Tree is what is known of a root file system.
type Tree struct {
	Files    []Content
	Packages []packagedb.Owner
	// Changelogs are those of dpkg's packages, by the name of the file.
	Changelogs map[string][]byte
}

// Content is a file with what its layer depends on.
type Content struct {
	chunk.File
	// Sum is over content, type, permissions and owner.
	Sum [sha256.Size]byte
	// Compressed is what the file adds to a layer, in bytes.
	Compressed int64
}

// overhead is what the header of a file in a tar comes to, compressed.
const overhead = 60

// Scan reads the tree below a folder, without what is mounted there at run time.
func Scan(ctx context.Context, root string) (*Tree, error) {
	tree := &Tree{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name {
		case "dev", "proc", "sys", "run", "tmp":
			return fs.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		c := Content{File: chunk.File{Name: name, Mode: info.Mode(), Time: info.ModTime()}}
		if info.Mode().IsRegular() {
			c.Size = info.Size()
			if st.Nlink > 1 {
				c.Inode = st.Ino
			}
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if c.Target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		c.Sum = sha256.Sum256(fmt.Appendf(nil, "%v %d %d %s", info.Mode(), st.Uid, st.Gid, c.Target))
		tree.Files = append(tree.Files, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tree.Files, func(a, b Content) int { return cmp.Compare(a.Name, b.Name) })
	if err := tree.measure(root); err != nil {
		return nil, err
	}
	if tree.Packages, err = packagedb.Owners(ctx, os.DirFS(root)); err != nil {
		return nil, err
	}
	return tree, tree.readChangelogs(root)
}

// readChangelogs reads those of dpkg's packages.
func (t *Tree) readChangelogs(root string) error {
	t.Changelogs = map[string][]byte{}
	for i := range t.Files {
		name := t.Files[i].Name
		if base := path.Base(name); !strings.HasPrefix(name, "usr/share/doc/") || base != "changelog.Debian.gz" && base != "changelog.gz" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to where no file is
		}
		if err != nil {
			return err
		}
		t.Changelogs[name] = text
	}
	return nil
}

// Open is what [chunk.Input] asks for.
func (t *Tree) Open(name string) (io.ReadCloser, error) {
	text, ok := t.Changelogs[name]
	if !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

// measure reads and compresses the files, on all processors.
func (t *Tree) measure(root string) error {
	next := make(chan *Content)
	failed := make(chan error, runtime.NumCPU())
	var wait sync.WaitGroup
	for range runtime.NumCPU() {
		wait.Go(func() {
			encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
			for c := range next {
				if err == nil {
					err = c.measure(root, encoder)
				}
			}
			failed <- err
		})
	}
	linked := map[uint64]bool{}
	for i := range t.Files {
		c := &t.Files[i]
		c.Compressed = overhead
		if c.Mode.IsRegular() && (c.Inode == 0 || !linked[c.Inode]) {
			linked[c.Inode] = true
			next <- c
		}
	}
	close(next)
	wait.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Content) measure(root string, encoder *zstd.Encoder) error {
	f, err := os.Open(filepath.Join(root, c.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	sum.Write(c.Sum[:])
	var size counter
	encoder.Reset(&size)
	if _, err := io.Copy(io.MultiWriter(sum, encoder), f); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	c.Compressed += int64(size)
	sum.Sum(c.Sum[:0])
	return nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// Sum is what [chunk.Input] asks for.
func (t *Tree) Sum(name string) ([]byte, error) {
	i, ok := slices.BinarySearchFunc(t.Files, name, func(c Content, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return bytes.Clone(t.Files[i].Sum[:]), nil
}

// GroupSum is what [chunk.Input] asks for.
func (t *Tree) GroupSum(g *chunk.Group) ([]byte, error) {
	sum := sha256.New()
	for _, f := range g.Files {
		content, err := t.Sum(f.Name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(sum, "%q %d %x\n", f.Name, f.Time, content)
	}
	return sum.Sum(nil), nil
}

// Input is the tree as the planner sees it.
func (t *Tree) Input() chunk.Input {
	in := chunk.Input{Packages: t.Packages, Sum: t.Sum, GroupSum: t.GroupSum, Open: t.Open}
	for _, c := range t.Files {
		in.Files = append(in.Files, c.File)
	}
	return in
}
