package disk

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// streamer writes a root file system as a tar archive, in the order and the
// form that both of its readers want: directories before what is in them, a
// hard link after the file that it is another name of.
type streamer struct {
	root image.Root
	out  *tar.Writer
	// rename returns the name that a file gets, and false for one that is left
	// out, with what is below it. nil keeps all.
	rename func(name string, fi fs.FileInfo) (string, bool)
	// acls translates access control lists into what ext4 has on disk, because
	// the ext4 writer stores attributes as they come.
	acls bool
	// refuse looks at every file; its error ends the stream. nil refuses none.
	refuse func(name string, fi fs.FileInfo) error

	first map[uint64]string // the first name of a file with several
	// skipped counts what no tar archive can hold.
	skipped int
}

// copyTo streams the whole root to w.
func (s *streamer) copyTo(ctx context.Context, w io.Writer) error {
	s.out, s.first = tar.NewWriter(w), map[uint64]string{}
	fi, err := s.root.Lstat(".")
	if err != nil {
		return fmt.Errorf("reading root file system: %w", err)
	}
	if err := s.entry(ctx, ".", fi); err != nil {
		return err
	}
	return s.out.Close()
}

func (s *streamer) entry(ctx context.Context, name string, fi fs.FileInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	as, keep := name, true
	if s.rename != nil {
		as, keep = s.rename(name, fi)
	}
	if !keep {
		return nil
	}
	if s.refuse != nil {
		if err := s.refuse(name, fi); err != nil {
			return err
		}
	}
	if err := s.write(name, as, fi); err != nil {
		return fmt.Errorf("copying %q: %w", "/"+strings.TrimPrefix(name, "."), err)
	}
	if !fi.IsDir() {
		return nil
	}
	entries, err := s.root.ReadDir(name)
	if err != nil {
		return fmt.Errorf("reading root file system: %w", err)
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			return fmt.Errorf("reading root file system: %w", err)
		}
		if err := s.entry(ctx, path.Join(name, e.Name()), fi); err != nil {
			return err
		}
	}
	return nil
}

func (s *streamer) write(name, as string, fi fs.FileInfo) error {
	st := image.StatOf(fi)
	h := &tar.Header{
		Name: as, Mode: int64(st.Mode), Uid: st.UID, Gid: st.GID, Format: tar.FormatPAX,
		ModTime: fi.ModTime(), AccessTime: fi.ModTime(), ChangeTime: fi.ModTime(),
	}
	if !fi.IsDir() && st.Nlink > 1 {
		if first, again := s.first[st.Inode]; again {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return s.out.WriteHeader(h)
		}
		s.first[st.Inode] = as
	}
	switch fi.Mode().Type() {
	case 0:
		h.Typeflag, h.Size = tar.TypeReg, fi.Size()
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, as+"/"
	case fs.ModeSymlink:
		target, err := s.root.ReadLink(name)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		h.Typeflag = tar.TypeBlock
		if fi.Mode()&fs.ModeCharDevice != 0 {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(st.DevMajor), int64(st.DevMinor)
	case fs.ModeNamedPipe:
		h.Typeflag = tar.TypeFifo
	default:
		// A socket is nothing without the process that made it.
		s.skipped++
		delete(s.first, st.Inode)
		return nil
	}
	if err := s.addXattrs(h, name); err != nil {
		return err
	}
	if err := s.out.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg || h.Size == 0 {
		return nil
	}
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(s.out, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		err = fmt.Errorf("it ends after %d of %d bytes: %w", n, h.Size, io.ErrUnexpectedEOF)
	}
	return err
}

func (s *streamer) addXattrs(h *tar.Header, name string) error {
	attrs, err := s.root.Xattrs(name)
	if err != nil {
		return err
	}
	for key, value := range attrs {
		// What the overlay of a container store keeps for itself is no part of
		// the image.
		if strings.HasPrefix(key, "trusted.overlay.") {
			continue
		}
		if s.acls && (key == aclAccess || key == aclDefault) {
			if value, err = diskACL(value); err != nil {
				return fmt.Errorf("attribute %q: %w", key, err)
			}
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+key] = string(value)
	}
	return nil
}

// amount is what a root file system takes.
type amount struct {
	bytes int64 // in blocks of ext4
	files int64
}

// measure adds up what rename, as in streamer, keeps.
func measure(ctx context.Context, root image.Root, rename func(string, fs.FileInfo) (string, bool)) (amount, error) {
	var sum amount
	seen := map[uint64]bool{}
	var visit func(name string, fi fs.FileInfo) error
	visit = func(name string, fi fs.FileInfo) error {
		if rename != nil {
			if _, keep := rename(name, fi); !keep {
				return nil
			}
		}
		st := image.StatOf(fi)
		if !fi.IsDir() && st.Nlink > 1 {
			if seen[st.Inode] {
				return nil
			}
			seen[st.Inode] = true
		}
		sum.files++
		if !fi.IsDir() {
			if fi.Mode().IsRegular() {
				sum.bytes += (fi.Size() + blockSize - 1) / blockSize * blockSize
			}
			return nil
		}
		entries, err := root.ReadDir(name)
		if err != nil {
			return err
		}
		var names int64
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			names += int64(len(e.Name())) + dirEntrySize
			if err := visit(path.Join(name, e.Name()), fi); err != nil {
				return err
			}
		}
		sum.bytes += (names/blockSize + 1) * blockSize
		return nil
	}
	fi, err := root.Lstat(".")
	if err == nil {
		err = visit(".", fi)
	}
	if err != nil {
		return amount{}, fmt.Errorf("reading root file system: %w", err)
	}
	return sum, nil
}
