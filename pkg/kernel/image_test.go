package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const linuxBanner = "Linux version 6.12.0-55.el10 (mock@host) (gcc 14) #1 SMP"

func readImage(b []byte) (*Image, error) {
	return ReadImage(bytes.NewReader(b), int64(len(b)))
}

// elf is the start of an ELF file with a version in it.
func elf(class, data byte, machine uint16, text string) []byte {
	b := make([]byte, 64+len(text))
	copy(b, "\x7fELF")
	b[4], b[5] = class, data
	if data == 2 {
		binary.BigEndian.PutUint16(b[18:], machine)
	} else {
		binary.LittleEndian.PutUint16(b[18:], machine)
	}
	copy(b[64:], text)
	return b
}

func s390Image(version string) []byte {
	b := make([]byte, 0x12000)
	copy(b[0x10008:], "S390EP")
	binary.BigEndian.PutUint64(b[0x10428:], 0x11000)
	copy(b[0x11000:], version)
	return b
}

// edit overwrites b at an offset.
func edit(b []byte, at int, with ...byte) []byte {
	copy(b[at:], with)
	return b
}

func TestReadImage(t *testing.T) {
	t.Parallel()
	riscv := make([]byte, 200)
	copy(riscv[48:], "RISCV\x00\x00\x00RSC\x05")
	copy(riscv[100:], linuxBanner)
	decoys := "Linux version %s Linux version (none) Linux version 6.1 without Linux version " + strings.Repeat("6", 70) + " (x "
	tests := []struct {
		name string
		in   []byte
		want Image
	}{
		{"bzImage", bzImage("6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP", 1), Image{"6.1.0-56-amd64", "amd64", "bzImage"}},
		{"bzImage, version alone", bzImage("6.1.0", 0x7f), Image{"6.1.0", "amd64", "bzImage"}},
		{"bzImage, 0 sectors are 4", edit(bzImage("6.1.0 (x)", 1), 0x1f1, 0), Image{"6.1.0", "amd64", "bzImage"}},
		{"bzImage, 32 bit", bzImage("6.1.0-686 (x)", 0), Image{"6.1.0-686", "386", "bzImage"}},
		{"arm64 Image", arm64Image(64, linuxBanner), Image{"6.12.0-55.el10", "arm64", "arm64 Image"}},
		{"arm64 Image, decoys", arm64Image(1000, decoys+linuxBanner), Image{"6.12.0-55.el10", "arm64", "arm64 Image"}},
		{"arm64 Image.gz", encodingNamed("gzip").encode(t, arm64Image(300_000, linuxBanner)), Image{"6.12.0-55.el10", "arm64", "arm64 Image, gzip"}},
		{"riscv64 Image", riscv, Image{"6.12.0-55.el10", "riscv64", "riscv64 Image"}},
		{"s390x", s390Image("6.12.0-55.el10.s390x (mock"), Image{"6.12.0-55.el10.s390x", "s390x", "s390x bzImage"}},
		{"ppc64le", elf(2, 1, 21, linuxBanner), Image{"6.12.0-55.el10", "ppc64le", "ELF"}},
		{"ppc64", elf(2, 2, 21, linuxBanner), Image{"6.12.0-55.el10", "ppc64", "ELF"}},
		{"s390x ELF", elf(2, 2, 22, linuxBanner), Image{"6.12.0-55.el10", "s390x", "ELF"}},
		{"vmlinux", elf(2, 1, 62, linuxBanner), Image{"6.12.0-55.el10", "amd64", "ELF"}},
		{"zboot riscv64", zboot(0x5064, "gzip", encodingNamed("gzip").encode(t, riscv)), Image{"6.12.0-55.el10", "riscv64", "EFI zboot"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := readImage(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, e := range encodings {
		got, err := readImage(zboot(0xaa64, e.name, e.encode(t, arm64Image(3000, linuxBanner))))
		if err != nil {
			t.Fatalf("zboot %s: %v", e.name, err)
		}
		if diff := cmp.Diff(&Image{"6.12.0-55.el10", "arm64", "EFI zboot"}, got); diff != "" {
			t.Errorf("zboot %s: %s", e.name, diff)
		}
	}
}

// The version text may lie across any boundary of what is read at once.
func TestFindBannerAtEveryBoundary(t *testing.T) {
	t.Parallel()
	for at := 64<<10 - 200; at < 64<<10+10; at++ {
		b := append(bytes.Repeat([]byte("L"), at), linuxBanner...)
		got, err := findBanner(bytes.NewReader(b))
		if got != "6.12.0-55.el10" || err != nil {
			t.Fatalf("at %d: %q, %v", at, got, err)
		}
	}
}

func TestReadImageErrors(t *testing.T) {
	t.Parallel()
	good := func() []byte { return bzImage("6.1.0 (x)", 1) }
	signed := peImage(0xaa64, "", peSection{name: ".text", data: linuxBanner})
	copy(signed[56:], "ARM\x64")
	binary.LittleEndian.PutUint32(signed[0x40+24+112+32:], uint32(len(signed)))
	binary.LittleEndian.PutUint32(signed[0x40+24+112+36:], 8)
	gz := encodingNamed("gzip").encode(t, arm64Image(1000, linuxBanner))
	tests := []struct {
		name, want string
		in         []byte
	}{
		{"empty", "offset 0: no kernel image: 0 bytes", nil},
		{"zeros", "offset 0: no kernel image: begins with 00 00 00 00 00 00 00 00", make([]byte, 4096)},
		{"text", "offset 0: no kernel image: begins with 23 21 2f 62 69 6e 2f 73", []byte("#!/bin/sh\n" + strings.Repeat("#", 100))},
		{"old protocol", "offset 518: boot protocol 2.11 is older than 2.12 (Linux 3.8)", edit(good(), 0x206, 0x0b, 0x02)},
		{"no version", "offset 526: no version string", edit(good(), 0x20e, 0, 0)},
		{"version beyond setup", "offset 526: no version string", edit(good(), 0x20e, 0, 8)},
		{"version is no release", "offset 1536: malformed version string", bzImage("../../etc (x)", 1)},
		{"version is not terminated", "offset 1536: malformed version string", bzImage(strings.Repeat("6", 100), 1)},
		{"truncated", "offset 3071: truncated: 3071 bytes instead of 3072", good()[:3071]},
		{"payload beyond the end", "offset 3072: truncated: 3072 bytes instead of 3073", edit(good(), 0x24c, 0x01, 0x02)},
		{"no banner", `offset 0: arm64 Image without a "Linux version " text`, arm64Image(100, "")},
		{"cut signature", "offset 1031: truncated: the file ends in the signature", signed},
		{"cut section", "offset 1023: truncated: the file ends in section \".text\"", peImage(0xaa64, "", peSection{name: ".text", data: linuxBanner})[:1023]},
		{"unknown ELF", "offset 18: ELF file for an unknown machine: 00 00 34 12", elf(2, 1, 0x1234, linuxBanner)},
		{
			"ELF tables", "offset 139: truncated: the file ends in the ELF section headers",
			edit(edit(elf(2, 1, 62, linuxBanner), 40, 76), 58, 64, 0, 1, 0),
		},
		{
			"ELF tables nowhere", "offset 40: ELF section headers beyond the end of any file",
			edit(edit(elf(2, 1, 62, linuxBanner), 40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), 58, 64, 0, 1, 0),
		},
		{"cut gzip", "offset 0: unpacking the compressed kernel: unexpected EOF", gz[:len(gz)-1]},
		{"gzip of text", "offset 0: compressed kernel: no kernel image: begins with 78 78 78 78 78 78 78 78", encodingNamed("gzip").encode(t, bytes.Repeat([]byte("x"), 99))},
		{
			"zboot payload outside", "offset 8: payload of 7 bytes at 1020 is not in the file of 1024 bytes",
			edit(edit(zboot(0xaa64, "gzip", []byte("payload")), 8, 0xfc, 3), 4, []byte("zimg")...),
		},
		{"zboot of nothing known", "offset 516: no compressed kernel: unknown magic number 70 61 79 6c", zboot(0xaa64, "gzip", []byte("payload"))},
		{"zboot lzo", "offset 516: unpacking the compressed kernel: lzo compression: unsupported operation", zboot(0xaa64, "lzo", []byte("\x89LZO\x00\r\n"))},
		{"zboot of another machine", "offset 516: payload is for arm64, its PE header (machine 0x8664) is not", zboot(0x8664, "gzip", gz)},
		{"s390 version outside", "offset 66600: no version string", edit(s390Image("6.1 "), 0x10428, 0xff)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img, err := readImage(tt.in)
			var format *FormatError
			if !errors.As(err, &format) || img != nil {
				t.Fatalf("got %v, %v; want a *FormatError", img, err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

// A compressed kernel that was cut anywhere is noticed, whatever compresses it.
func TestReadImageTruncated(t *testing.T) {
	t.Parallel()
	for _, e := range encodings {
		b := e.encode(t, arm64Image(200, linuxBanner))
		for n := range b {
			if img, err := unpackKernel(bytes.NewReader(b[:n]), 0, 1<<20); err == nil {
				t.Fatalf("%s: the first %d of %d bytes are read as %+v", e.name, n, len(b), img)
			}
		}
	}
}

func TestUnpackKernelLimit(t *testing.T) {
	t.Parallel()
	kernel := arm64Image(200, linuxBanner)
	gz := encodingNamed("gzip").encode(t, kernel)
	if _, err := unpackKernel(bytes.NewReader(gz), 0, int64(len(kernel))+1); err != nil {
		t.Error(err)
	}
	_, err := unpackKernel(bytes.NewReader(gz), 7, int64(len(kernel)))
	if want := "offset 7: unpacking the compressed kernel: more than 1255 bytes: limit exceeded"; err == nil || err.Error() != want || !errors.Is(err, ErrLimit) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

type brokenFile struct{ err error }

func (f brokenFile) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestReadImageFileError(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	_, err := ReadImage(brokenFile{broken}, 4096)
	var format *FormatError
	if !errors.Is(err, broken) || errors.As(err, &format) {
		t.Errorf("got %v; want the file's error", err)
	}
	_, err = ReadUKI(brokenFile{broken})
	if !errors.Is(err, broken) || errors.As(err, &format) {
		t.Errorf("UKI: got %v; want the file's error", err)
	}
	// A file that breaks in the compressed kernel.
	b := zboot(0xaa64, "gzip", encodingNamed("gzip").encode(t, arm64Image(1000, linuxBanner)))
	_, err = ReadImage(breaksBehind{bytes.NewReader(b), 530, broken}, int64(len(b)))
	if !errors.Is(err, broken) || errors.As(err, &format) {
		t.Errorf("payload: got %v; want the file's error", err)
	}
}

// breaksBehind is a file that cannot be read in small pieces behind an offset,
// as the payload is.
type breaksBehind struct {
	io.ReaderAt
	at  int64
	err error
}

func (f breaksBehind) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at && len(p) > 64 && off > 0 {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}
