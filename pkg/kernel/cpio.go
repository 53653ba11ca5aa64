package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// cpioHeader is the header of an entry in a "newc" (070701) or "crc" (070702)
// cpio archive, as Documentation/driver-api/early-userspace/buffer-format.rst
// lays it out.
type cpioHeader struct {
	name  string
	ino   uint32
	mode  uint32 // st_mode
	nlink uint32
	size  int64
	major uint32
	minor uint32
	sum   uint32 // of the content's bytes, if hasSum
	// hasSum tells "crc" from "newc".
	hasSum bool
}

// The file types in cpioHeader.mode.
const (
	modeType   = 0o170000
	modeReg    = 0o100000
	modeLink   = 0o120000
	modeDir    = 0o040000
	modeChar   = 0o020000
	modeBlock  = 0o060000
	modeFIFO   = 0o010000
	modeSocket = 0o140000
)

const (
	cpioHeaderLen = 110
	cpioTrailer   = "TRAILER!!!"
	// maxPath is the kernel's PATH_MAX, the final NUL included.
	maxPath = 4096
)

// A formatError is a reason that is complete in itself; any other error of the
// reader below is the cause of a broken or truncated stream.
type formatError string

func (e formatError) Error() string { return string(e) }

// errNoTrailer says that an archive ends behind a whole entry.
var errNoTrailer = fmt.Errorf("no %s entry: %w", cpioTrailer, io.ErrUnexpectedEOF)

// cpioReader reads the cpio archives of one segment. It is no library because
// none is strict enough: cavaliergopher/cpio takes the end of the file for the
// end of the archive, reads bad numbers as 0, verifies no sum and hides the
// device numbers that identify hard links.
type cpioReader struct {
	ctx context.Context
	br  *bufio.Reader
	// off is how many bytes of the segment were consumed.
	off int64
	// left is how many more may be.
	left *int64
	// name is the entry being read, for errors.
	name string
}

// take accounts for n bytes that are about to be consumed.
func (r *cpioReader) take(n int64) error {
	if n > *r.left {
		return fmt.Errorf("unpacked size: %w", ErrLimit)
	}
	*r.left -= n
	return nil
}

// read fills p.
func (r *cpioReader) read(p []byte) error {
	if err := r.take(int64(len(p))); err != nil {
		return err
	}
	n, err := io.ReadFull(r.br, p)
	r.off += int64(n)
	return unexpectedEOF(err)
}

// copy consumes n bytes in pieces that it passes to each, if that is not nil.
func (r *cpioReader) copy(n int64, each func([]byte)) error {
	if err := r.take(n); err != nil {
		return err
	}
	for n > 0 {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		// What is buffered, or one byte to make the buffer fill.
		p, err := r.br.Peek(int(min(n, int64(max(r.br.Buffered(), 1)))))
		if len(p) == 0 {
			return unexpectedEOF(err)
		}
		if each != nil {
			each(p)
		}
		if _, err := r.br.Discard(len(p)); err != nil {
			return err
		}
		r.off += int64(len(p))
		n -= int64(len(p))
	}
	return nil
}

// pad consumes the padding to the next multiple of four. Its bytes are NUL
// from every known tool, but the kernel does not look, and nor is this one to.
func (r *cpioReader) pad() error { return r.copy(-r.off&3, nil) }

// skipNULs consumes NULs and reports whether anything follows them.
func (r *cpioReader) skipNULs() (bool, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return false, err
		}
		if _, err := r.br.Peek(1); err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, err
		}
		p, err := r.br.Peek(r.br.Buffered())
		if err != nil {
			return false, err
		}
		n := 0
		for n < len(p) && p[n] == 0 {
			n++
		}
		if err := r.copy(int64(n), nil); err != nil {
			return false, err
		}
		if n < len(p) {
			return true, nil
		}
	}
}

