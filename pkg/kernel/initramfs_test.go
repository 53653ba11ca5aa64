package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// files is a small initramfs with a bit of everything.
func files() []cpioFile {
	return append(dirs(".", "usr", "usr/bin", "usr/lib"),
		cpioFile{name: "bin", link: "usr/bin"},
		cpioFile{name: "usr/bin/sh", mode: modeReg | 0o755, data: strings.Repeat("#!", 150)},
		cpioFile{name: "init", link: "/bin/sh"},
		cpioFile{name: "usr/lib/empty"},
		cpioFile{name: "usr/lib/odd", data: "12345"},
	)
}

func microcode() []byte {
	return newc(append(dirs("kernel", "kernel/x86", "kernel/x86/microcode"),
		cpioFile{name: "kernel/x86/microcode/GenuineIntel.bin", data: "microcode"})...)
}

func read(b []byte) (*Initramfs, error) {
	return ReadInitramfs(context.Background(), bytes.NewReader(b), ReadOptions{})
}

func mustRead(t *testing.T, b []byte) *Initramfs {
	t.Helper()
	i, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func names(i *Initramfs) []string {
	var all []string
	for name, e := range i.Entries {
		if e.Name != name {
			all = append(all, fmt.Sprintf("%s filed as %s", e.Name, name))
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestReadInitramfsEncodings(t *testing.T) {
	t.Parallel()
	plain := newc(files()...)
	early := microcode()
	refused := map[int]string{
		6:  "xz check is crc64; the kernel reads crc32 and none (xz --check=crc32)",
		7:  "xz check is sha256; the kernel reads crc32 and none (xz --check=crc32)",
		13: "lz4 frame format; the kernel reads the legacy format only (lz4 -l)",
		14: "lz4 frame format; the kernel reads the legacy format only (lz4 -l)",
		15: "lz4 frame format; the kernel reads the legacy format only (lz4 -l)",
	}
	for n, e := range encodings {
		t.Run(fmt.Sprint(n, e.name), func(t *testing.T) {
			t.Parallel()
			packed := e.encode(t, plain)
			image := slices.Concat(align(slices.Clone(early), 512), packed, make([]byte, 9))
			i := mustRead(t, image)
			want := []Archive{
				{Offset: 0, Size: int64(len(early)), Compression: "none", Entries: 4, Unpacked: int64(len(early))},
				{Offset: 512 * int64((len(early)+511)/512), Size: int64(len(packed)), Compression: e.name, Entries: 9, Unpacked: int64(len(plain)), Unsupported: refused[n]},
			}
			if diff := cmp.Diff(want, i.Archives); diff != "" {
				t.Error(diff)
			}
			want2 := []string{
				".", "bin", "init", "kernel", "kernel/x86", "kernel/x86/microcode", "kernel/x86/microcode/GenuineIntel.bin",
				"usr", "usr/bin", "usr/bin/sh", "usr/lib", "usr/lib/empty", "usr/lib/odd",
			}
			if diff := cmp.Diff(want2, names(i)); diff != "" {
				t.Error(diff)
			}
			sh, ok := i.Lookup("init")
			if diff := cmp.Diff(Entry{Name: "usr/bin/sh", Mode: 0o755, Size: 300, Content: []byte(strings.Repeat("#!", 150))}, sh); diff != "" || !ok {
				t.Error(diff, ok)
			}
		})
	}
}

// Any sequence of segments is split where its parts were joined.
func TestReadInitramfsSegments(t *testing.T) {
	t.Parallel()
	encode := func(n int, b []byte) (string, []byte) {
		if n == len(encodings) {
			return "none", b
		}
		return encodings[n].name, encodings[n].encode(t, b)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var image []byte
		var want []Archive
		count := rapid.IntRange(1, 4).Draw(rt, "segments")
		for n := range count {
			content := newc(cpioFile{name: fmt.Sprint("file", n), data: rapid.StringN(0, 50, 200).Draw(rt, "data")})
			name, b := encode(rapid.IntRange(0, len(encodings)).Draw(rt, "encoding"), content)
			// What lz4's legacy format takes for a block is no new segment.
			for len(want) > 0 && want[len(want)-1].Compression == "lz4" && name != "none" {
				name, b = encode(len(encodings), content)
			}
			want = append(want, Archive{Offset: int64(len(image)), Size: int64(len(b)), Compression: name, Entries: 1, Unpacked: int64(len(content))})
			image = append(image, b...)
			image = append(image, make([]byte, rapid.IntRange(0, 9).Draw(rt, "padding"))...)
		}
		i, err := read(image)
		if err != nil {
			rt.Fatal(err)
		}
		for n := range i.Archives {
			i.Archives[n].Unsupported = ""
		}
		if diff := cmp.Diff(want, i.Archives); diff != "" {
			rt.Error(diff)
		}
		if len(i.Entries) != count {
			rt.Errorf("%d entries: %q", len(i.Entries), names(i))
		}
	})
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	a, b := newc(cpioFile{name: "a"}), newc(cpioFile{name: "b"})
	gz, xz, lz := encodingNamed("gzip"), encodings[4], encodings[12]
	tests := []struct {
		name  string
		image []byte
		want  []string
	}{
		{"aligned", slices.Concat(a, gz.encode(t, b)), []string{"", ""}},
		{"compressed anywhere behind compressed", slices.Concat(gz.encode(t, a), []byte{0}, xz.encode(t, b)), []string{"", ""}},
		{"compressed anywhere behind NULs", slices.Concat([]byte{0}, xz.encode(t, b)), []string{""}},
		{"compressed behind plain", slices.Concat(a, []byte{0}, gz.encode(t, b)), []string{"", "begins at an offset that is no multiple of four"}},
		{"plain", slices.Concat([]byte{0, 0}, a), []string{"begins at an offset that is no multiple of four"}},
		{"two lz4 streams are one", slices.Concat(lz.encode(t, a), lz.encode(t, b)), []string{""}},
		{"lz4, NULs, xz", slices.Concat(lz.encode(t, a), make([]byte, 4), xz.encode(t, b)), []string{"", ""}},
		{
			"lz4, xz", slices.Concat(lz.encode(t, a), xz.encode(t, b)),
			[]string{"an lz4 stream that another archive follows; the kernel finds its end only at four NULs or the end of the image", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, a := range mustRead(t, tt.image).Archives {
				got = append(got, a.Unsupported)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the compression, an archive that was cut anywhere is an error.
func TestTruncatedAnywhere(t *testing.T) {
	t.Parallel()
	plain := newc(files()...)
	cut := func(t *testing.T, b []byte) {
		t.Helper()
		for n := range b {
			_, err := read(b[:n])
			var broken *InitramfsError
			if !errors.As(err, &broken) {
				t.Fatalf("the first %d of %d bytes: %v; want an *InitramfsError", n, len(b), err)
			}
			if want := n == 0; want != (broken.Reason == "empty: no cpio archive") {
				t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
			}
		}
	}
	cut(t, plain)
	for n, e := range encodings {
		t.Run(fmt.Sprint(n, e.name), func(t *testing.T) {
			t.Parallel()
			cut(t, e.encode(t, plain))
		})
	}
}

// A changed byte is an error, or one that makes no difference, such as in a
// time stamp. Formats without a checksum just must not hang or panic.
func TestCorruptAnywhere(t *testing.T) {
	t.Parallel()
	plain := newc(files()...)
	want := mustRead(t, plain).Entries
	for n, e := range encodings {
		t.Run(fmt.Sprint(n, e.name), func(t *testing.T) {
			t.Parallel()
			packed := e.encode(t, plain)
			for at := range packed {
				b := slices.Clone(packed)
				b[at] ^= 0x10
				i, err := read(b)
				if err != nil || !e.sums {
					continue
				}
				if diff := cmp.Diff(want, i.Entries); diff != "" {
					t.Errorf("byte %d of %d: %s", at, len(b), diff)
				}
			}
		})
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("b", smallFile+1)
	image := newc(append(dirs("d"),
		cpioFile{name: "small", data: big[1:]},
		cpioFile{name: "big", data: big},
		cpioFile{name: "./d//wanted", data: big},
		cpioFile{name: "m.ko.xz", data: "module"},
		cpioFile{name: "empty"},
		cpioFile{name: "first", ino: 7, nlink: 2},
		cpioFile{name: "last", ino: 7, nlink: 2, data: big},
	)...)
	var asked []string
	i, err := ReadInitramfs(t.Context(), bytes.NewReader(image), ReadOptions{Keep: func(name string) bool {
		asked = append(asked, name)
		return name == "d/wanted" || name == "first"
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"small", "big", "d/wanted", "m.ko.xz", "empty", "first", "last"}, asked); diff != "" {
		t.Errorf("asked for: %s", diff)
	}
	for name, want := range map[string][]byte{
		"small": []byte(big[1:]), "big": nil, "d/wanted": []byte(big), "m.ko.xz": nil, "empty": {}, "first": []byte(big), "last": []byte(big),
	} {
		if e := i.Entries[name]; !cmp.Equal(want, e.Content) {
			t.Errorf("%s: %d bytes (nil: %t), want %d", name, len(e.Content), e.Content == nil, len(want))
		}
	}
}

func TestReadersOfAllKinds(t *testing.T) {
	t.Parallel()
	image := slices.Concat(microcode(), encodings[4].encode(t, newc(files()...)), encodingNamed("bzip2").encode(t, newc(cpioFile{name: "more"})))
	want := mustRead(t, image)
	for name, r := range map[string]io.Reader{
		"one byte":      iotest.OneByteReader(bytes.NewReader(image)),
		"half":          iotest.HalfReader(bytes.NewReader(image)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(image)),
	} {
		got, err := ReadInitramfs(t.Context(), r, ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What is wrong with the file is not blamed on the archive.
func TestReadInitramfsFileError(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	for n, e := range encodings {
		packed := e.encode(t, newc(files()...))
		for _, part := range []int{0, 3, len(packed) / 2, len(packed) - 1} {
			_, err := ReadInitramfs(t.Context(), io.MultiReader(bytes.NewReader(packed[:part]), iotest.ErrReader(broken)), ReadOptions{})
			var format *InitramfsError
			if !errors.Is(err, broken) || errors.As(err, &format) {
				t.Errorf("%d %s, behind %d bytes: got %v; want the file's error", n, e.name, part, err)
			}
		}
	}
}

func TestReadInitramfsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	// Cancelled once all input is buffered, so that unpacking must notice.
	bomb := encodingNamed("gzip").encode(t, newc(cpioFile{name: "a"}, cpioFile{name: "bomb", data: strings.Repeat("\x00", 10<<20)}))
	_, err := ReadInitramfs(ctx, bytes.NewReader(bomb), ReadOptions{Keep: func(string) bool { cancel(); return false }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, err = ReadInitramfs(ctx, bytes.NewReader(newc()), ReadOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	i := mustRead(t, newc(append(dirs("dev"),
		cpioFile{name: "suid", mode: modeReg | 0o4755},
		cpioFile{name: "tmp", mode: modeDir | 0o3777},
		cpioFile{name: "dev/console", mode: modeChar | 0o600},
		cpioFile{name: "dev/vda", mode: modeBlock | 0o660},
		cpioFile{name: "pipe", mode: modeFIFO | 0o644},
		cpioFile{name: "socket", mode: modeSocket | 0o644},
	)...))
	for name, want := range map[string]fs.FileMode{
		"suid":        fs.ModeSetuid | 0o755,
		"tmp":         fs.ModeDir | fs.ModeSetgid | fs.ModeSticky | 0o777,
		"dev/console": fs.ModeDevice | fs.ModeCharDevice | 0o600,
		"dev/vda":     fs.ModeDevice | 0o660,
		"pipe":        fs.ModeNamedPipe | 0o644,
		"socket":      fs.ModeSocket | 0o644,
	} {
		if got := i.Entries[name].Mode; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
