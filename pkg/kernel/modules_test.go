package kernel

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const treeDir = "usr/lib/modules/6.1.0/"

func moduleFS(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{strings.TrimSuffix(treeDir, "/"): &fstest.MapFile{Mode: fs.ModeDir | 0o755}}
	for name, data := range files {
		fsys[treeDir+name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

func TestReadModuleTree(t *testing.T) {
	t.Parallel()
	got, err := ReadModuleTree(moduleFS(map[string]string{
		"vmlinuz":                        "",
		"kernel/fs/ext4/ext4.ko.xz":      "",
		"kernel/fs/jbd2/jbd2.ko.xz":      "",
		"kernel/drivers/virtio-blk.ko":   "",
		"updates/dkms/virtio-blk.ko.zst": "",
		"modules.dep": "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz\n" +
			"/lib/modules/6.1.0/kernel/fs/jbd2/jbd2.ko.xz:\n\n/opt/outside.ko: /lib/modules/6.1.0/kernel/fs/jbd2/jbd2.ko.xz",
		"modules.builtin": "kernel/drivers/scsi/sr-mod.ko\nkernel/fs/erofs/erofs.ko\n",
	}), "6.1.0")
	if err != nil {
		t.Fatal(err)
	}
	want := &ModuleTree{
		Release: "6.1.0",
		Files:   []string{"kernel/drivers/virtio-blk.ko", "kernel/fs/ext4/ext4.ko.xz", "kernel/fs/jbd2/jbd2.ko.xz", "updates/dkms/virtio-blk.ko.zst"},
		Dep: map[string][]string{
			"kernel/fs/ext4/ext4.ko.xz": {"kernel/fs/jbd2/jbd2.ko.xz", "kernel/lib/crc16.ko.xz"},
			"kernel/fs/jbd2/jbd2.ko.xz": {},
			"/opt/outside.ko":           {"kernel/fs/jbd2/jbd2.ko.xz"},
		},
		Builtin: map[string]bool{"sr_mod": true, "erofs": true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/opt/outside.ko", "kernel/lib/crc16.ko.xz"}, got.Missing()); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]bool{"ext4": true, "virtio_blk": true, "virtio-blk": true, "sr_mod": true, "sr-mod": true, "crc16": false, "vmlinuz": false, "": false} {
		if got.Has(name) != want {
			t.Errorf("Has(%q) is %t", name, !want)
		}
	}
}

func TestReadModuleTreeWithoutFiles(t *testing.T) {
	t.Parallel()
	got, err := ReadModuleTree(moduleFS(nil), "6.1.0")
	if err != nil || got.Dep != nil || got.Builtin != nil || got.Files != nil || got.Missing() != nil || got.Has("ext4") {
		t.Errorf("empty tree: %+v, %v", got, err)
	}
	got, err = ReadModuleTree(moduleFS(map[string]string{"modules.dep": "", "modules.builtin": ""}), "6.1.0")
	if err != nil || got.Dep == nil || len(got.Dep) != 0 || got.Builtin == nil {
		t.Errorf("empty files: %+v, %v", got, err)
	}
}

func TestReadModuleTreeErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70_000)
	for _, tt := range []struct{ name, file, data, want string }{
		{"no colon", "modules.dep", "a.ko: b.ko\nb.ko\n", treeDir + "modules.dep:2: no colon behind the module's path"},
		{"no module", "modules.dep", "a.ko: b\n", treeDir + `modules.dep:1: "b" is no module's path`},
		{"no path", "modules.dep", ": b.ko\n", treeDir + `modules.dep:1: "" is no module's path`},
		{"twice", "modules.dep", "a.ko:\n/usr/lib/modules/6.1.0/a.ko:\n", treeDir + `modules.dep:2: "a.ko" for the second time`},
		{"NULs", "modules.dep", strings.Repeat("\x00", 100), treeDir + "modules.dep:1: no colon behind the module's path"},
		{"long line", "modules.dep", "a.ko:\n" + long, treeDir + "modules.dep:2: line longer than 64 KiB"},
		{"many lines", "modules.builtin", strings.Repeat("\n", maxModuleLines+1), treeDir + "modules.builtin:1000001: too many lines"},
		{"builtin", "modules.builtin", "kernel/fs/ext4.ko\nkernel/fs/ext3\n", treeDir + `modules.builtin:2: "kernel/fs/ext3" is no module's path`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree, err := ReadModuleTree(moduleFS(map[string]string{tt.file: tt.data}), "6.1.0")
			var broken *ModulesError
			if !errors.As(err, &broken) || tree != nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := ReadModuleTree(moduleFS(nil), "6.2.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such tree: %v", err)
	}
	for _, kver := range []string{"", ".", "..", "../6.1.0", "6.1.0/kernel", "6.1.0/"} {
		if _, err := ReadModuleTree(moduleFS(nil), kver); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", kver, err)
		}
	}
	broken := errors.New("input/output error")
	for _, name := range []string{"modules.dep", "modules.builtin"} {
		fsys := brokenFS{moduleFS(map[string]string{name: ""}), treeDir + name, broken}
		if _, err := ReadModuleTree(fsys, "6.1.0"); !errors.Is(err, broken) {
			t.Errorf("%s that cannot be opened: %v", name, err)
		}
	}
}

// brokenFS has a file that cannot be opened.
type brokenFS struct {
	fs.FS
	name string
	err  error
}

func (f brokenFS) Open(name string) (fs.File, error) {
	if name == f.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	return f.FS.Open(name)
}

func TestModuleName(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"kernel/fs/nls/nls-utf8.ko.xz": "nls_utf8", "a.ko": "a", "a.ko.gz": "a", "a-b_c.ko.zst": "a_b_c", "/x/a.b.ko": "a.b",
		"a.ko.bz2": "", "a.so": "", ".ko": "", "": "", "ko": "", "a.ko/modules.dep": "",
	} {
		if got := ModuleName(file); got != want {
			t.Errorf("ModuleName(%q) = %q, want %q", file, got, want)
		}
	}
}
