package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestReadInitramfsErrors(t *testing.T) {
	t.Parallel()
	file := cpioFile{name: "a", data: "content"}
	whole := newc(file)
	trailer := len(newc())
	wrong := uint32(1)
	edit := func(at int, with string) []byte { return edit(slices.Clone(whole), at, []byte(with)...) }
	gz := encodingNamed("gzip")
	zst := encodingNamed("zstd")
	bigWindow := zst.encode(t, whole)
	bigWindow[4] &^= 0x20 // a window descriptor, not a single segment
	bigWindow[5] = 0xff
	tests := []struct {
		name, want string
		image      []byte
	}{
		{"empty", "archive 0 at offset 0: empty: no cpio archive", nil},
		{"NULs", "archive 0 at offset 1000: empty: no cpio archive", make([]byte, 1000)},
		{"text", "archive 0 at offset 0: no initramfs: unknown magic number 68 65 6c 6c", []byte("hello")},
		{"one byte", "archive 0 at offset 0: no initramfs: unknown magic number 01", []byte{1}},
		{"trailing garbage", "archive 1 at offset 244: trailing garbage: unknown magic number 67 61 72 62", append(newc(cpioFile{name: "a", data: "content"}), "garbage"...)},
		{"garbage behind NULs", "archive 1 at offset 1024: trailing garbage: unknown magic number ff", append(align(newc(file), 1024), 0xff)},
		{"garbage behind gzip", "archive 1 at offset 59: trailing garbage: unknown magic number 67", append(gz.encode(t, newc()), 'g')},
		{"no trailer", "archive 0 at offset 120: truncated: no TRAILER!!! entry: unexpected EOF", whole[:len(whole)-trailer]},
		{"no trailer, gzip", "archive 0 at offset 0, 120 bytes unpacked: truncated: no TRAILER!!! entry: unexpected EOF", gz.encode(t, whole[:len(whole)-trailer])},
		{"cut content", "archive 0 at offset 118, entry \"a\": truncated: unexpected EOF", whole[:118]},
		{"empty gzip", "archive 0 at offset 0: no cpio archive inside", gz.encode(t, nil)},
		{"NULs in gzip", "archive 0 at offset 0, 8 bytes unpacked: no cpio archive inside", gz.encode(t, make([]byte, 8))},
		{"no cpio in gzip", `archive 0 at offset 0: no cpio header: magic number "hello "`, gz.encode(t, []byte(strings.Repeat("hello ", 50)))},
		{"garbage in gzip", `archive 0 at offset 0, 244 bytes unpacked: no cpio header: magic number "gggggg"`, gz.encode(t, append(newc(file), strings.Repeat("g", 200)...))},
		{"unaligned in gzip", `archive 0 at offset 0, 245 bytes unpacked: cpio archive that is not aligned to four bytes`, gz.encode(t, slices.Concat(whole, []byte{0}, whole))},
		{"split over gzip members", "archive 0 at offset 0, 60 bytes unpacked: the cpio archive goes on behind the end of its gzip stream, where the kernel stops", slices.Concat(gz.encode(t, whole[:60]), gz.encode(t, whole[60:]))},
		{"split over zstd frames", "archive 0 at offset 0, 60 bytes unpacked: the cpio archive goes on behind the end of its zstd stream, where the kernel stops", slices.Concat(zst.encode(t, whole[:60]), zst.encode(t, whole[60:]))},
		{"split over bzip2 streams", "archive 0 at offset 0, 60 bytes unpacked: the cpio archive goes on behind the end of its bzip2 stream, where the kernel stops", slices.Concat(bzip2Encode(t, whole[:60]), bzip2Encode(t, whole[60:]))},
		{"odc", `archive 0 at offset 0: cpio archive in the old "odc" format; the kernel reads "newc"`, edit(0, "070707")},
		{"bad magic", `archive 0 at offset 0: no cpio header: magic number "070703"`, edit(0, "070703")},
		{"negative number", `archive 0 at offset 0: cpio header: field 7 is no hexadecimal number: "-0000001"`, edit(54, "-0000001")},
		{"blank number", `archive 0 at offset 0: cpio header: field 1 is no hexadecimal number: "       1"`, edit(6, "       1")},
		{"huge size", "archive 0 at offset 244, entry \"a\": truncated: unexpected EOF", edit(54, "0FFFFFFF")},
		{"huge name", "archive 0 at offset 0: cpio header: name of 4294967295 bytes", edit(94, "FFFFFFFF")},
		{"long name", "archive 0 at offset 0: cpio header: name of 4097 bytes", edit(94, "00001001")},
		{"no name", "archive 0 at offset 0: cpio header: name of 0 bytes", edit(94, "00000000")},
		{"name without NUL", "archive 0 at offset 111: cpio name without its final NUL", edit(94, "00000001")},
		{"file type", `archive 0 at offset 112, entry "a": cpio header: no such file type: mode 0170644`, edit(14, "0000F1A4")},
		{
			"checksum", `archive 0 at offset 119, entry "a": wrong checksum: content sums up to 0x2fb, header says 0x1`,
			cpioArchive(true, cpioFile{name: "a", data: "content", sum: &wrong}),
		},
		{"trailer with content", `archive 0 at offset 124, entry "TRAILER!!!": cpio trailer with 1 bytes of content`, newc(cpioFile{name: cpioTrailer, data: "x"})},
		{"lzo", "archive 0 at offset 0: cannot be read here: lzo compression: unsupported operation", []byte("\x89LZO\x00\r\n\x1a\n")},
		{"zstd window", "archive 0 at offset 0: zstd window of 4123168604160 bytes is larger than the 134217728 that the kernel takes", bigWindow},
		{"lzma dictionary", "archive 0 at offset 0: corrupt: lzma: header dictionary size 4294967040 exceeds configured dictionary capacity 134217728", []byte("\x5d\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"lz4 frame with a dictionary", "archive 0 at offset 0: corrupt: lz4: invalid or unsupported frame descriptor: dictionary ID 0x1", []byte("\x04\x22\x4d\x18\x61\x40\x01\x00\x00\x00\xd0")},
		{"lz4 block too long", "archive 0 at offset 0: truncated: unexpected EOF", []byte("\x02\x21\x4c\x18\x00\x00\x10\x00abc")},
		{"lz4, gzip", "archive 0 at offset 0, 244 bytes unpacked: truncated: unexpected EOF", slices.Concat(encodings[12].encode(t, whole), gz.encode(t, whole))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i, err := read(tt.image)
			var broken *InitramfsError
			if !errors.As(err, &broken) || i != nil {
				t.Fatalf("got %v, %v; want an *InitramfsError", i, err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestUnsupportedFormatsMatch(t *testing.T) {
	t.Parallel()
	if _, err := read([]byte("\x89LZO\x00\r\n\x1a\n")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("lzo: %v is not errors.ErrUnsupported", err)
	}
}

func TestReadOptionsLimits(t *testing.T) {
	t.Parallel()
	image := newc(append(files(), cpioFile{name: "big", data: strings.Repeat("b", 70_000)})...)
	kept := int64(0) // what holding the image takes, without "big"
	for _, f := range files() {
		kept += int64(len(clean(f.name)) + len(f.data) + len(f.link))
	}
	kept += int64(len("big"))
	bomb := encodingNamed("gzip").encode(t, newc(cpioFile{name: "bomb", data: strings.Repeat("\x00", 10<<20)}))
	links := append(dirs("d"), cpioFile{name: "l0", link: "d"})
	for n := range 39 {
		links = append(links, cpioFile{name: fmt.Sprint("l", n+1), link: fmt.Sprint(strings.Repeat("d/../", 400), "l", n)})
	}
	for n := range 200 {
		links = append(links, cpioFile{name: fmt.Sprint("l39/", n)})
	}
	tests := []struct {
		name   string
		image  []byte
		at     ReadOptions // enough
		over   ReadOptions // not enough
		reason string
	}{
		{"unpacked", image, ReadOptions{MaxUnpacked: int64(len(image))}, ReadOptions{MaxUnpacked: int64(len(image)) - 1}, "unpacked size: limit exceeded"},
		{"padding", append(newc(), make([]byte, 9999)...), ReadOptions{MaxUnpacked: 9999 + 124}, ReadOptions{MaxUnpacked: 9999}, "unpacked size: limit exceeded"},
		{"bomb", bomb, ReadOptions{}, ReadOptions{MaxUnpacked: 1 << 20}, "unpacked size: limit exceeded"},
		{"entries", image, ReadOptions{MaxEntries: 11}, ReadOptions{MaxEntries: 10}, "number of entries: limit exceeded"},
		{"archives", bytes.Repeat(newc(), 5), ReadOptions{MaxEntries: 5}, ReadOptions{MaxEntries: 4}, "number of entries: limit exceeded"},
		{"kept", image, ReadOptions{MaxKept: kept}, ReadOptions{MaxKept: kept - 1}, "bytes to keep: limit exceeded"},
		{"kept on demand", image, ReadOptions{}, ReadOptions{MaxKept: kept, Keep: func(n string) bool { return n == "big" }}, "bytes to keep: limit exceeded"},
		{"links", newc(links...), ReadOptions{}, ReadOptions{MaxEntries: 1000}, "work to follow links: limit exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ReadInitramfs(t.Context(), bytes.NewReader(tt.image), tt.at); err != nil {
				t.Errorf("within the limit: %v", err)
			}
			_, err := ReadInitramfs(t.Context(), bytes.NewReader(tt.image), tt.over)
			var broken *InitramfsError
			if !errors.As(err, &broken) || !errors.Is(err, ErrLimit) || broken.Reason != "too large" || broken.Err.Error() != tt.reason {
				t.Errorf("beyond the limit: %v; want %q", err, tt.reason)
			}
		})
	}
}
