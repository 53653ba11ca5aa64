package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Image is what a kernel image, such as /usr/lib/modules/<kver>/vmlinuz, says
// of itself.
type Image struct {
	// Release is the first word of the version string built into the kernel,
	// what "uname -r" prints once it runs ("6.12.0-55.el10.x86_64"). It is
	// never empty.
	Release string
	// Architecture is the name that Go and OCI image configurations use:
	// "amd64", "386", "arm64", "riscv64", "ppc64le", "s390x", ….
	Architecture string
	// Format names the container of the kernel: "bzImage", "arm64 Image",
	// "riscv64 Image", "s390x bzImage", "EFI zboot" or "ELF". A format that was
	// found inside a gzip file ends in ", gzip".
	Format string
}

// FormatError says that a kernel image or a UKI is not what it should be.
type FormatError struct {
	// Offset is where in the file the problem is, in bytes.
	Offset int64
	// Reason is a phrase such as "truncated: …" or "no kernel image: …".
	Reason string
	// Err is the cause, such as a decompressor's error, or nil.
	Err error
}

// Error gives the offset, the reason and the cause.
func (e *FormatError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("offset %d: %s: %v", e.Offset, e.Reason, e.Err)
	}
	return fmt.Sprintf("offset %d: %s", e.Offset, e.Reason)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// ReadImage reads the kernel image of size bytes in r. What is wrong with the
// image is a *FormatError; any other error is r's own.
//
// Formats: x86 bzImage (Documentation/arch/x86/boot.rst, protocol 2.12 and
// newer), arm64 Image (Documentation/arch/arm64/booting.rst), riscv Image
// (Documentation/arch/riscv/boot-image-header.rst), s390 bzImage
// (arch/s390/boot/head.S), EFI zboot
// (drivers/firmware/efi/libstub/zboot-header.S) and ELF vmlinux; arm64, riscv
// and ELF also inside gzip. Where a format has no field for the release, the
// release is that of the first "Linux version" text in the kernel. Compressed
// kernels are unpacked to their end, so that a damaged one is noticed.
func ReadImage(r io.ReaderAt, size int64) (*Image, error) {
	f := file{io.NewSectionReader(r, 0, size)}
	head := make([]byte, max(0, min(size, s390ParamArea)))
	if n, err := f.r.ReadAt(head, 0); n < len(head) {
		if err == io.EOF {
			return nil, &FormatError{Offset: int64(n), Reason: fmt.Sprintf("truncated: %d bytes instead of %d", n, size)}
		}
		return nil, fmt.Errorf("reading kernel image: %w", err)
	}
	magic := func(off int, m string) bool {
		return len(head) >= off+len(m) && string(head[off:off+len(m)]) == m
	}
	if magic(0, "MZ") {
		// The EFI stub of any kernel; its sections tell whether all of the file
		// is there.
		if _, err := readPE(f); err != nil {
			return nil, err
		}
	}
	switch {
	case magic(0, "MZ") && magic(4, "zimg"):
		return readZboot(f, size)
	case magic(0x1fe, "\x55\xaa") && magic(0x202, "HdrS"):
		return readBzImage(f, size)
	case magic(0x10008, "S390EP"):
		return readS390(f, size)
	}
	if magic(0, "\x1f\x8b") {
		img, err := unpackKernel(io.NewSectionReader(r, 0, size), 0, maxUnpackedKernel)
		if err != nil {
			return nil, err
		}
		img.Format += ", gzip"
		return img, nil
	}
	if magic(0, "\x7fELF") {
		if err := checkELF(f, head); err != nil {
			return nil, err
		}
	}
	img, err := scanKernel(io.NewSectionReader(r, 0, size))
	if format := (*FormatError)(nil); err != nil && !errors.As(err, &format) {
		return nil, fmt.Errorf("reading kernel image: %w", err)
	}
	return img, err
}

