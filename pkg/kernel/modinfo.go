package kernel

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
)

// ModuleInfo is what the file of a kernel module says of the kernel that it is
// for.
type ModuleInfo struct {
	// Release is that of the kernel the module was made for: the first word of
	// its version magic. "" where it has none.
	Release string
	// Options are the other words of the version magic, such as "SMP preempt
	// mod_unload modversions". A kernel takes no module with other ones.
	Options string
	// Checksums says that the module lists the checksums of the symbols it
	// uses (CONFIG_MODVERSIONS). A kernel that has them too compares those
	// instead of the release: same_magic in kernel/module/version.c.
	Checksums bool
}

const (
	// vermagic is the key in section .modinfo, whose entries end in NUL.
	vermagic = "vermagic="
	// maxVermagic is the longest version magic; real ones have 60 bytes.
	maxVermagic = 256
)

// checksumSections are the sections of the checksums. Their names are in the
// table of section names, where each ends in NUL.
var checksumSections = [][]byte{[]byte("__versions\x00"), []byte("__version_ext_crcs\x00")}

// ReadModuleInfo reads the module in r to its end, compressed as modprobe can
// read it, or not. A file that is no module, or a damaged one, is a
// *FormatError; ctx's error and r's own are returned wrapped.
//
// It looks for the texts in the file instead of following the ELF headers to
// them, so that a compressed module needs no memory of its own size.
func ReadModuleInfo(ctx context.Context, r io.Reader) (*ModuleInfo, error) {
	src := newSource(ctx, r)
	info, err := readModuleInfo(src)
	if cause := src.failure(); cause != nil {
		return nil, fmt.Errorf("reading kernel module: %w", cause)
	}
	return info, err
}

func readModuleInfo(src *source) (*ModuleInfo, error) {
	const elfMagic = "\x7fELF"
	plain := src.Reader
	if head, err := src.Peek(len(elfMagic)); err != nil || string(head) != elfMagic {
		s, err := openStream(src)
		if err != nil {
			return nil, &FormatError{Reason: "no kernel module", Err: err}
		}
		defer s.Close()
		plain = bufio.NewReaderSize(s, 64<<10)
		if head, err := plain.Peek(len(elfMagic)); err != nil && err != io.EOF {
			return nil, &FormatError{Reason: "unpacking the module", Err: err}
		} else if string(head) != elfMagic {
			return nil, &FormatError{Reason: fmt.Sprintf("no kernel module: unpacked it begins with % x", head)}
		}
	}
	limited := &io.LimitedReader{R: plain, N: maxUnpackedKernel}
	info, err := scanModule(limited)
	if err != nil {
		return nil, &FormatError{Offset: src.offset(), Reason: "reading the module", Err: err}
	}
	if limited.N == 0 {
		return nil, &FormatError{Reason: fmt.Sprintf("module of more than %d bytes", maxUnpackedKernel-1), Err: ErrLimit}
	}
	return info, nil
}

// scanModule reads an unpacked module.
func scanModule(r io.Reader) (*ModuleInfo, error) {
	info := &ModuleInfo{}
	// What may be a part of a text at the end of buf is looked at again with
	// what follows.
	const keep = len(vermagic) + maxVermagic
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if info.Release == "" {
			info.findVermagic(buf)
		}
		for _, name := range checksumSections {
			info.Checksums = info.Checksums || bytes.Contains(buf, name)
		}
		if err == io.EOF {
			return info, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) > keep {
			buf = buf[:copy(buf, buf[len(buf)-keep:])]
		}
	}
}

func (m *ModuleInfo) findVermagic(b []byte) {
	for {
		_, after, found := bytes.Cut(b, []byte(vermagic))
		if !found {
			return
		}
		text, _, ended := bytes.Cut(after[:min(len(after), maxVermagic)], []byte{0})
		release, options, _ := bytes.Cut(text, []byte(" "))
		if ended && isRelease(release) {
			m.Release, m.Options = string(release), string(bytes.TrimSpace(options))
			return
		}
		b = after
	}
}
