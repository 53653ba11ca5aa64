package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/Microsoft/hcsshim/ext4/tar2ext4"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/image"
)

const (
	blockSize    = 4096
	inodeSize    = 256
	dirEntrySize = 12 // of a directory entry without its name, rounded up
	// journalSize is the least that mke2fs makes for a file system of this size.
	journalSize = 16 << 20
	mebibyte    = 1 << 20
)

// rootUUID is that of every disk made here. Being known it needs no reading
// back, and being always the same it makes no difference between two boots; a
// guest sees no other disk of ours.
const rootUUID = "b0073114-0000-4000-8000-000000000001"

// rootLabel is the label of the file system.
const rootLabel = "bootkiln-root"

// makeExt4 writes root, as rename has it, into the new file name: an ext4 file
// system that has free bytes left. It needs no privileges.
//
// The content goes through in one pass, as a tar stream into the writer, which
// makes a file system without room, without a journal, and marked as never to
// be written; e2fsprogs changes that in place.
func makeExt4(ctx context.Context, root image.Root, name string, free int64, s *streamer) (err error) {
	sum, err := measure(ctx, root, s.rename)
	if err != nil {
		return err
	}
	// Every inode may have a block of attributes.
	content := sum.bytes + sum.files*inodeSize*5/4 + 4*mebibyte
	size := (content + content/50 + free + 2*journalSize) / mebibyte * mebibyte
	space, err := checkSpace(filepath.Dir(name), content+journalSize)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	defer func() {
		if err != nil {
			err = space.explain(errors.Join(err, os.Remove(name)))
		}
	}()
	if err := writeExt4(ctx, f, size, s); err != nil {
		return errors.Join(err, f.Close())
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	return finishExt4(ctx, name, max(size, (end+free+journalSize+mebibyte)/mebibyte*mebibyte))
}

// writeExt4 runs the two halves of the pipe, and returns when both are done.
func writeExt4(ctx context.Context, f *os.File, size int64, s *streamer) error {
	s.acls = true
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.copyTo(ctx, w)
		w.CloseWithError(err) // nil is the end of the archive
		done <- err
	}()
	sparse := &sparseFile{f: f}
	err := tar2ext4.ConvertTarToExt4(r, sparse, tar2ext4.MaximumDiskSize(size))
	if err == nil {
		// What follows the end of the archive is padding; the other half waits
		// until somebody took it.
		_, err = io.Copy(io.Discard, r)
	}
	r.CloseWithError(err)
	if sent := <-done; sent != nil && !errors.Is(sent, io.ErrClosedPipe) && (err == nil || errors.Is(err, sent)) {
		return sent
	}
	if err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	return sparse.finish()
}

// finishExt4 makes of what the writer left a file system like any other.
func finishExt4(ctx context.Context, name string, size int64) error {
	if err := os.Truncate(name, size); err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	for _, args := range [][]string{
		// The writer leaves padding of a bitmap clear, which e2fsck -p mends
		// and resize2fs minds.
		{"e2fsck", "-fp", name},
		{"resize2fs", name, strconv.FormatInt(size/blockSize, 10)},
		// What mke2fs gives a new file system, and verity, with which ostree
		// and composefs seal what they mount. Checksums would rewrite it all.
		{
			"tune2fs", "-O", "^read-only,dir_index,dir_nlink,has_journal,verity", "-J", "size=" + strconv.Itoa(journalSize/mebibyte),
			"-U", rootUUID, "-L", rootLabel, "-c", "0", "-i", "0", "-e", "remount-ro", name,
		},
		{"e2fsck", "-fp", name},
	} {
		if _, err := run(ctx, nil, args...); err != nil {
			// e2fsck's 1 says that all errors were corrected.
			if failed := (*commandError)(nil); args[0] == "e2fsck" && errors.As(err, &failed) && failed.status == 1 {
				continue
			}
			return fmt.Errorf("making a disk: %w", err)
		}
	}
	return nil
}

// sparseFile leaves out the blocks of a file that are all zeros.
type sparseFile struct {
	f   *os.File
	at  int64
	end int64 // of what was written, holes included
}

var zeros [blockSize]byte

// Write implements [io.Writer].
func (s *sparseFile) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		// Runs of blocks of one kind go out in one call. Only whole blocks of
		// the file can be holes.
		n, hole := nextRun(b, s.at)
		if !hole {
			if _, err := s.f.WriteAt(b[:n], s.at); err != nil {
				return written, err
			}
		} else if s.at < s.end {
			// What was there is overwritten, even with zeros.
			if _, err := s.f.WriteAt(b[:n], s.at); err != nil {
				return written, err
			}
		}
		s.at += int64(n)
		s.end = max(s.end, s.at)
		b, written = b[n:], written+n
	}
	return written, nil
}

// nextRun returns how many bytes at the beginning of b, which goes to offset
// at, are alike: a hole, or data.
func nextRun(b []byte, at int64) (n int, hole bool) {
	for n < len(b) {
		step := min(blockSize-int(at+int64(n))%blockSize, len(b)-n)
		empty := step == blockSize && bytes.Equal(b[n:n+step], zeros[:])
		if n > 0 && empty != hole {
			return n, hole
		}
		hole = empty
		n += step
	}
	return n, hole
}

// Read implements [io.Reader].
func (s *sparseFile) Read(b []byte) (int, error) {
	n, err := s.f.ReadAt(b[:min(int64(len(b)), max(0, s.end-s.at))], s.at)
	if n == 0 && len(b) > 0 && s.at >= s.end {
		return 0, io.EOF
	}
	if errors.Is(err, io.EOF) && n < len(b) {
		// A hole at the end that no write has passed yet.
		clear(b[n:])
		n, err = int(min(int64(len(b)), s.end-s.at)), nil
	}
	s.at += int64(n)
	return n, err
}

// Seek implements [io.Seeker].
func (s *sparseFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.end
	}
	if offset < 0 {
		return s.at, fs.ErrInvalid
	}
	s.at = offset
	return offset, nil
}

// finish gives the file its length, which a hole at its end has not.
func (s *sparseFile) finish() error {
	if err := s.f.Truncate(s.end); err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	return nil
}

// isFull reports whether an error says that a file system has no space left.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
