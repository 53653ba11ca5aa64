package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// file is a kernel image or UKI being read by offset. Reading beyond its end
// is a *FormatError.
type file struct {
	r io.ReaderAt
}

// read returns the n bytes at off; what says what they are.
func (f file) read(off int64, n int, what string) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.r.ReadAt(b, off)
	if got == n {
		return b, nil
	}
	if errors.Is(err, io.EOF) {
		return nil, &FormatError{Offset: off, Reason: "truncated: the file ends in " + what}
	}
	return nil, fmt.Errorf("reading %s: %w", what, err)
}

// section is a section of a PE file.
type section struct {
	name string
	// off and size are where the content is in the file; size leaves out the
	// padding to the file's alignment.
	off, size int64
}

// peFile is a Portable Executable, the format of EFI programs: UKIs, and kernel
// images with an EFI stub.
type peFile struct {
	machine  uint16
	sections []section
}

// readPE reads the headers of the PE file that f is and makes sure that its
// sections are inside the file. debug/pe is not used because it is, by its own
// documentation, not made for hostile files
// (https://learn.microsoft.com/en-us/windows/win32/debug/pe-format).
func readPE(f file) (*peFile, error) {
	dos, err := f.read(0, 64, "the DOS header")
	if err != nil {
		return nil, err
	}
	if string(dos[:2]) != "MZ" {
		return nil, &FormatError{Offset: 0, Reason: "no EFI program: no MZ magic number"}
	}
	off := int64(binary.LittleEndian.Uint32(dos[60:]))
	h, err := f.read(off, 24, "the PE header")
	if err != nil {
		return nil, err
	}
	if string(h[:4]) != "PE\x00\x00" {
		return nil, &FormatError{Offset: off, Reason: "no EFI program: no PE signature"}
	}
	p := &peFile{machine: binary.LittleEndian.Uint16(h[4:])}
	count := int(binary.LittleEndian.Uint16(h[6:]))
	optional, err := f.read(off+24, int(binary.LittleEndian.Uint16(h[20:])), "the optional header")
	if err != nil {
		return nil, err
	}
	if err := checkSignature(f, optional); err != nil {
		return nil, err
	}
	off += 24 + int64(len(optional))
	table, err := f.read(off, count*40, "the section table")
	if err != nil {
		return nil, err
	}
	for i := range count {
		h := table[i*40:][:40]
		name, _, _ := strings.Cut(string(h[:8]), "\x00")
		virtual, raw := int64(binary.LittleEndian.Uint32(h[8:])), int64(binary.LittleEndian.Uint32(h[16:]))
		s := section{name: name, off: int64(binary.LittleEndian.Uint32(h[20:])), size: min(virtual, raw)}
		if s.off == 0 {
			s.size = 0 // memory alone, whatever the raw size says
		} else if raw > 0 {
			if _, err := f.read(s.off+raw-1, 1, fmt.Sprintf("section %q", name)); err != nil {
				return nil, err
			}
		}
		p.sections = append(p.sections, s)
	}
	return p, nil
}

// checkSignature makes sure that the certificate table, which is behind all
// sections, is inside the file. Its entry in the data directory has a file
// offset where the others have addresses.
func checkSignature(f file, optional []byte) error {
	const certificates = 4 // index in the data directory
	dir := 96              // PE32
	if len(optional) >= 2 && binary.LittleEndian.Uint16(optional) == 0x20b {
		dir = 112 // PE32+
	}
	entry := dir + certificates*8
	if len(optional) < entry+8 || binary.LittleEndian.Uint32(optional[dir-4:]) <= certificates {
		return nil
	}
	off, size := int64(binary.LittleEndian.Uint32(optional[entry:])), int64(binary.LittleEndian.Uint32(optional[entry+4:]))
	if off == 0 || size == 0 {
		return nil
	}
	_, err := f.read(off+size-1, 1, "the signature")
	return err
}

// architecture is the machine by its Go name, or "" if it is unknown here.
func (p *peFile) architecture() string {
	switch p.machine {
	case 0x014c:
		return "386"
	case 0x8664:
		return "amd64"
	case 0x01c0, 0x01c2, 0x01c4:
		return "arm"
	case 0xaa64:
		return "arm64"
	case 0x5064:
		return "riscv64"
	case 0x6264:
		return "loong64"
	}
	return ""
}
