package kernel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Initramfs is the content of an initramfs image as the kernel unpacks it.
type Initramfs struct {
	// Archives are the segments of the image in their order.
	Archives []Archive
	// Entries is the merged view of all archives, by clean path relative to
	// the root ("usr/bin/sh"; the root itself is "."). It is what the kernel's
	// root file system would hold: later entries replace earlier ones, and an
	// entry below a symbolic link is filed where the link leads.
	Entries map[string]Entry
	// Dropped are the entries, by clean path in archive order, that the kernel
	// skips without a word, and that are not in Entries: those in a folder
	// that no earlier entry made, or in place of a folder that is not empty.
	Dropped []string
}

// Archive is one segment of an initramfs image: one uncompressed cpio archive,
// or one compressed stream, which holds one cpio archive or more.
type Archive struct {
	// Offset is where the segment starts in the image, in bytes.
	Offset int64
	// Size is its length in the image, without NUL padding behind it.
	Size int64
	// Compression is "none", "gzip", "bzip2", "lzma", "xz", "zstd" or "lz4".
	Compression string
	// Entries counts its cpio entries, trailers aside.
	Entries int
	// Unpacked is its length once decompressed, in bytes; for "none" it is Size.
	Unpacked int64
	// Unsupported says why no kernel can read this segment although it decodes
	// here, such as "lz4 frame format; the kernel reads the legacy format
	// only"; "" for one that the kernel can read.
	Unsupported string
}

// Entry is one file of an initramfs.
type Entry struct {
	// Name is the clean path relative to the root: no leading slash, no "..".
	Name string
	// Mode has the type and the permissions.
	Mode fs.FileMode
	// Size is the length of the content in bytes; 0 for all but regular files.
	Size int64
	// Link is the target of a symbolic link, as written.
	Link string
	// Content is the content of a regular file of at most 64 KiB that is no
	// kernel module, or that ReadOptions.Keep asked for; nil for others. It is
	// shared between hard links: do not change it.
	Content []byte
}

// ReadOptions bound and direct ReadInitramfs. The zero value is the default.
type ReadOptions struct {
	// MaxUnpacked is the largest sum of unpacked bytes; 0 means 4 GiB.
	MaxUnpacked int64
	// MaxEntries is the largest number of cpio entries, trailers and repeated
	// names included; 0 means 1,000,000.
	MaxEntries int
	// MaxKept is the largest number of bytes of names, link targets and
	// contents held in memory; 0 means 256 MiB.
	MaxKept int64
	// Keep says of which regular files the content is wanted whatever their
	// size, by clean name. It is called once an entry; nil keeps no more than
	// the small ones (see Entry.Content).
	Keep func(name string) bool
}

// InitramfsError says that an initramfs image cannot be unpacked to its end.
type InitramfsError struct {
	// Offset is where in the image the problem is, in bytes; in a compressed
	// segment it is where the segment starts.
	Offset int64
	// Archive is the index of the segment, counted from 0.
	Archive int
	// Unpacked is how many bytes of a compressed segment had been unpacked
	// before the problem; 0 in an uncompressed one.
	Unpacked int64
	// Entry is the name of the cpio entry being read; "" between entries.
	Entry string
	// Reason is a phrase such as "truncated" or "trailing garbage".
	Reason string
	// Err is the cause, such as the decompressor's error; nil where Reason
	// says all. It matches [errors.ErrUnsupported] for a format that the kernel
	// may be able to read and this package is not, and [ErrLimit] for an image
	// that is larger than the options allow.
	Err error
}

// ErrLimit is the cause of the error for an initramfs that exceeds a limit of
// [ReadOptions].
var ErrLimit = errors.New("limit exceeded")

// Error gives the place, the reason and the cause.
func (e *InitramfsError) Error() string {
	s := fmt.Sprintf("archive %d at offset %d", e.Archive, e.Offset)
	if e.Unpacked > 0 {
		s += fmt.Sprintf(", %d bytes unpacked", e.Unpacked)
	}
	if e.Entry != "" {
		s += fmt.Sprintf(", entry %q", e.Entry)
	}
	s += ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *InitramfsError) Unwrap() error { return e.Err }

