package kernel

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// describe lists the entries as "name type content".
func describe(i *Initramfs) []string {
	var all []string
	for name, e := range i.Entries {
		switch {
		case e.Mode.IsDir():
			all = append(all, name+"/")
		case e.Mode&fs.ModeSymlink != 0:
			all = append(all, name+" -> "+e.Link)
		case e.Mode.IsRegular():
			all = append(all, fmt.Sprintf("%s %d %s", name, e.Size, e.Content))
		default:
			all = append(all, name+" "+e.Mode.String())
		}
	}
	slices.Sort(all)
	return all
}

// What the kernel's init/initramfs.c makes of entries.
func TestRootfs(t *testing.T) {
	t.Parallel()
	link := func(name string, ino uint32, data string) cpioFile {
		return cpioFile{name: name, ino: ino, nlink: 2, data: data}
	}
	tests := []struct {
		name     string
		archives [][]cpioFile
		want     []string
		dropped  []string
	}{
		{
			name:     "names are cleaned",
			archives: [][]cpioFile{{{name: "./a", mode: modeDir}, {name: "/a//b", data: "1"}, {name: "a/./c", data: "2"}, {name: "/", mode: modeDir}}},
			want:     []string{"./", "a/", "a/b 1 1", "a/c 1 2"},
		},
		{
			name:     "dot-dot stops at the root and follows links",
			archives: [][]cpioFile{{{name: "a", mode: modeDir}, {name: "a/b", mode: modeDir}, {name: "l", link: "a/b"}, {name: "../../x", data: "1"}, {name: "l/../y", data: "2"}, {name: "a/..", data: "3"}}},
			want:     []string{"a/", "a/b/", "a/y 1 2", "l -> a/b", "x 1 1"}, dropped: []string{"a/.."},
		},
		{
			name:     "dot-dot behind a file",
			archives: [][]cpioFile{{{name: "f", data: "1"}, {name: "f/../x"}}},
			want:     []string{"f 1 1"}, dropped: []string{"f/../x"},
		},
		{
			name:     "names that are not UTF-8",
			archives: [][]cpioFile{{{name: "\xff", mode: modeDir}, {name: "\xff/./\xfe", data: "1"}}},
			want:     []string{"\xff/", "\xff/\xfe 1 1"},
		},
		{
			name:     "NULs behind a name",
			archives: [][]cpioFile{{{name: "a", data: "1", nuls: 4000}}},
			want:     []string{"a 1 1"},
		},
		{
			name:     "no folder",
			archives: [][]cpioFile{{{name: "a/b", data: "1"}, {name: "f"}, {name: "f/b", data: "1"}, {name: "dev/null", mode: modeChar}, {name: "a/l", link: "x"}, {name: "a", mode: modeDir}}},
			want:     []string{"a/", "dev/null Dc---------", "f 0 "}, dropped: []string{"a/b", "f/b", "a/l"},
		},
		{
			name:     "later archives replace",
			archives: [][]cpioFile{{{name: "a", data: "old"}, {name: "l", link: "old"}, {name: "d", mode: modeDir | 0o700}}, {{name: "a", data: "newer"}, {name: "l", link: "new"}, {name: "d", mode: modeDir}}},
			want:     []string{"a 5 newer", "d/", "l -> new"},
		},
		{
			name:     "an empty file replaces",
			archives: [][]cpioFile{{{name: "a", data: "old"}}, {{name: "a"}}},
			want:     []string{"a 0 "},
		},
		{
			name:     "other types replace",
			archives: [][]cpioFile{{{name: "a", data: "old"}, {name: "l", link: "old"}, {name: "d", mode: modeDir}}, {{name: "a", mode: modeDir}, {name: "l", data: "file"}, {name: "d", link: "a"}}},
			want:     []string{"a/", "d -> a", "l 4 file"},
		},
		{
			name:     "a folder that is not empty stays",
			archives: [][]cpioFile{{{name: "lib", mode: modeDir}, {name: "lib/x"}}, {{name: "usr", mode: modeDir}, {name: "usr/lib", mode: modeDir}, {name: "lib", link: "usr/lib"}, {name: "lib/y"}, {name: "lib", data: "file"}}},
			want:     []string{"lib/", "lib/x 0 ", "lib/y 0 ", "usr/", "usr/lib/"}, dropped: []string{"lib", "lib"},
		},
		{
			name:     "the root stays",
			archives: [][]cpioFile{{{name: ".", link: "x"}, {name: "/", data: "x"}}},
			dropped:  []string{".", "."},
		},
		{
			name:     "below a link",
			archives: [][]cpioFile{{{name: "usr", mode: modeDir}, {name: "usr/lib", mode: modeDir}, {name: "lib", link: "usr/lib"}, {name: "abs", link: "/lib/../lib/"}}, {{name: "lib/a", data: "1"}, {name: "abs/b", data: "2"}, {name: "lib", mode: modeDir}}},
			want:     []string{"abs -> /lib/../lib/", "lib/", "usr/", "usr/lib/", "usr/lib/a 1 1", "usr/lib/b 1 2"},
		},
		{
			name:     "below a link to nowhere",
			archives: [][]cpioFile{{{name: "l", link: "nowhere"}, {name: "l/a"}, {name: "m", link: "n"}, {name: "n", link: "m"}, {name: "m/a"}, {name: "self", link: "self/x"}, {name: "self/a"}}},
			want:     []string{"l -> nowhere", "m -> n", "n -> m", "self -> self/x"}, dropped: []string{"l/a", "m/a", "self/a"},
		},
		{
			name:     "hard links, data last (GNU cpio)",
			archives: [][]cpioFile{{link("a", 7, ""), link("b", 7, ""), link("c", 7, "data")}},
			want:     []string{"a 4 data", "b 4 data", "c 4 data"},
		},
		{
			name:     "hard links, data first (gen_init_cpio)",
			archives: [][]cpioFile{{link("a", 7, "data"), link("b", 7, "")}},
			want:     []string{"a 4 data", "b 4 data"},
		},
		{
			name:     "hard links, data twice",
			archives: [][]cpioFile{{link("a", 7, "longer"), link("b", 7, "data")}},
			want:     []string{"a 4 data", "b 4 data"},
		},
		{
			name:     "same number in another archive",
			archives: [][]cpioFile{{link("a", 7, "1")}, {link("b", 7, "")}},
			want:     []string{"a 1 1", "b 0 "},
		},
		{
			name:     "same number, one link each",
			archives: [][]cpioFile{{{name: "a", ino: 7, data: "1"}, {name: "b", ino: 7, data: "2"}}},
			want:     []string{"a 1 1", "b 1 2"},
		},
		{
			name:     "same number, other type",
			archives: [][]cpioFile{{{name: "a", ino: 7, nlink: 2, mode: modeFIFO}, link("b", 7, "2")}},
			want:     []string{"a p---------", "b 1 2"},
		},
		{
			name:     "a hard link replaces, and is replaced",
			archives: [][]cpioFile{{{name: "b", data: "old"}}, {link("a", 7, ""), link("b", 7, "new")}, {{name: "a", data: "third"}}},
			want:     []string{"a 5 third", "b 5 third"},
		},
		{
			name:     "links to a file that could not be made",
			archives: [][]cpioFile{{link("no/a", 7, ""), link("b", 7, "data"), link("c", 7, "data")}},
			dropped:  []string{"no/a", "b", "c"},
		},
		{
			name:     "content where none can be",
			archives: [][]cpioFile{{{name: "d", mode: modeDir, data: "12345"}, {name: "l", mode: modeLink}, {name: "l2", link: strings.Repeat("x", 4097)}, {name: "a"}}},
			want:     []string{"a 0 "}, dropped: []string{"d", "l", "l2"},
		},
		{
			name:     "a link's target ends at a NUL",
			archives: [][]cpioFile{{{name: "l", link: "target\x00\x00"}}},
			want:     []string{"l -> target"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for crc, format := range map[bool]string{false: "newc", true: "crc"} {
				var image []byte
				for _, a := range tt.archives {
					image = append(image, cpioArchive(crc, a...)...)
				}
				i := mustRead(t, image)
				if diff := cmp.Diff(tt.want, describe(i)); diff != "" {
					t.Errorf("%s: %s", format, diff)
				}
				if diff := cmp.Diff(tt.dropped, i.Dropped); diff != "" {
					t.Errorf("%s: dropped: %s", format, diff)
				}
			}
		})
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	chain := append(dirs("usr", "usr/lib", "usr/lib/systemd", "etc", "empty"),
		cpioFile{name: "lib", link: "usr/lib"},
		cpioFile{name: "usr/lib/systemd/systemd", data: "x"},
		cpioFile{name: "init", link: "/lib/systemd/systemd"},
		cpioFile{name: "etc/up", link: "../../../init"},
		cpioFile{name: "etc/abs", link: "/init"},
		cpioFile{name: "loop", link: "loop2"},
		cpioFile{name: "loop2", link: "loop"},
		cpioFile{name: "slash", link: "lib/"},
		cpioFile{name: "dangling", link: "nowhere"},
		cpioFile{name: "l0", link: "init"},
		cpioFile{name: "dev/null", mode: modeChar},
	)
	for n := range 50 {
		chain = append(chain, cpioFile{name: fmt.Sprint("l", n+1), link: fmt.Sprint("l", n)})
	}
	i := mustRead(t, newc(chain...))
	for name, want := range map[string]string{
		"init":                     "usr/lib/systemd/systemd",
		"/init":                    "usr/lib/systemd/systemd",
		"lib":                      "usr/lib",
		"lib/systemd/../systemd":   "usr/lib/systemd",
		"./lib//systemd/systemd":   "usr/lib/systemd/systemd",
		"etc/abs":                  "usr/lib/systemd/systemd",
		"init/..":                  "",
		"etc/up":                   "usr/lib/systemd/systemd",
		"slash/systemd":            "usr/lib/systemd",
		"slash":                    "usr/lib",
		"../../init":               "usr/lib/systemd/systemd",
		"dev/null":                 "dev/null",
		"l36":                      "usr/lib/systemd/systemd", // and init, lib: 39 links
		"l37":                      "usr/lib/systemd/systemd", // 40
		"l38":                      "",                        // 41
		"loop":                     "",
		"loop/x":                   "",
		"dangling":                 "",
		"init/x":                   "",
		"usr/lib/systemd/systemd/": "usr/lib/systemd/systemd",
		"nothing":                  "",
		".":                        "", // the archive does not name its root
		"dev":                      "", // nor that
	} {
		e, ok := i.Lookup(name)
		if ok != (want != "") || e.Name != want {
			t.Errorf("Lookup(%q) = %q, %t; want %q", name, e.Name, ok, want)
		}
	}
}

func TestInitramfsModules(t *testing.T) {
	t.Parallel()
	i := mustRead(t, newc(append(dirs("usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/6.1.0", "usr/lib/modules/6.1.0/kernel", "usr/lib/modules/6.2.0"),
		cpioFile{name: "lib", link: "usr/lib"},
		cpioFile{name: "lib/modules/6.1.0/modules.dep"},
		cpioFile{name: "lib/modules/6.1.0/kernel/virtio-blk.ko.xz", data: "x"},
		cpioFile{name: "lib/modules/6.1.0/kernel/nls_utf8.ko.zst", data: "x"},
		cpioFile{name: "lib/modules/6.1.0/kernel/ext4.ko", link: "../ext4.ko"},
		cpioFile{name: "lib/modules/6.1.0/kernel/dir.ko", mode: modeDir},
		cpioFile{name: "lib/modules/README", data: "no release"},
		cpioFile{name: "usr/sr_mod.ko", data: "not in a tree"},
	)...))
	if diff := cmp.Diff([]string{"6.1.0", "6.2.0"}, i.Versions()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ext4", "nls_utf8", "virtio_blk"}, i.Modules()); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]bool{"virtio_blk": true, "virtio-blk": true, "nls-utf8": true, "ext4": true, "sr_mod": false, "dir": false, "": false} {
		if got := i.HasModule(name); got != want {
			t.Errorf("HasModule(%q) = %t", name, got)
		}
	}
	// Without usr-merge.
	i = mustRead(t, newc(append(dirs("lib", "lib/modules", "lib/modules/5.4.0"), cpioFile{name: "lib/modules/5.4.0/loop.ko.gz", data: "x"})...))
	if diff := cmp.Diff([]string{"5.4.0"}, i.Versions()); diff != "" || !i.HasModule("loop") {
		t.Error(diff)
	}
}
