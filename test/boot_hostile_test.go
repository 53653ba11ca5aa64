//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cavaliergopher/cpio"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/boot"
)

// misbehave makes the initramfs one whose init does what it should not.
func (m *mutant) misbehave(way string) {
	m.t.Helper()
	program := filepath.Join(m.t.TempDir(), "init")
	tool(m.t, []string{"CGO_ENABLED=0"}, "go", "build", "-ldflags=-s -w", "-o", program, "./guestinit")
	content, err := os.ReadFile(program)
	m.must(err)
	var archive bytes.Buffer
	w := cpio.NewWriter(&archive)
	m.must(w.WriteHeader(&cpio.Header{Name: "init", Mode: cpio.TypeReg | 0o755, Size: int64(len(content)), Links: 1}))
	_, err = w.Write(content)
	m.must(err)
	m.must(w.Close())
	m.write(m.initramfs(), archive.String())
	m.write(kargsConf, "kargs = [\"misbehave="+way+"\"]\n")
}

// TestBootMisbehaves boots guests that flood their console, hang, halt and
// restart: each ends, and costs what it may. It has no test beside it: what Linux
// tells of a program's memory is at least what its parent had (execve(2) after
// vfork(2)), which is this process with all that goes on in it.
func TestBootMisbehaves(t *testing.T) {
	_, config := debian(t)
	base := mounted(t, debianBase)
	const (
		mostConsole = 6 << 20   // bytes in console.log
		mostMemory  = 512 << 10 // of bootkiln, in KiB
	)
	for _, c := range []struct {
		way    string
		class  boot.Class
		starts int // of the machine
		more   []string
	}{
		{"flood", boot.NoLogin, 1, []string{"--timeout", "60s"}},
		{"hang", boot.NoLogin, 1, []string{"--timeout", "30s"}},
		{"halt", boot.PowersOff, 1, nil},
		{"restart", boot.Reboots, 1, nil},
		{"restart-in-order", boot.Reboots, 2, nil},
	} {
		t.Run(c.way, func(t *testing.T) {
			t.Parallel()
			m := newMutant(t, config, base)
			m.misbehave(c.way)
			tmp, out := t.TempDir(), t.TempDir()
			cmd := command(t, append([]string{
				"boot", "--mode", "direct", "--tmpdir", tmp, "--out", out, "--format", "json", "--rootfs", m.dir,
			}, c.more...)...)
			o := cmd.run(t)
			o.want(t, 4, "does not boot")
			var r boot.Result
			if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
				t.Fatal(err)
			}
			if r.Failure == nil || r.Failure.Class != c.class || len(r.Failure.Excerpt) == 0 {
				t.Errorf("failure %+v, want the class %q", r.Failure, c.class)
			}
			kept, err := os.ReadFile(filepath.Join(out, boot.ConsoleName))
			if err != nil {
				t.Fatal(err)
			}
			if len(kept) > mostConsole {
				t.Errorf("%d bytes are kept of %d that the guest wrote", len(kept), r.Console.Bytes)
			}
			// The kernel's first line is in the log of each start.
			if starts := bytes.Count(kept, []byte("] Linux version ")); starts != c.starts {
				t.Errorf("the machine was started %d times, want %d:\n%s", starts, c.starts, strings.Join(r.Failure.Excerpt, "\n"))
			}
			used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
			if used > mostMemory {
				t.Errorf("bootkiln took %d KiB of memory", used)
			}
			assertNothingLeft(t, tmp)
			t.Logf("%s with %s: %.0f s, %d bytes of console, %d KiB of memory", c.way, r.Accelerator, r.Seconds, r.Console.Bytes, used)
		})
	}
}

// TestBootWithoutQEMU is about a machine that lacks it: that is said before the
// long build.
func TestBootWithoutQEMU(t *testing.T) {
	t.Parallel()
	cmd := command(t, "boot", "--rootfs", mounted(t, debianBase))
	cmd.Env = append(cmd.Env, "PATH="+t.TempDir())
	cmd.run(t).want(t, 1, "qemu-system-x86_64", "hint: ")

	s, p := newSite(t), newProject(t)
	p.write(t, s.destination("latest"))
	publish := command(t, p.args("publish", s.access()...)...)
	publish.Env = append(publish.Env, "PATH="+withoutQEMU(t))
	o := publish.run(t)
	o.want(t, 1, "qemu-system-x86_64")
	if strings.Contains(o.stderr, "build: done") {
		t.Errorf("that QEMU is missing was found after the build:\n%s", o.stderr)
	}
}

// withoutQEMU is a folder with links to all programs of PATH but QEMU's.
func withoutQEMU(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range filepath.SplitList(os.Getenv("PATH")) {
		entries, err := os.ReadDir(from)
		if err != nil {
			continue // PATH may name what is not there
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "qemu") {
				_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())) // the first one counts
			}
		}
	}
	return dir
}

// TestBootWithoutSpace boots where the disk does not fit.
func TestBootWithoutSpace(t *testing.T) {
	t.Parallel()
	base := mounted(t, debianBase)
	for _, mode := range []string{"direct", "ostree"} {
		t.Run(mode, func(t *testing.T) {
			tmp := t.TempDir()
			if err := unix.Mount("tmpfs", tmp, "tmpfs", 0, "size=150m"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(tmp, 0); err != nil {
					t.Errorf("something still uses the small file system: %v", err)
				}
			})
			bootkiln(t, "boot", "--mode", mode, "--tmpdir", tmp, "--rootfs", base).want(t, 1, "free", "hint: make room")
			assertEmpty(t, tmp)
		})
	}
}

// TestBootKilledWhileDeploying kills bootkiln while ostree works for it.
func TestBootKilledWhileDeploying(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	r := start(t, "boot", "--mode", "ostree", "--tmpdir", tmp, debianBase)
	r.until(t, "making the disk")
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.wait()
	// The next run removes what could not be.
	bootkiln(t, "boot", "--tmpdir", tmp, "--rootfs", t.TempDir()).want(t, 4)
	assertNothingLeft(t, tmp)
}

// assertNothingLeft fails the test if a run that had that folder for temporary
// files left a machine, another program, a mount, a loop device or a file.
func assertNothingLeft(t *testing.T, tmp string) {
	t.Helper()
	assertEmpty(t, tmp)
	for _, pid := range machines(t, tmp) {
		t.Errorf("machine %d still runs", pid)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, tmp) {
			t.Errorf("a mount is left: %s", line)
		}
	}
	loops, err := exec.CommandContext(t.Context(), "losetup", "--noheadings", "--list", "--output", "NAME,BACK-FILE").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(loops)) {
		if strings.Contains(line, tmp) {
			t.Errorf("a loop device is left: %s", line)
		}
	}
}
