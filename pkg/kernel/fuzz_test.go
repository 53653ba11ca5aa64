package kernel

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
)

// Limits that keep a fuzzer's archive from taking long.
var fuzzOptions = ReadOptions{MaxUnpacked: 1 << 20, MaxEntries: 1000, MaxKept: 1 << 18}

// checkInitramfs fails if an initramfs that was read is not one that could be.
func checkInitramfs(t *testing.T, i *Initramfs, size int) {
	t.Helper()
	if len(i.Archives) == 0 {
		t.Error("no archive")
	}
	end, unpacked := int64(0), int64(0)
	for _, a := range i.Archives {
		if a.Offset < end || a.Size <= 0 {
			t.Errorf("archive at %d of %d bytes begins before %d", a.Offset, a.Size, end)
		}
		end = a.Offset + a.Size
		unpacked += a.Unpacked
	}
	if end > int64(size) || unpacked > fuzzOptions.MaxUnpacked {
		t.Errorf("%d of %d bytes, %d unpacked", end, size, unpacked)
	}
	for name, e := range i.Entries {
		if name != e.Name || name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") {
			t.Errorf("entry %q is filed as %q", e.Name, name)
		}
		if dir := path.Dir(name); !implied[dir] && !i.Entries[dir].Mode.IsDir() {
			t.Errorf("entry %q is in no directory", name)
		}
		if e.Content != nil && int64(len(e.Content)) != e.Size {
			t.Errorf("entry %q has %d bytes of content, size %d", name, len(e.Content), e.Size)
		}
		i.Lookup(name)
	}
	i.Versions()
	i.Modules()
}

func fuzzInitramfs(t *testing.T, b []byte) {
	i, err := ReadInitramfs(t.Context(), bytes.NewReader(b), fuzzOptions)
	if err != nil {
		var broken *InitramfsError
		if !errors.As(err, &broken) || broken.Reason == "" || broken.Offset < 0 || broken.Offset > int64(len(b)) || i != nil {
			t.Errorf("%v, %#v", i, err)
		}
		return
	}
	checkInitramfs(t, i, len(b))
}

func FuzzReadInitramfs(f *testing.F) {
	plain := newc(files()...)
	f.Add(slices.Concat(microcode(), make([]byte, 512)))
	for _, e := range encodings {
		f.Add(e.encode(f, plain))
		f.Add(slices.Concat(microcode(), e.encode(f, plain), e.encode(f, newc())))
	}
	f.Fuzz(fuzzInitramfs)
}

// FuzzCpio puts the fuzzer behind the magic number, so that what it makes is
// mostly a plain archive.
func FuzzCpio(f *testing.F) {
	f.Add(newc(files()...)[6:], false)
	f.Add(cpioArchive(true, files()...)[6:], true)
	f.Add(newc(cpioFile{name: "a", ino: 1, nlink: 2}, cpioFile{name: "b", ino: 1, nlink: 2, data: "x"}, cpioFile{name: "../l", link: "/a/../b"})[6:], false)
	f.Add(newc(cpioFile{name: "l", link: "l"}, cpioFile{name: "l/x"}, cpioFile{name: "d", mode: modeDir}, cpioFile{name: "d", link: "l"})[6:], false)
	f.Fuzz(func(t *testing.T, b []byte, crc bool) {
		magic := "070701"
		if crc {
			magic = "070702"
		}
		fuzzInitramfs(t, append([]byte(magic), b...))
	})
}

func FuzzReadImage(f *testing.F) {
	f.Add(bzImage("6.1.0-56-amd64 (x) #1", 1))
	f.Add(arm64Image(100, linuxBanner))
	f.Add(elf(2, 1, 62, linuxBanner))
	f.Add(peImage(0xaa64, "", peSection{name: ".text", data: linuxBanner}))
	f.Add(s390Image("6.1.0 (x)"))
	for _, e := range encodings {
		f.Add(zboot(0xaa64, e.name, e.encode(f, arm64Image(64, linuxBanner))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := ReadImage(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) || format.Reason == "" || img != nil {
				t.Errorf("%v, %#v", img, err)
			}
			return
		}
		if !isRelease([]byte(img.Release)) || img.Architecture == "" || img.Format == "" {
			t.Errorf("%+v", img)
		}
	})
}

func FuzzReadUKI(f *testing.F) {
	linux := peSection{name: ".linux", data: string(bzImage("6.1.0 (x)", 1))}
	f.Add(peImage(0x8664, "", linux))
	f.Add(peImage(0x8664, "", peSection{name: ".cmdline", data: "rw\x00"}, peSection{name: ".uname", data: "6.1.0"}, linux,
		peSection{name: ".initrd", data: string(newc()), virtual: 1 << 30}, peSection{name: ".profile"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := ReadUKI(bytes.NewReader(b))
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) || format.Reason == "" || u != nil {
				t.Errorf("%v, %#v", u, err)
			}
			return
		}
		for _, r := range []*io.SectionReader{u.Linux, u.Initrd, u.Ucode} {
			if r == nil {
				continue
			}
			if n, err := io.Copy(io.Discard, r); err != nil || n != r.Size() {
				t.Errorf("section of %d bytes: %d read, %v", r.Size(), n, err)
			}
		}
	})
}

func FuzzModulesDep(f *testing.F) {
	f.Add([]byte("kernel/fs/ext4.ko.xz: kernel/fs/jbd2.ko.xz kernel/lib/crc16.ko.xz\nkernel/fs/jbd2.ko.xz:\n"))
	f.Add([]byte("/lib/modules/6.1.0/a.ko: /usr/lib/modules/6.1.0/b.ko\n\n# x\n"))
	f.Add([]byte(": a.ko"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dep, err := parseModulesDep(bytes.NewReader(b), "modules.dep", "6.1.0")
		if err != nil {
			var broken *ModulesError
			if !errors.As(err, &broken) || broken.Line < 1 {
				t.Errorf("%#v", err)
			}
			return
		}
		for mod, needs := range dep {
			for _, p := range append([]string{mod}, needs...) {
				if ModuleName(p) == "" {
					t.Errorf("%q is no module", p)
				}
			}
		}
		if builtin, err := parseModulesBuiltin(bytes.NewReader(b), "modules.builtin"); err == nil && builtin[""] {
			t.Error("a module without a name")
		}
	})
}