// ReadInitramfs unpacks the initramfs image in r to its end, in one pass, and
// returns what is in it. An image that is truncated, corrupt, empty, followed
// by garbage or larger than the limits of o is an *InitramfsError; ctx's error
// and r's own are returned wrapped.
//
// The format is that of the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst and of
// init/initramfs.c: cpio archives in "newc" or "crc" format, each of them
// plain or compressed, with NULs between them.
func ReadInitramfs(ctx context.Context, r io.Reader, o ReadOptions) (*Initramfs, error) {
	if o.MaxUnpacked == 0 {
		o.MaxUnpacked = 4 << 30
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 1_000_000
	}
	if o.MaxKept == 0 {
		o.MaxKept = 256 << 20
	}
	u := &unpacker{ctx: ctx, src: newSource(ctx, r), tree: newRootfs(&o), left: o.MaxUnpacked}
	if err := u.unpack(); err != nil {
		if cause := u.src.failure(); cause != nil {
			return nil, fmt.Errorf("reading initramfs: %w", cause)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reading initramfs: %w", ctx.Err())
		}
		return nil, err
	}
	return &Initramfs{Archives: u.archives, Entries: u.tree.entries(), Dropped: u.tree.dropped}, nil
}

// unpacker reads the segments of an image.
type unpacker struct {
	ctx      context.Context
	src      *source
	tree     *rootfs
	left     int64 // of ReadOptions.MaxUnpacked
	archives []Archive
}

func (u *unpacker) unpack() error {
	for {
		gap := &cpioReader{ctx: u.ctx, br: u.src.Reader, left: &u.left}
		more, err := gap.skipNULs()
		if err != nil {
			return u.fail(&InitramfsError{Offset: u.src.offset()}, err)
		}
		if !more {
			break
		}
		if err := u.segment(); err != nil {
			return err
		}
	}
	if len(u.archives) == 0 {
		return u.fail(&InitramfsError{Offset: u.src.offset()}, formatError("empty: no cpio archive"))
	}
	return nil
}

// segment reads one segment. It follows unpack_to_rootfs in init/initramfs.c.
func (u *unpacker) segment() error {
	a := Archive{Offset: u.src.offset(), Compression: "none"}
	u.tree.archive = &a
	r := &cpioReader{ctx: u.ctx, br: u.src.Reader, left: &u.left}
	head, err := u.src.Peek(1)
	if err != nil {
		return u.fail(&InitramfsError{Offset: a.Offset}, err)
	}
	if head[0] == '0' {
		if err := r.archive(u.tree); err != nil {
			return u.fail(&InitramfsError{Offset: a.Offset + r.off, Entry: r.name}, err)
		}
	} else {
		s, err := openStream(u.src)
		if err != nil {
			return u.fail(&InitramfsError{Offset: a.Offset}, err)
		}
		defer s.Close()
		a.Compression = s.name
		r.br = bufio.NewReaderSize(s, 256<<10)
		if err := r.archives(u.tree); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) && s.err == io.EOF && u.follows() {
				// Parallel compressors such as pbzip2 and pzstd do that.
				err = formatError("the cpio archive goes on behind the end of its " + s.name + " stream, where the kernel stops")
			}
			return u.fail(&InitramfsError{Offset: a.Offset, Unpacked: r.off, Entry: r.name}, err)
		}
		a.Unsupported = s.refused
	}
	a.Size, a.Unpacked = u.src.offset()-a.Offset, r.off
	// The kernel finds a plain archive at a multiple of four bytes only, and
	// wants what follows one to begin there too.
	plain := a.Compression == "none" || len(u.archives) > 0 && u.archives[len(u.archives)-1].Compression == "none"
	if plain && a.Offset&3 != 0 {
		a.Unsupported = "begins at an offset that is no multiple of four"
	}
	u.archives = append(u.archives, a)
	return nil
}

// follows reports whether anything follows what was read.
func (u *unpacker) follows() bool {
	_, err := u.src.Peek(1)
	return err == nil
}

// fail completes e, which says where, with what err says of the reason.
func (u *unpacker) fail(e *InitramfsError, err error) error {
	e.Archive = len(u.archives)
	var reason formatError
	switch {
	case errors.As(err, &reason):
		e.Reason = string(reason)
		return e
	case errors.Is(err, errMagic) && e.Archive > 0:
		e.Reason = "trailing garbage"
	case errors.Is(err, errMagic):
		e.Reason = "no initramfs"
	case errors.Is(err, ErrLimit):
		e.Reason = "too large"
	case errors.Is(err, errors.ErrUnsupported):
		e.Reason = "cannot be read here"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason = "truncated"
	default:
		e.Reason = "corrupt"
	}
	e.Err = err
	return e
}
