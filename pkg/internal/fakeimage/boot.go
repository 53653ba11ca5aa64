package fakeimage

import (
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Kernel returns the smallest kernel that says of itself what the header of a
// real one says: for "amd64" and "386" a bzImage (Documentation/arch/x86/boot.rst
// of Linux), for "arm64" an Image (Documentation/arch/arm64/booting.rst).
func Kernel(release, architecture string) string {
	if architecture == "arm64" {
		const header, magic = 64, 56
		b := make([]byte, header)
		copy(b[magic:], "ARM\x64")
		return string(b) + "Linux version " + release + " (builder@example) #1 SMP\n\x00"
	}
	const sectors = 4
	b := make([]byte, (sectors+1)*512)
	le := binary.LittleEndian
	b[0x1f1] = sectors
	copy(b[0x1fe:], "\x55\xaa")
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[0x206:], 0x020f) // boot protocol
	le.PutUint16(b[0x20e:], 0x400)  // of the version, less 0x200
	if architecture == "amd64" {
		le.PutUint16(b[0x236:], 1) // XLF_KERNEL_64
	}
	copy(b[0x600:], release+" (builder@example) #1 SMP\x00")
	return string(b)
}

// Initramfs returns the files as a cpio archive in "newc" format, with the
// folders they are in. Names are entered as they are, absolute ones too.
func Initramfs(files Files) string {
	all := maps.Clone(files)
	for name := range files {
		for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = Dir()
			}
		}
	}
	var b []byte
	entry := func(inode int, name string, mode uint32, content string) {
		b = append(b, "070701"...)
		for _, v := range []uint32{uint32(inode), mode, 0, 0, 1, 0, uint32(len(content)), 0, 0, 0, 0, uint32(len(name) + 1), 0} {
			b = fmt.Appendf(b, "%08X", v)
		}
		for _, part := range []string{name + "\x00", content} {
			b = append(b, part...)
			b = append(b, make([]byte, -len(b)&3)...)
		}
	}
	for i, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		kind := uint32(0o100000)
		switch {
		case f.Mode.IsDir():
			kind = 0o040000
		case !f.Mode.IsRegular():
			kind = 0o120000
		}
		entry(i+1, name, kind|uint32(f.Mode.Perm()), f.Content)
	}
	entry(0, "TRAILER!!!", 0, "")
	return string(b)
}

// Zstd compresses as mkinitramfs does.
func Zstd(s string) string {
	w, err := zstd.NewWriter(nil)
	must(err)
	return string(w.EncodeAll([]byte(s), nil))
}

// UKI returns a unified kernel image for amd64 with the given sections
// (".linux", ".initrd", ".uname", …).
func UKI(sections map[string]string) string {
	const peOffset, table = 64, 64 + 24
	names := slices.Sorted(maps.Keys(sections))
	b := make([]byte, table+40*len(names))
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[60:], peOffset)
	copy(b[peOffset:], "PE\x00\x00")
	le.PutUint16(b[peOffset+4:], 0x8664)
	le.PutUint16(b[peOffset+6:], uint16(len(names)))
	for i, name := range names {
		h := b[table+40*i:]
		copy(h[:8], name)
		le.PutUint32(h[8:], uint32(len(sections[name])))
		le.PutUint32(h[16:], uint32(len(sections[name])))
		le.PutUint32(h[20:], uint32(len(b)))
		b = append(b, sections[name]...)
	}
	return string(b)
}

// Module returns the beginning of a kernel module for amd64: what it says of
// the kernel that it is for, and whether it lists the checksums of its symbols.
func Module(release, options string, checksums bool) string {
	text := ELF(62) + "\x00license=GPL\x00vermagic=" + release + " " + options + " \x00.text\x00"
	if checksums {
		text += "__versions\x00"
	}
	return text
}

// ELF returns the beginning of a program for a machine as debug/elf numbers it.
func ELF(machine uint16) string {
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01") // 64 bits, little endian
	binary.LittleEndian.PutUint16(b[16:], 3)
	binary.LittleEndian.PutUint16(b[18:], machine)
	return string(b)
}
