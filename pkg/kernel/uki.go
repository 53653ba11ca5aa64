package kernel

import (
	"fmt"
	"io"
	"strings"
)

// UKI is a unified kernel image: an EFI program that carries a kernel, its
// initramfs and its command line in sections of its own
// (https://uapi-group.org/specifications/specs/unified_kernel_image/).
type UKI struct {
	// Uname is the kernel release of section .uname; "" without one.
	Uname string
	// Cmdline is the kernel command line of section .cmdline, without the
	// NULs and white space around it; "" without one.
	Cmdline string
	// OSRelease is the os-release file of section .osrel; "" without one.
	OSRelease string
	// Architecture is the machine of the PE header by its Go and OCI name.
	Architecture string
	// Linux is the kernel of section .linux; never nil. ReadImage reads it.
	Linux *io.SectionReader
	// Initrd is the initramfs of section .initrd; nil without one.
	Initrd *io.SectionReader
	// Ucode is the microcode archive of section .ucode, which the boot stub
	// puts before Initrd; nil without one.
	Ucode *io.SectionReader
}

// maxUKIText bounds the sections that are text, in bytes. The longest command
// line that any architecture takes has 16 KiB.
const maxUKIText = 64 << 10

// ReadUKI reads the unified kernel image in r. A file that is no EFI program,
// has no kernel in a .linux section or ends inside a section is a *FormatError; any other
// error is r's own. Of a multi-profile UKI the sections before the first
// .profile are read, which are those that all profiles share. The section
// readers read from r.
func ReadUKI(r io.ReaderAt) (*UKI, error) {
	f := file{r}
	p, err := readPE(f)
	if err != nil {
		return nil, err
	}
	u := &UKI{Architecture: p.architecture()}
	if u.Architecture == "" {
		return nil, &FormatError{Reason: fmt.Sprintf("unknown machine %#x in the PE header", p.machine)}
	}
	seen := map[string]bool{}
	for _, s := range p.sections {
		if s.name == ".profile" {
			break
		}
		switch s.name {
		case ".linux", ".initrd", ".ucode", ".uname", ".cmdline", ".osrel":
		default:
			continue
		}
		if seen[s.name] {
			return nil, &FormatError{Offset: s.off, Reason: fmt.Sprintf("section %q for the second time", s.name)}
		}
		seen[s.name] = true
		switch s.name {
		case ".linux":
			u.Linux = io.NewSectionReader(r, s.off, s.size)
		case ".initrd":
			u.Initrd = io.NewSectionReader(r, s.off, s.size)
		case ".ucode":
			u.Ucode = io.NewSectionReader(r, s.off, s.size)
		default:
			if s.size > maxUKIText {
				return nil, &FormatError{Offset: s.off, Reason: fmt.Sprintf("section %q of %d bytes", s.name, s.size)}
			}
			b, err := f.read(s.off, int(s.size), "section "+s.name)
			if err != nil {
				return nil, err
			}
			text := strings.TrimRight(string(b), "\x00")
			switch s.name {
			case ".uname":
				u.Uname = strings.TrimSpace(text)
			case ".cmdline":
				u.Cmdline = strings.TrimSpace(text)
			case ".osrel":
				u.OSRelease = text
			}
		}
	}
	if u.Linux == nil || u.Linux.Size() == 0 {
		return nil, &FormatError{Reason: "no unified kernel image: no .linux section with content"}
	}
	return u, nil
}
