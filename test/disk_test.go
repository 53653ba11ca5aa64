//go:build e2e

package test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// makeDisk makes the stored base bootable, and has e2fsck look at the disk.
func makeDisk(t *testing.T, o disk.Options) *disk.Bootable {
	t.Helper()
	img, _ := debian(t)
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	dir, start := t.TempDir(), time.Now()
	b, err := disk.Make(t.Context(), root, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(b.Disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("mode %q: %.1f s, %d of %d MiB", o.Mode, time.Since(start).Seconds(), fi.Sys().(*syscall.Stat_t).Blocks*512>>20, fi.Size()>>20)
	e2fs(t, "e2fsck", "-fn", b.Disk)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("the folder has %v, %v", files, err)
	}
	kernel, err := os.ReadFile(b.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	want, err := fs.ReadFile(root, "usr/lib/modules/"+b.Release+"/vmlinuz")
	if err != nil || !bytes.Equal(kernel, want) {
		t.Errorf("the kernel is not the image's: %v", err)
	}
	return b
}

func e2fs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestDiskDirect(t *testing.T) {
	t.Parallel()
	b := makeDisk(t, disk.Options{Mode: disk.Direct})
	for name, word := range map[string]string{"/etc/machine-id": "uninitialized", "/usr/lib/ostree/prepare-root.conf": "[composefs]"} {
		if got := e2fs(t, "debugfs", "-R", "cat "+name, b.Disk); !strings.Contains(got, word) {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// TestDiskOSTree deploys with the ostree of this machine, which is the strongest
// way for the base, and with that of the image where this machine has none.
func TestDiskOSTree(t *testing.T) {
	programs := t.TempDir()
	for _, name := range []string{"podman", "e2fsck", "debugfs"} {
		at, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(at, filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, path string
		o          disk.Options
		note       string
	}{
		{"of the machine", os.Getenv("PATH"), disk.Options{Kargs: []string{"kiln=1", "kiln=2", `kiln.text="a b"`}}, "is too old to know of it"},
		{"of the image", programs, disk.Options{Mode: disk.OSTree, Reference: debianBase, Kargs: []string{"kiln=1", "kiln=2", `kiln.text="a b"`}}, "with the ostree of the image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PATH", c.path)
			b := makeDisk(t, c.o)
			if b.Mode != disk.OSTree || !strings.Contains(strings.Join(b.Notes, " "), c.note) {
				t.Errorf("mode %q; %q", b.Mode, b.Notes)
			}
			args := strings.Join(b.Cmdline, " ")
			_, link, _ := strings.Cut(args, "ostree=")
			if !strings.Contains(args, " rw ") || !strings.Contains(args, ` kiln=1 kiln=2 kiln.text="a b" `) || !strings.HasPrefix(link, "/ostree/boot.1/default/") {
				t.Errorf("the arguments are %q", args)
			}
			wantDeployment(t, b.Disk, link)
		})
	}
}

// wantDeployment looks at what the machine will find.
func wantDeployment(t *testing.T, file, link string) {
	t.Helper()
	of := func(name string) string { return "\"" + link + "/" + name + "\"" }
	if got := e2fs(t, "debugfs", "-R", "stat "+of("."), file); !strings.Contains(got, "Flags: 0x") || !immutable(got) {
		t.Errorf("the deployment may be changed:\n%s", got)
	}
	// The repository has the same file.
	if got := e2fs(t, "debugfs", "-R", "stat "+of("usr/bin/bash"), file); !strings.Contains(got, "Links: 2") {
		t.Errorf("the deployment is a copy:\n%s", got)
	}
	for _, name := range []string{"etc/os-release", "usr/etc/passwd", "etc/passwd"} {
		if got := e2fs(t, "debugfs", "-R", "stat "+of(name), file); !strings.Contains(got, "Inode:") {
			t.Errorf("no %s in the deployment: %s", name, got)
		}
	}
	if got := e2fs(t, "debugfs", "-R", "ls -p /ostree/deploy/default/var", file); strings.Contains(got, "/cache/") {
		t.Errorf("/var has content:\n%s", got)
	}
}

// immutable reads the flags in the output of debugfs's stat.
func immutable(stat string) bool {
	_, at, _ := strings.Cut(stat, "Flags: 0x")
	flags, _, _ := strings.Cut(at, "\n")
	flags, _, _ = strings.Cut(flags, " ")
	return len(flags) > 1 && strings.ContainsRune("13579bdf", rune(flags[len(flags)-2])) // bit 0x10
}

// TestDiskCancelled stops a deployment while ostree takes in the image.
func TestDiskCancelled(t *testing.T) {
	t.Parallel()
	img, _ := debian(t)
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err = disk.Make(ctx, stopping{root, cancel}, dir, disk.Options{Mode: disk.OSTree})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// stopping is a root that stops the work when a file in its middle is read.
type stopping struct {
	image.Root
	stop func()
}

func (s stopping) Open(name string) (fs.File, error) {
	if name == "usr/bin/bash" {
		s.stop()
	}
	return s.Root.Open(name)
}
