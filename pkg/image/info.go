package image

import (
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// attrs is what an inode says of a file, whichever kind of Root it is in.
type attrs struct {
	mode  fs.FileMode
	size  int64
	mtime time.Time
	stat  Stat
}

// fileInfo is the fs.FileInfo of every Root.
type fileInfo struct {
	name string
	attrs
}

func (fi *fileInfo) Name() string       { return fi.name }
func (fi *fileInfo) Size() int64        { return fi.size }
func (fi *fileInfo) Mode() fs.FileMode  { return fi.mode }
func (fi *fileInfo) ModTime() time.Time { return fi.mtime }
func (fi *fileInfo) IsDir() bool        { return fi.mode.IsDir() }
func (fi *fileInfo) Sys() any           { return &fi.stat }

// permBits translates the permission bits of fs.FileMode to those of stat(2).
func permBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}

// fileMode translates st_mode of stat(2).
func fileMode(st uint32) fs.FileMode {
	m := fs.FileMode(st & 0o777)
	switch st & syscall.S_IFMT {
	case syscall.S_IFDIR:
		m |= fs.ModeDir
	case syscall.S_IFLNK:
		m |= fs.ModeSymlink
	case syscall.S_IFBLK:
		m |= fs.ModeDevice
	case syscall.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case syscall.S_IFIFO:
		m |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		m |= fs.ModeSocket
	}
	if st&syscall.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if st&syscall.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if st&syscall.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// validName is fs.ValidPath without its demand for UTF-8: names in an image
// are bytes.
func validName(name string) bool {
	if name == "." {
		return true
	}
	for {
		part, rest, more := strings.Cut(name, "/")
		if part == "" || part == "." || part == ".." || strings.IndexByte(part, 0) >= 0 {
			return false
		}
		if !more {
			return true
		}
		name = rest
	}
}

// openDir is an opened directory of any Root.
type openDir struct {
	info    *fileInfo
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: syscall.EISDIR}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	out := d.entries[:n:n]
	d.entries = d.entries[n:]
	return out, nil
}