// readBzImage reads the header that x86 kernels have behind their boot sector.
func readBzImage(f file, size int64) (*Image, error) {
	h, err := f.read(0, 0x250, "the setup header")
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if v := le.Uint16(h[0x206:]); v < 0x020c {
		return nil, &FormatError{Offset: 0x206, Reason: fmt.Sprintf("boot protocol %d.%d is older than 2.12 (Linux 3.8)", v>>8, v&0xff)}
	}
	sectors := int64(h[0x1f1])
	if sectors == 0 {
		sectors = 4
	}
	// The boot sector is not counted in sectors. syssize counts paragraphs.
	setup := (sectors + 1) * 512
	need := setup + int64(le.Uint32(h[0x1f4:]))*16
	payload := setup + int64(le.Uint32(h[0x248:])) + int64(le.Uint32(h[0x24c:]))
	if need = max(need, payload); need > size {
		return nil, &FormatError{Offset: size, Reason: fmt.Sprintf("truncated: %d bytes instead of %d", size, need)}
	}
	at := int64(le.Uint16(h[0x20e:]))
	if at == 0 || at >= 0x200*sectors {
		return nil, &FormatError{Offset: 0x20e, Reason: "no version string"}
	}
	release, err := releaseAt(f, at+0x200, size)
	if err != nil {
		return nil, err
	}
	img := &Image{Release: release, Architecture: "386", Format: "bzImage"}
	if le.Uint16(h[0x236:])&1 != 0 { // XLF_KERNEL_64
		img.Architecture = "amd64"
	}
	return img, nil
}

// s390ParamArea is where an s390 kernel has its parameters: PARMAREA in
// arch/s390/include/asm/setup.h. The image is loaded at address 0.
const s390ParamArea = 0x10400

// readS390 reads the pointer to the version that follows five others.
func readS390(f file, size int64) (*Image, error) {
	b, err := f.read(s390ParamArea+5*8, 8, "the parameter area")
	if err != nil {
		return nil, err
	}
	at := binary.BigEndian.Uint64(b)
	if at == 0 || at >= uint64(size) {
		return nil, &FormatError{Offset: s390ParamArea + 5*8, Reason: "no version string"}
	}
	release, err := releaseAt(f, int64(at), size)
	if err != nil {
		return nil, err
	}
	return &Image{Release: release, Architecture: "s390x", Format: "s390x bzImage"}, nil
}

// releaseAt reads the version string at off and returns its first word.
func releaseAt(f file, off, size int64) (string, error) {
	b, err := f.read(off, int(max(0, min(maxRelease+1, size-off))), "the version string")
	if err != nil {
		return "", err
	}
	end := bytes.IndexAny(b, " \x00")
	if end < 0 || !isRelease(b[:end]) {
		return "", &FormatError{Offset: off, Reason: "malformed version string"}
	}
	return string(b[:end]), nil
}

// readZboot reads a kernel that unpacks itself as an EFI program.
func readZboot(f file, size int64) (*Image, error) {
	pe, err := readPE(f)
	if err != nil {
		return nil, err
	}
	h, err := f.read(0, 64, "the zboot header")
	if err != nil {
		return nil, err
	}
	off, n := int64(binary.LittleEndian.Uint32(h[8:])), int64(binary.LittleEndian.Uint32(h[12:]))
	if off < int64(len(h)) || off+n > size {
		return nil, &FormatError{Offset: 8, Reason: fmt.Sprintf("payload of %d bytes at %d is not in the file of %d bytes", n, off, size)}
	}
	img, err := unpackKernel(io.NewSectionReader(f.r, off, n), off, maxUnpackedKernel)
	if err != nil {
		return nil, err
	}
	if arch := pe.architecture(); arch != img.Architecture {
		return nil, &FormatError{Offset: off, Reason: fmt.Sprintf("payload is for %s, its PE header (machine %#x) is not", img.Architecture, pe.machine)}
	}
	img.Format = "EFI zboot"
	return img, nil
}
