package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"
)

// errSpecial is wrapped by errors about devices, sockets and pipes.
var errSpecial = errors.New("is neither a file nor a folder nor a symbolic link")

// Entry is a file, folder or symbolic link of a [Source].
type Entry struct {
	// Path is relative to the source, "." for the source itself.
	Path string
	// Mode holds the type and the permission bits that it has in the build
	// context, which are the same wherever the project was checked out.
	Mode fs.FileMode
	// Target is that of a symbolic link, as it is written.
	Target string
	open   func() (io.ReadCloser, error)
}

// Open opens a regular file; the caller closes it.
func (e Entry) Open() (io.ReadCloser, error) { return e.open() }

// Walk calls visit for the source and, where it is a folder, for everything in
// it, in lexical order and folders before what is in them. Symbolic links in a
// folder are visited and not followed: they are links of the image. The
// source itself may be reached through symbolic links; that those stay in the
// project is for project to see to, as [os.Root.FS] does. An error of visit
// ends the walk and is returned.
func (s Source) Walk(project fs.FS, visit func(Entry) error) error {
	if s.Content != nil {
		return visit(Entry{
			Path: ".",
			Mode: s.Mode,
			open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(s.Content)), nil },
		})
	}
	root := s.Path
	return fs.WalkDir(project, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		e := Entry{Path: name}
		if name == root {
			e.Path = "."
		} else if root != "." {
			e.Path = strings.TrimPrefix(name, root+"/")
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			e.Mode = fs.ModeDir | 0o755
		case d.Type() == fs.ModeSymlink:
			e.Mode = fs.ModeSymlink | 0o777
			if e.Target, err = fs.ReadLink(project, name); err != nil {
				return err
			}
		case d.Type().IsRegular():
			// Checkouts differ in the umask, and drives of Windows grant
			// everything to everyone.
			e.Mode = info.Mode().Perm() &^ 0o022
			if s.Mode != 0 {
				e.Mode = s.Mode
			}
			e.open = func() (io.ReadCloser, error) { return project.Open(name) }
		default:
			return fmt.Errorf("%q %w", name, errSpecial)
		}
		return visit(e)
	})
}

// Sum is the digest of a [Source] while it is walked. The zero value is not
// usable; see [NewSum].
type Sum struct{ h hash.Hash }

// NewSum returns an empty sum.
func NewSum() *Sum { return &Sum{h: sha256.New()} }

// Add takes in an entry; for a regular file, what it holds has to be written
// to the sum before the next one is added.
func (s *Sum) Add(e Entry) {
	// The lengths keep two different trees from reading the same.
	fmt.Fprintf(s.h, "\n%d %s %d %s %o ", len(e.Path), e.Path, len(e.Target), e.Target, uint32(e.Mode))
}

// Write takes in a part of the content of the entry that was added last.
func (s *Sum) Write(p []byte) (int, error) { return s.h.Write(p) }

// Digest returns "sha256:" and the hexadecimal digits of what was added.
func (s *Sum) Digest() string { return "sha256:" + hex.EncodeToString(s.h.Sum(nil)) }

// sum returns the digest of what src walks over, and whether it is a folder.
func sum(project fs.FS, src Source) (digest string, folder bool, err error) {
	s := NewSum()
	err = src.Walk(project, func(e Entry) error {
		s.Add(e)
		if e.Path == "." {
			folder = e.Mode.IsDir()
		}
		if !e.Mode.IsRegular() {
			return nil
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(s, r)
		return errors.Join(err, r.Close())
	})
	return s.Digest(), folder, err
}

// short returns the part of a digest that names a path of the build context.
func short(digest string) string { return strings.TrimPrefix(digest, "sha256:")[:16] }

// text returns what a file holds.
func (s Source) text(project fs.FS) (text []byte, err error) {
	err = s.Walk(project, func(e Entry) error {
		r, err := e.Open()
		if err != nil {
			return err
		}
		text, err = io.ReadAll(r)
		return errors.Join(err, r.Close())
	})
	return text, err
}
