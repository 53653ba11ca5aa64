//go:build e2e

package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
)

// TestBoot boots the base out of the layers that it was cut into. The times are for
// whoever reads the log. The other way to boot is TestBootOfWhatWasPulled's.
func TestBoot(t *testing.T) {
	t.Parallel()
	dir, out := filepath.Join(t.TempDir(), "layout"), t.TempDir()
	chunkTo(t, dir, "", debianBase)
	o := bootkiln(t, "boot", "--mode", "direct", "--target", "multi-user.target",
		"--expect-active", "dbus.service", "--out", out, "--format", "json", "oci:"+dir)
	o.want(t, 0, "the kernel runs", "the initramfs runs")
	var r boot.Result
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	wantBase(t, r, disk.Direct, "multi-user.target", out)
}

// wantBase fails the test unless the base has booted to the target, with its console
// in the folder.
func wantBase(t *testing.T, r boot.Result, mode disk.Mode, target, out string) {
	t.Helper()
	if r.Verdict != boot.Booted || r.Mode != mode || r.Target != target || r.State != "running" ||
		r.Kernel == "" || !strings.Contains(r.OS, "Debian") || len(r.Assertions) != 1 || !r.Assertions[0].OK {
		t.Errorf("got %+v", r)
	}
	console, err := os.ReadFile(filepath.Join(out, boot.ConsoleName))
	if err != nil || int64(len(console)) != r.Console.Bytes {
		t.Errorf("console.log has %d bytes of %d: %v", len(console), r.Console.Bytes, err)
	}
	t.Logf("%s with %s: %.0f s (%s)", mode, r.Accelerator, r.Seconds, r.Times)
}

// TestBootFails is about an image with a target that does not exist, which the
// checks cannot know of.
func TestBootFails(t *testing.T) {
	t.Parallel()
	o := bootkiln(t, "boot", "--mode", "direct", "--target", "nowhere.target", debianBase)
	o.want(t, 4, "does not boot")
	if !strings.Contains(o.stdout, "it has no such target") {
		t.Error(o.stdout)
	}
}

// TestBootStops stops a boot in the middle, by Ctrl-C and by a kill that nobody
// can catch: no machine is left, and no disk.
func TestBootStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal unix.Signal
		status int
	}{"interrupted": {unix.SIGINT, 130}, "killed": {unix.SIGKILL, -1}} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			args := []string{"boot", "--mode", "direct", "--tmpdir", tmp, debianBase}
			r := start(t, args...)
			r.until(t, "the kernel runs")
			if len(machines(t, tmp)) != 1 {
				t.Fatalf("%d machines run", len(machines(t, tmp)))
			}
			machine, err := unix.PidfdOpen(machines(t, tmp)[0], 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(machine)
			if err := unix.Kill(r.Process.Pid, c.signal); err != nil {
				t.Fatal(err)
			}
			if status := r.wait(); status != c.status {
				t.Errorf("exit status %d, want %d:\n%s", status, c.status, r.said())
			}
			// The kernel kills it when the other has ended.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(machine), Events: unix.POLLIN}}, -1); err != nil {
				t.Fatal(err)
			}
			if c.signal == unix.SIGKILL {
				// The next run removes what could not be.
				bootkiln(t, "boot", "--tmpdir", tmp, "--rootfs", t.TempDir()).want(t, 4)
			}
			assertEmpty(t, tmp)
		})
	}
}

// machines are the processes of QEMU that have a file below the folder.
func machines(t *testing.T, dir string) []int {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, name := range processes {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if strings.HasPrefix(filepath.Base(strings.SplitN(string(line), "\x00", 2)[0]), "qemu") && strings.Contains(string(line), dir) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, pid)
		}
	}
	return found
}
