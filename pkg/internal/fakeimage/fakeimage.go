// Package fakeimage makes small images in memory for tests. They are real to
// their reader: a manifest, a configuration and tar layers, which package image
// merges as it does those of any other image.
package fakeimage

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// File is one file of an image. The zero value is an empty regular file of
// root's with no permission at all.
type File struct {
	// Mode has the type and the permission bits. A HardLink needs none.
	Mode     fs.FileMode
	UID, GID int
	// Content is that of a regular file, or a symbolic link's target.
	Content string
	// HardLink names another file of the same layer that this one is.
	HardLink string
	// Xattrs by their full name ("security.capability").
	Xattrs map[string]string
	// Major and Minor are a device's numbers.
	Major, Minor int64
}

// Dir is a directory with mode 0755.
func Dir() File { return File{Mode: fs.ModeDir | 0o755} }

// Text is a regular file with mode 0644.
func Text(content string) File { return File{Mode: 0o644, Content: content} }

// Program is a regular file with mode 0755.
func Program(content string) File { return File{Mode: 0o755, Content: content} }

// Link is a symbolic link.
func Link(target string) File { return File{Mode: fs.ModeSymlink | 0o777, Content: target} }

// Files are the files of a layer by name (relative, slash-separated). The
// folders they are in need no entry.
type Files map[string]File

// With returns the files with some added or replaced.
func (f Files) With(more Files) Files {
	out := maps.Clone(f)
	maps.Copy(out, more)
	return out
}

// Without returns the files without those of the given names.
func (f Files) Without(names ...string) Files {
	out := maps.Clone(f)
	for _, name := range names {
		delete(out, name)
	}
	return out
}

// Tar returns the files as an uncompressed layer, the same bytes for the same
// files.
func (f Files) Tar() []byte {
	names := slices.SortedFunc(maps.Keys(f), func(a, b string) int {
		// Hard links last: their targets must be there.
		if la, lb := f[a].HardLink != "", f[b].HardLink != ""; la != lb {
			if la {
				return 1
			}
			return -1
		}
		return bytes.Compare([]byte(a), []byte(b))
	})
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range names {
		must(w.WriteHeader(f[name].header(name)))
		if f[name].Mode.IsRegular() && f[name].HardLink == "" {
			must(io.WriteString(w, f[name].Content))
		}
	}
	must(w.Close())
	return buf.Bytes()
}

func (f File) header(name string) *tar.Header {
	hdr := &tar.Header{
		Name:    name,
		Mode:    int64(f.Mode.Perm()),
		Uid:     f.UID,
		Gid:     f.GID,
		ModTime: time.Unix(1_700_000_000, 0),
		Format:  tar.FormatGNU, // the one that takes names of any bytes
	}
	for bit, mode := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if f.Mode&bit != 0 {
			hdr.Mode |= mode
		}
	}
	switch t := f.Mode.Type(); {
	case f.HardLink != "":
		hdr.Typeflag, hdr.Linkname = tar.TypeLink, f.HardLink
	case t == fs.ModeDir:
		hdr.Typeflag = tar.TypeDir
		hdr.Name += "/"
	case t == fs.ModeSymlink:
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, f.Content
	case t == fs.ModeDevice|fs.ModeCharDevice:
		hdr.Typeflag, hdr.Devmajor, hdr.Devminor = tar.TypeChar, f.Major, f.Minor
	case t == fs.ModeDevice:
		hdr.Typeflag, hdr.Devmajor, hdr.Devminor = tar.TypeBlock, f.Major, f.Minor
	case t == fs.ModeNamedPipe:
		hdr.Typeflag = tar.TypeFifo
	case t == 0:
		hdr.Typeflag, hdr.Size = tar.TypeReg, int64(len(f.Content))
	default:
		panic(fmt.Sprintf("a layer cannot hold %q of type %v", name, t))
	}
	if len(f.Xattrs) > 0 {
		hdr.Format, hdr.PAXRecords = tar.FormatPAX, map[string]string{}
		for key, value := range f.Xattrs {
			hdr.PAXRecords["SCHILY.xattr."+key] = value
		}
	}
	return hdr
}

// must is for what fails only by a mistake in a test's own data.
func must(args ...any) {
	if err, ok := args[len(args)-1].(error); ok {
		panic(err)
	}
}

// Blobs are an image's blobs by digest.
type Blobs map[digest.Digest][]byte

// Add puts a blob in and describes it.
func (b Blobs) Add(mediaType string, content []byte) imgspecv1.Descriptor {
	d := digest.FromBytes(content)
	b[d] = content
	return imgspecv1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

// AddJSON puts a document in and describes it.
func (b Blobs) AddJSON(mediaType string, v any) imgspecv1.Descriptor {
	data, err := json.Marshal(v)
	must(err)
	return b.Add(mediaType, data)
}

// OpenBlob implements [image.BlobSource].
func (b Blobs) OpenBlob(_ context.Context, d imgspecv1.Descriptor) (io.ReadCloser, error) {
	content, ok := b[d.Digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Manifest puts an image in and describes its manifest. The configuration's
// diff IDs are set here.
func (b Blobs) Manifest(config imgspecv1.Image, layers ...Files) imgspecv1.Descriptor {
	m := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest}
	config.RootFS = imgspecv1.RootFS{Type: "layers"}
	for _, files := range layers {
		desc := b.Add(imgspecv1.MediaTypeImageLayer, files.Tar())
		m.Layers = append(m.Layers, desc)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, desc.Digest)
	}
	m.Config = b.AddJSON(imgspecv1.MediaTypeImageConfig, config)
	return b.AddJSON(m.MediaType, m)
}

// New makes an image of the given layers, lowest first. Its location is
// "fake:image".
func New(t testing.TB, config imgspecv1.Image, layers ...Files) image.Image {
	t.Helper()
	blobs := Blobs{}
	img, err := image.OpenManifest(t.Context(), "fake:image", blobs, blobs.Manifest(config, layers...),
		image.LayerOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return img
}
