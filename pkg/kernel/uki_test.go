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

func TestReadUKI(t *testing.T) {
	t.Parallel()
	initrd := newc(dirs("usr")...)
	b := peImage(0x8664, "",
		peSection{name: ".text", data: "stub"},
		peSection{name: ".osrel", data: "ID=test\nVERSION_ID=1\n"},
		peSection{name: ".uname", data: "6.1.0-56-amd64\n"},
		peSection{name: ".cmdline", data: "root=LABEL=root rw\n\x00"},
		peSection{name: ".ucode", data: "ucode"},
		peSection{name: ".linux", data: string(bzImage("6.1.0-56-amd64 (x)", 1))},
		peSection{name: ".initrd", data: string(initrd)},
		peSection{name: ".profile", data: "ID=second"},
		peSection{name: ".cmdline", data: "single"},
	)
	u, err := ReadUKI(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	read := func(r io.Reader) string {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if got := read(u.Initrd); got != string(initrd) {
		t.Errorf("initrd has %d bytes, want %d", len(got), len(initrd))
	}
	if got := read(u.Ucode); got != "ucode" {
		t.Errorf("ucode is %q", got)
	}
	img, err := ReadImage(u.Linux, u.Linux.Size())
	if err != nil || img.Release != u.Uname {
		t.Errorf("kernel: %+v, %v", img, err)
	}
	u.Linux, u.Initrd, u.Ucode = nil, nil, nil
	want := &UKI{Uname: "6.1.0-56-amd64", Cmdline: "root=LABEL=root rw", OSRelease: "ID=test\nVERSION_ID=1\n", Architecture: "amd64"}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
	for n := range b {
		if _, err := ReadUKI(bytes.NewReader(b[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes are read", n, len(b))
		}
	}
}

func TestReadUKIErrors(t *testing.T) {
	t.Parallel()
	noPE := make([]byte, 100)
	copy(noPE, "MZ")
	manySections := peImage(0x8664, "")
	binary.LittleEndian.PutUint16(manySections[0x46:], 0xffff)
	linux := peSection{name: ".linux", data: "kernel"}
	nowhere := peImage(0x8664, "", linux) // sizes, but no place in the file
	binary.LittleEndian.PutUint32(nowhere[0x40+24+240+20:], 0)
	binary.LittleEndian.PutUint32(nowhere[0x40+24+240+16:], 1<<30)
	binary.LittleEndian.PutUint32(nowhere[0x40+24+240+8:], 1<<30)
	tests := []struct {
		name, want string
		in         []byte
	}{
		{"empty", "offset 0: truncated: the file ends in the DOS header", nil},
		{"no MZ", "offset 0: no EFI program: no MZ magic number", make([]byte, 100)},
		{"no PE", "offset 0: no EFI program: no PE signature", noPE},
		{"plain EFI program", "offset 0: no unified kernel image: no .linux section with content", peImage(0x8664, "", peSection{name: ".text", data: "x"})},
		{"kernel in memory alone", "offset 0: no unified kernel image: no .linux section with content", nowhere},
		{"unknown machine", "offset 0: unknown machine 0x1 in the PE header", peImage(1, "", linux)},
		{"two kernels", `offset 1024: section ".linux" for the second time`, peImage(0x8664, "", linux, linux)},
		{
			"endless command line", `offset 1024: section ".cmdline" of 65537 bytes`,
			peImage(0x8664, "", linux, peSection{name: ".cmdline", data: strings.Repeat("x", 65537)}),
		},
		{"section table outside", "offset 328: truncated: the file ends in the section table", manySections},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := ReadUKI(bytes.NewReader(tt.in))
			var format *FormatError
			if !errors.As(err, &format) || u != nil {
				t.Fatalf("got %v, %v; want a *FormatError", u, err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}