// next reads the header and the name of an entry. The caller consumes size
// bytes of content, then pad.
func (r *cpioReader) next() (*cpioHeader, error) {
	r.name = ""
	if _, err := r.br.Peek(1); err == io.EOF {
		return nil, errNoTrailer
	}
	var b [cpioHeaderLen]byte
	if err := r.read(b[:]); err != nil {
		return nil, err
	}
	h := &cpioHeader{}
	switch magic := string(b[:6]); magic {
	case "070701":
	case "070702":
		h.hasSum = true
	default:
		r.off -= cpioHeaderLen // the error is at the header
		if magic == "070707" {
			return nil, formatError(`cpio archive in the old "odc" format; the kernel reads "newc"`)
		}
		return nil, formatError(fmt.Sprintf("no cpio header: magic number %q", magic))
	}
	var v [13]uint32
	for i := range v {
		for _, c := range b[6+8*i : 14+8*i] {
			d, ok := hexDigit(c)
			if !ok {
				r.off -= cpioHeaderLen
				return nil, formatError(fmt.Sprintf("cpio header: field %d is no hexadecimal number: %q", i+1, b[6+8*i:14+8*i]))
			}
			v[i] = v[i]<<4 | uint32(d)
		}
	}
	h.ino, h.mode, h.nlink = v[0], v[1], v[4]
	h.size, h.major, h.minor = int64(v[6]), v[7], v[8]
	h.sum = v[12]
	if n := v[11]; n == 0 || n > maxPath {
		r.off -= cpioHeaderLen
		return nil, formatError(fmt.Sprintf("cpio header: name of %d bytes", n))
	}
	name := make([]byte, v[11])
	if err := r.read(name); err != nil {
		return nil, err
	}
	if name[len(name)-1] != 0 {
		return nil, formatError("cpio name without its final NUL")
	}
	// A name may have more than one NUL: dracut-cpio aligns content with them.
	h.name = cString(name)
	r.name = h.name
	return h, r.pad()
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// cString is the bytes before the first NUL, all of them without one.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// fileMode turns st_mode into its fs.FileMode; ok is false for a type that
// does not exist.
func fileMode(m uint32) (mode fs.FileMode, ok bool) {
	mode = fs.FileMode(m & 0o777)
	for bit, f := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= f
		}
	}
	switch m & modeType {
	case modeReg:
		return mode, true
	case modeDir:
		return mode | fs.ModeDir, true
	case modeLink:
		return mode | fs.ModeSymlink, true
	case modeChar:
		return mode | fs.ModeDevice | fs.ModeCharDevice, true
	case modeBlock:
		return mode | fs.ModeDevice, true
	case modeFIFO:
		return mode | fs.ModeNamedPipe, true
	case modeSocket:
		return mode | fs.ModeSocket, true
	}
	return 0, false
}

// entry reads one entry into t, up to its padding. It reports false for the
// trailer.
func (r *cpioReader) entry(t *rootfs) (bool, error) {
	h, err := r.next()
	if err != nil {
		return false, err
	}
	if t.count++; t.count > t.o.MaxEntries {
		return false, fmt.Errorf("number of entries: %w", ErrLimit)
	}
	if h.name == cpioTrailer {
		if h.size != 0 {
			return false, formatError(fmt.Sprintf("cpio trailer with %d bytes of content", h.size))
		}
		clear(t.links)
		return false, nil
	}
	if err := r.content(h, t); err != nil {
		return false, err
	}
	return true, r.pad()
}

// content reads the content of an entry and files the entry.
func (r *cpioReader) content(h *cpioHeader, t *rootfs) error {
	mode, ok := fileMode(h.mode)
	if !ok {
		return formatError(fmt.Sprintf("cpio header: no such file type: mode %#o", h.mode))
	}
	n := &node{mode: mode}
	switch h.mode & modeType {
	case modeReg:
		return r.regular(h, n, t)
	case modeLink:
		if h.size == 0 || h.size > maxPath {
			break
		}
		target := make([]byte, h.size)
		if err := r.read(target); err != nil {
			return err
		}
		n.link = cString(target)
		_, err := t.put(h, n)
		return err
	default:
		if h.size != 0 {
			break
		}
		_, err := t.put(h, n)
		return err
	}
	// The kernel's do_header skips a link without a target, or with one that
	// is too long, and content where none can be.
	if err := t.drop(h.name); err != nil {
		return err
	}
	return r.copy(h.size, nil)
}

// regular reads the content of a regular file. The node that it is filed as
// may be one that other names share.
func (r *cpioReader) regular(h *cpioHeader, n *node, t *rootfs) error {
	n, err := t.put(h, n)
	if err != nil {
		return err
	}
	var sum uint32
	var content []byte
	keep := n != nil && h.size > 0 && t.keep(h, n)
	if keep {
		if err := t.charge(h.size); err != nil {
			return err
		}
		content = make([]byte, 0, min(h.size, 1<<20))
	}
	err = r.copy(h.size, func(p []byte) {
		if h.hasSum {
			for _, c := range p {
				sum += uint32(c)
			}
		}
		if keep {
			content = append(content, p...)
		}
	})
	if err != nil {
		return err
	}
	if h.hasSum && sum != h.sum {
		return formatError(fmt.Sprintf("wrong checksum: content sums up to %#x, header says %#x", sum, h.sum))
	}
	// Of hard links one name has the content and the others have none.
	if n != nil && h.size > 0 {
		n.size, n.content = h.size, content
	}
	return nil
}

// archives reads the cpio archives of a compressed segment to the segment's
// end, as the kernel's flush_buffer does.
func (r *cpioReader) archives(t *rootfs) error {
	for first := true; ; first = false {
		more, err := r.skipNULs()
		if err != nil {
			return err
		}
		if !more {
			if first {
				return formatError("no cpio archive inside")
			}
			return nil
		}
		if r.off&3 != 0 {
			return formatError("cpio archive that is not aligned to four bytes")
		}
		if err := r.archive(t); err != nil {
			return err
		}
	}
}

// archive reads one cpio archive to its trailer. The kernel's grammar has the
// trailer optional, yet every tool writes it, and an archive without one is an
// archive that was cut between two entries.
func (r *cpioReader) archive(t *rootfs) error {
	for {
		more, err := r.entry(t)
		if err != nil {
			return err
		}
		if !more {
			r.name = ""
			return nil
		}
		t.archive.Entries++
	}
}
