package scripttest

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

const (
	kver     = "6.12.0-55.el10.x86_64"
	modules  = "usr/lib/modules/" + kver
	amd64ELF = 62

	prepareRoot = "[composefs]\nenabled = yes\n"
)

// goodRootfs is an image that every rule passes.
func goodRootfs() fake.Files {
	initramfs := fake.Files{
		"init":                                               fake.Link("usr/lib/systemd/systemd"),
		"usr/lib/systemd/systemd":                            fake.Program(fake.ELF(amd64ELF)),
		modules + "/kernel/fuse.ko":                          fake.Text("module"),
		"usr/lib/ostree/prepare-root.conf":                   fake.Text(prepareRoot),
		"usr/lib/ostree/ostree-prepare-root":                 fake.Program(fake.ELF(amd64ELF)),
		"usr/lib/systemd/system/ostree-prepare-root.service": fake.Text("[Unit]\n"),
		"usr/lib/systemd/system/initrd-root-fs.target.wants/ostree-prepare-root.service": fake.Link("../ostree-prepare-root.service"),
		"lib": fake.Link("usr/lib"),
	}
	return fake.Files{
		"boot": fake.Dir(), "dev": fake.Dir(), "proc": fake.Dir(), "run": fake.Dir(), "sys": fake.Dir(),
		"sysroot": fake.Dir(), "tmp": fake.Dir(), "var": fake.Dir(),
		"ostree":                                fake.Link("sysroot/ostree"),
		"sbin":                                  fake.Link("usr/sbin"),
		"etc/hostname":                          fake.Text("kiln\n"),
		"usr/lib/os-release":                    fake.Text("ID=kiln\nVERSION_ID=1.2\nPRETTY_NAME=\"Kiln 1.2\"\n"),
		"usr/lib/systemd/systemd":               fake.Program(fake.ELF(amd64ELF)),
		"usr/lib/systemd/system/default.target": fake.Text("[Unit]\n"),
		"usr/lib/tmpfiles.d/var.conf":           fake.Text("d /var/log\n"),
		"usr/sbin/init":                         fake.Link("../lib/systemd/systemd"),
		modules + "/kernel/fuse.ko":             fake.Text(fake.Module(kver, "SMP", true)),
		modules + "/modules.builtin":            fake.Text("kernel/ext4.ko\nkernel/erofs.ko\nkernel/overlay.ko\n"),
		modules + "/modules.dep":                fake.Text("kernel/fuse.ko:\n"),
		modules + "/modules.dep.bin":            fake.Text("index"),
		modules + "/vmlinuz":                    fake.Text(fake.Kernel(kver, "amd64")),
		modules + "/initramfs.img":              {Mode: 0o600, Content: fake.Zstd(fake.Initramfs(initramfs))},
		"usr/lib/ostree/prepare-root.conf":      fake.Text(prepareRoot),
	}
}

// changed is the good image with the changes that a script asks for.
func changed(ts *testscript.TestScript, changes []string) fake.Files {
	files := goodRootfs()
	for _, change := range changes {
		name, text, replaced := strings.Cut(change, "=")
		f, there := files[name]
		if replaced {
			if !there || !f.Mode.IsRegular() {
				f = fake.Text("")
			}
			f.Content = text
			files[name] = f
			continue
		}
		if !there {
			ts.Fatalf("the image has no %q to remove", name)
		}
		delete(files, name)
	}
	return files
}

func rootfs(ts *testscript.TestScript, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: rootfs DIR [NAME=TEXT | NAME]…")
	}
	dir := ts.MkAbs(args[0])
	files := changed(ts, args[1:])
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, f := filepath.Join(dir, name), files[name]
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		switch f.Mode.Type() {
		case fs.ModeDir:
			ts.Check(os.MkdirAll(path, 0o755))
		case fs.ModeSymlink:
			ts.Check(os.Symlink(f.Content, path))
		default:
			// No script is root, who alone can read the initramfs of the image.
			ts.Check(os.WriteFile(path, []byte(f.Content), f.Mode.Perm()|0o444))
		}
	}
}

func layout(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: layout DIR NAME [NAME=TEXT | NAME]…")
	}
	dir := ts.MkAbs(args[0])
	// All but the kernel is for amd64, whatever the image is for.
	arch := cmp.Or(ts.Getenv("ARCHITECTURE"), "amd64")
	files := changed(ts, args[2:])
	if arch != "amd64" {
		files[modules+"/vmlinuz"] = fake.Text(fake.Kernel(kver, arch))
	}
	blobs := fake.Blobs{}
	desc := blobs.Manifest(imgspecv1.Image{
		Platform: imgspecv1.Platform{OS: "linux", Architecture: arch},
		Config:   imgspecv1.ImageConfig{Labels: map[string]string{"containers.bootc": "1", "org.opencontainers.image.version": "1.2"}},
		History:  []imgspecv1.History{{CreatedBy: "kiln"}},
	}, files)
	desc.Annotations = map[string]string{imgspecv1.AnnotationRefName: args[1]}
	ts.Check(os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755))
	for d, content := range blobs {
		ts.Check(os.WriteFile(filepath.Join(dir, "blobs", "sha256", d.Encoded()), content, 0o644))
	}
	write := func(name string, v any) {
		b, err := json.Marshal(v)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	write("oci-layout", imgspecv1.ImageLayout{Version: imgspecv1.ImageLayoutVersion})
	write("index.json", imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex,
		Manifests: []imgspecv1.Descriptor{desc},
	})
}
