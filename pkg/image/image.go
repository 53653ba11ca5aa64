// Package image is the hub of bootkiln: what an OS image is, wherever it is
// kept, and what its root file system looks like.
//
// The stages before it make an [Image]; the stages after it read one. An image
// in containers/storage, an OCI layout and a plain folder all present the same
// view.
package image

import (
	"context"
	"io"
	"io/fs"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one image for one platform. It does not change; the methods may be
// called in any order and from several goroutines.
type Image interface {
	// Location returns where the image is, as a containers-transports(5)
	// reference ("containers-storage:[overlay@…]localhost/x:latest", "oci:/path"),
	// or "dir-rootfs:/path" for a bare folder, which is no transport.
	Location() string
	// Config returns the image's configuration. The caller must not change it.
	// A bare folder has none: its configuration is empty but for the operating
	// system, and the architecture is "".
	Config(ctx context.Context) (*imgspecv1.Image, error)
	// Root opens the merged root file system for reading. The caller closes it.
	Root(ctx context.Context) (Root, error)
}

// Root is a read-only view of an image's root file system.
//
// Names follow [fs.FS]: slash-separated, relative, "." for the root itself,
// except that a name need not be valid UTF-8. Open, Stat and ReadDir follow
// symbolic links the way a process that was chrooted into the image would:
// absolute targets begin at the image's root, ".." stops there, and a chain
// of more than 40 links is [syscall.ELOOP]. Nothing outside is ever reached.
//
// The [fs.FileInfo] values it returns carry a *[Stat] as their Sys. An opened
// regular file is also an [io.ReaderAt] and an [io.Seeker]; devices, FIFOs and
// sockets can be described, but not opened. After Close every method returns
// [fs.ErrClosed]; until then they may be called from several goroutines.
type Root interface {
	fs.FS
	fs.StatFS
	fs.ReadDirFS
	// Lstat describes the named file itself, without following a link at the
	// end of the name; ReadLink returns a link's target.
	fs.ReadLinkFS
	// Xattrs returns the extended attributes of the named file (links are not
	// followed at its end), nil when it has none.
	Xattrs(name string) (map[string][]byte, error)
	io.Closer
}

// Stat is what a file's inode says beyond [fs.FileInfo].
type Stat struct {
	UID, GID int
	// Mode holds the permission bits with setuid, setgid and sticky, as in
	// stat(2)'s st_mode & 07777.
	Mode uint32
	// Inode identifies the file within its Root: two names with the same Inode
	// (and Nlink above 1) are hard links of one file.
	Inode uint64
	Nlink uint64
	// DevMajor and DevMinor are the numbers of a device node, else 0.
	DevMajor, DevMinor uint32
}

// StatOf returns the [Stat] of a FileInfo that came from a [Root]. It panics
// for any other, because that is a mistake in the program.
func StatOf(fi fs.FileInfo) *Stat {
	return fi.Sys().(*Stat)
}

// Pinned is an image in a registry, named by its digest so that no later
// change of a tag can make it another one.
type Pinned struct {
	// Repository is the full name without tag or digest
	// ("ghcr.io/me/centos-kde").
	Repository string `json:"repository"`
	// Digest is that of the manifest's bytes as the registry stores them.
	Digest digest.Digest `json:"digest"`
	// MediaType is the manifest's media type.
	MediaType string `json:"mediaType"`
	// Size is the sum of the compressed layers, in bytes.
	Size int64 `json:"size"`
	// Layers is the number of layers.
	Layers int `json:"layers"`
}

// String returns "repository@digest".
func (p Pinned) String() string { return p.Repository + "@" + p.Digest.String() }
