package disk

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

const kver = "6.1.0-1-amd64"

// bootable is the least that can be tried.
func bootable() fake.Files {
	return fake.Files{
		"usr/lib/modules/" + kver + "/vmlinuz":         fake.Text(fake.Kernel(kver, "amd64")),
		"usr/lib/modules/" + kver + "/initramfs.img":   fake.Text(fake.Initramfs(fake.Files{"init": fake.Program("x"), prepareRootProgram: fake.Program("composefs")})),
		"usr/lib/modules/" + kver + "/modules.builtin": fake.Text("kernel/fs/ext4/ext4.ko\n"),
		"usr/lib/modules/" + kver + "/modules.dep":     fake.Text(""),
		"usr/lib/bootc/kargs.d/10-a.toml":              fake.Text("kargs = [\"quiet\", \"a=\\\"b c\\\"\"]\n"),
		"usr/lib/bootc/kargs.d/20-arm.toml":            fake.Text("kargs = [\"arm\"]\nmatch-architectures = [\"aarch64\"]\n"),
		"usr/lib/bootc/kargs.d/30-amd.toml":            fake.Text("kargs = [\"amd\"]\nmatch-architectures = [\"x86_64\"]\n"),
		"usr/lib/bootc/kargs.d/readme":                 fake.Text("="),
		"etc/os-release":                               fake.Text("ID=kiln\n"),
	}
}

func TestDirect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := Make(t.Context(), openRoot(t, bootable()), dir, Options{Mode: Direct, Free: 1 << 20, Kargs: []string{"console=ttyS0"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"root=UUID=" + rootUUID, "rw", "quiet", `a="b c"`, "amd", "console=ttyS0"}; !slices.Equal(b.Cmdline, want) {
		t.Errorf("the arguments are %q, want %q", b.Cmdline, want)
	}
	if b.Release != kver || b.Architecture != "amd64" || b.Mode != Direct {
		t.Errorf("it is %+v", b)
	}
	content, err := os.ReadFile(b.Kernel)
	if err != nil || string(content) != fake.Kernel(kver, "amd64") {
		t.Errorf("another kernel: %v", err)
	}
	if files := readDisk(t, b.Disk); files["etc/os-release"].content != "ID=kiln\n" {
		t.Errorf("the disk has %+v", files)
	}
}

func TestUKI(t *testing.T) {
	t.Parallel()
	uki := fake.UKI(map[string]string{
		".linux": fake.Kernel(kver, "amd64"), ".initrd": "INITRD", ".ucode": "UCODE", ".uname": kver,
		".cmdline": "composefs=abc root=/dev/sda rw splash",
	})
	files := bootable().With(fake.Files{"boot/EFI/Linux/b.efi": fake.Text("no"), "boot/EFI/Linux/a.efi": fake.Text(uki)})
	b, err := Make(t.Context(), openRoot(t, files), t.TempDir(), Options{Mode: Direct, Free: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if initramfs, err := os.ReadFile(b.Initramfs); err != nil || string(initramfs) != "UCODEINITRD" {
		t.Errorf("the initramfs is %q, %v", initramfs, err)
	}
	if !slices.Equal(b.Cmdline[:4], []string{"root=UUID=" + rootUUID, "rw", "splash", "quiet"}) {
		t.Errorf("the arguments are %q", b.Cmdline)
	}
	if len(b.Notes) != 1 || !strings.Contains(b.Notes[0], "The initramfs cannot be read") {
		t.Errorf("the notes are %q", b.Notes)
	}
}

// TestUnbootable lacks one thing each time.
func TestUnbootable(t *testing.T) {
	t.Parallel()
	in := "usr/lib/modules/" + kver + "/"
	bare := fake.Text(fake.Initramfs(fake.Files{"init": fake.Program("x")}))
	for want, c := range map[string]struct {
		files fake.Files
		mode  Mode
	}{
		"no kernel":                 {files: bootable().Without(in + "vmlinuz")},
		"no initramfs":              {files: bootable().Without(in + "initramfs.img")},
		"is no kernel":              {files: bootable().With(fake.Files{in + "vmlinuz": fake.Text("x")})},
		"no ostree-prepare-root":    {files: bootable().With(fake.Files{in + "initramfs.img": bare}), mode: OSTree},
		"has no ostree-prepare-":    {files: bootable().With(fake.Files{in + "initramfs.img": bare, prepareRootProgram: fake.Program("x")})},
		"both /etc and /usr/etc":    {files: bootable().With(fake.Files{"usr/etc/x": fake.Text("")}), mode: OSTree},
		"no driver":                 {files: bootable().With(fake.Files{in + "modules.builtin": fake.Text("kernel/drivers/x.ko\n")})},
		`unknown key "args"`:        {files: bootable().With(fake.Files{"usr/lib/bootc/kargs.d/20.toml": fake.Text("args = []\n")})},
		"no kargs in it":            {files: bootable().With(fake.Files{"usr/lib/bootc/kargs.d/20.toml": fake.Text("")})},
		"no bootc in it":            {files: bootable(), mode: Install},
		"initramfs in the unified ": {files: bootable().With(fake.Files{"boot/EFI/Linux/a.efi": fake.Text(fake.UKI(map[string]string{".linux": "x"}))})},
	} {
		if want == "no driver" {
			want = "has a driver for a root file system"
		}
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Make(t.Context(), openRoot(t, c.files), dir, Options{Mode: c.mode})
			unbootable := (*UnbootableError)(nil)
			if !errors.As(err, &unbootable) || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, want %q", err, want)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestUnlabelled has a policy whose labels bootc would make.
func TestUnlabelled(t *testing.T) {
	t.Parallel()
	policy := fake.Files{"etc/selinux/config": fake.Text("SELINUX=enforcing\n"), "etc/selinux/targeted/policy/policy.33": fake.Text("x")}
	labelled := fake.File{Mode: fs.ModeDir | 0o755, Xattrs: map[string]string{"security.selinux": "system_u:object_r:usr_t:s0\x00"}}
	for name, c := range map[string]struct {
		files fake.Files
		want  bool
	}{
		"policy":             {policy, true},
		"policy and labels":  {policy.With(fake.Files{"usr": labelled}), false},
		"enforcing, no file": {policy.Without("etc/selinux/targeted/policy/policy.33"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := Make(t.Context(), openRoot(t, bootable().With(c.files)), t.TempDir(), Options{Mode: Direct, Free: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Contains(b.Cmdline, "enforcing=0"); got != c.want || got != (len(b.Notes) == 1) {
				t.Errorf("the arguments are %q, the notes %q", b.Cmdline, b.Notes)
			}
		})
	}
}

// TestTooLittleSpace is refused before a byte is written.
func TestTooLittleSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := checkSpace(dir, 1<<60)
	little := (*SpaceError)(nil)
	if !errors.As(err, &little) || little.Needed != 1<<60 || !strings.Contains(err.Error(), "the disk takes 1.0 EiB") || !strings.Contains(little.MendHint(), dir) {
		t.Errorf("the error is %v", err)
	}
}
