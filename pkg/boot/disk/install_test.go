package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// stubPodman puts a podman on PATH that writes its arguments down and does what
// the script says.
func stubPodman(t *testing.T, script string) (arguments string) {
	t.Helper()
	dir := t.TempDir()
	arguments = filepath.Join(dir, "arguments")
	text := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>" + arguments + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "podman"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return arguments
}

// someMachine has root's rights and a firmware, whatever this one has.
func someMachine(t *testing.T) *machine {
	t.Helper()
	code, vars := filepath.Join(t.TempDir(), "code"), filepath.Join(t.TempDir(), "vars")
	for _, name := range []string{code, vars} {
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return &machine{root: true, firmwares: map[string][][2]string{"amd64": {{"/nowhere", vars}, {code, vars}}}}
}

func TestInstall(t *testing.T) {
	arguments := stubPodman(t, "")
	dir := t.TempDir()
	o := Options{Mode: Install, Reference: "localhost/kiln:1", Kargs: []string{"console=ttyS0"}, machine: someMachine(t)}
	b, err := Make(t.Context(), openRoot(t, bootable().With(fake.Files{"usr/bin/bootc": fake.Program("")})), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	// https://bootc-dev.github.io/bootc/bootc-install.html, "Using bootc install to-disk --via-loopback"
	want := "run " + strings.Join(ulimits, " ") + " --rm --privileged --pid=host --pull=never --cidfile=" + dir + "/container.id --security-opt=label=type:unconfined_t" +
		" --volume=/dev:/dev --volume=/var/lib/containers:/var/lib/containers --volume=" + dir + ":/output localhost/kiln:1" +
		" bootc install to-disk --generic-image --via-loopback --wipe --filesystem=ext4 --karg=console=ttyS0 /output/disk.raw\n"
	if got, err := os.ReadFile(arguments); err != nil || string(got) != want {
		t.Errorf("podman was run as\n%s, %v, want\n%s", got, err, want)
	}
	vars, err := os.ReadFile(b.Variables)
	if err != nil || string(vars) != "vars" || filepath.Base(b.Firmware) != "code" || b.Kernel != "" || b.Cmdline != nil || b.Mode != Install {
		t.Errorf("it is %+v; %q, %v", b, vars, err)
	}
	if fi, err := os.Stat(b.Disk); err != nil || fi.Size() != installSize {
		t.Errorf("the disk is %v, %v", fi, err)
	}
}

func TestInstallOnTheImagesFileSystem(t *testing.T) {
	arguments := stubPodman(t, "")
	root := openRoot(t, bootable().With(fake.Files{
		"usr/bin/bootc": fake.Program(""), "usr/lib/bootc/install/00.toml": fake.Text("[install.filesystem.root]\ntype = \"xfs\"\n"),
	}))
	if _, err := Make(t.Context(), root, t.TempDir(), Options{Mode: Install, Reference: "x", machine: someMachine(t)}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(arguments); err != nil || strings.Contains(string(got), "--filesystem") {
		t.Errorf("podman was run as\n%s, %v", got, err)
	}
}

// TestInstallFails tells what the image did from what podman could not.
func TestInstallFails(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		image  bool
		word   string
	}{
		"the image":   {`for a; do case $a in --cidfile=*) echo 1 >"${a#*=}";; esac; done; echo "error: Installing to disk: no bootupd" >&2; exit 1`, true, "no bootupd"},
		"podman":      {"echo 'no such image' >&2; exit 125", false, "no such image"},
		"a full disk": {"echo 'write: No space left on device' >&2; exit 1", false, "is full"},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := stubPodman(t, `[ "$1" != rm ] || exit 0`+"\n"+c.script)
			dir := t.TempDir()
			_, err := Make(t.Context(), openRoot(t, bootable().With(fake.Files{"usr/bin/bootc": fake.Program("")})), dir,
				Options{Mode: Install, Reference: "x", machine: someMachine(t)})
			unbootable := (*UnbootableError)(nil)
			if err == nil || errors.As(err, &unbootable) != c.image || !strings.Contains(err.Error(), c.word) {
				t.Errorf("the error is %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if got, err := os.ReadFile(arguments); err != nil || strings.Contains(string(got), "rm --force") != c.image {
				t.Errorf("podman was run as\n%s, %v", got, err)
			}
		})
	}
}

// TestStrongest says why a deployment was not made.
func TestStrongest(t *testing.T) {
	t.Parallel()
	in := "usr/lib/modules/" + kver + "/"
	bare := bootable().With(fake.Files{in + "initramfs.img": fake.Text(fake.Initramfs(fake.Files{"init": fake.Program("x")}))})
	for name, c := range map[string]struct {
		files fake.Files
		root  bool
		want  string
	}{
		"no ostree": {bare, true, "it has no ostree-prepare-root"},
		"not root":  {bootable(), false, "files of several owners"},
		"composefs": {bare.With(fake.Files{in + "initramfs.img": fake.Text(fake.Initramfs(fake.Files{bootcSetupProgram: fake.Program("x")}))}), true, "composefs back end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := Make(t.Context(), openRoot(t, c.files.With(fake.Files{"usr/bin/bootc": fake.Program("")})), t.TempDir(), Options{Free: 1 << 20, machine: &machine{root: c.root}})
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(b.Notes, "\n")
			if b.Mode != Direct || !strings.Contains(notes, c.want) || !strings.Contains(notes, "can install itself") {
				t.Errorf("mode %q; %s", b.Mode, notes)
			}
		})
	}
}
