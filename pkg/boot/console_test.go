package boot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

// The consoles are those of real machines. They come in pieces, as from a
// serial port.
func TestConsole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/console/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no consoles", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			c := newConsole()
			c.milestone = func(text string) { fmt.Fprintf(&got, "milestone: %s\n", text) }
			c.final = func(class Class) { fmt.Fprintf(&got, "final: %s\n", class) }
			for piece := range slices.Chunk(text, 17) {
				_, _ = c.Write(piece)
			}
			class, excerpt := c.cause()
			fmt.Fprintf(&got, "class: %s\nlogin: %v\n\nexcerpt:\n%s\n\nend:\n%s\n",
				class, c.loginOffered(), strings.Join(excerpt, "\n"), strings.Join(c.end(), "\n"))
			golden.Check(t, strings.TrimSuffix(file, ".txt")+".golden", got.Bytes())
		})
	}
}

// What the lines are is in the sources of those who write them: init/main.c and
// init/do_mounts.c of Linux, dracut's modules.d, systemd's src/core/main.c and
// src/basic, ostree-prepare-root.c, SeaBIOS' boot.c and edk2's BdsDxe.
func TestSigns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class Class
		text  string
	}{
		{"", "[    0.000000] Kernel command line: root=UUID=x rd.emergency=poweroff init=/usr/lib/systemd/systemd"},
		{"", "[    1.0] systemd[1]: Set hostname to <kiln>."},
		{"", "[[0;32m  OK  [0m] Reached target emergency.target - Emergency Mode."},
		{BadInitramfs, "[    0.5] Initramfs unpacking failed: invalid magic at start of compressed archive\n[    4.4] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"},
		{NoRoot, "[    4.4] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"},
		{NoRoot, "dracut-initqueue[311]: Warning: /dev/disk/by-uuid/99 does not exist\nGenerating \"/run/initramfs/rdsosreport.txt\""},
		{NoRoot, "dracut-initqueue[311]: Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks:"},
		{NoRoot, "dracut-cmdline[1]: FATAL: No or empty root= argument"},
		{NoRoot, "[FAILED] Failed to mount sysroot.mount - /sysroot."},
		{NoInit, "[    3.1] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel."},
		{NoInit, "[    3.1] Kernel panic - not syncing: Requested init /bin/nothing failed (error -2)."},
		{NoInit, "[    3.1] systemd[1]: Failed to execute /sbin/init, giving up: Exec format error\n[    3.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"},
		{NoInit, "[!!!!!!] Failed to execute /sbin/init\n[   25.182275] systemd[1]: No /sbin/init, trying fallback"},
		{NoInit, "systemctl[400]: Failed to switch root: Specified switch root path '/sysroot' does not seem to be an OS tree. os-release file is missing."},
		{InitDied, "/sbin/init: error while loading shared libraries: libc.so.6: cannot open shared object file\n[    3.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00"},
		{InitDied, "[    5.0] systemd[1]: Freezing execution."},
		{SELinux, "[    6.0] systemd[1]: Failed to load SELinux policy. Freezing."},
		{NoDeployment, "ostree-prepare-root[377]: ostree-prepare-root: Couldn't find specified OSTree root '/sysroot//ostree/boot.1/default/0'"},
		{NoDeployment, "[FAILED] Failed to start ostree-prepare-root.service - OSTree Prepare OS/."},
		{Panic, "[    1.0] Kernel panic - not syncing: Fatal exception in interrupt"},
		{OutOfMemory, "[    2.0] Kernel panic - not syncing: System is deadlocked on memory"},
		{NoTarget, "[    5.0] systemd[1]: Failed to load default target: No such file or directory"},
		{Emergency, "[    9.0] systemd[1]: Switching root.\nYou are in emergency mode. After logging in, type \"journalctl -xb\" to view"},
		{NoTarget, "You are in rescue mode. After logging in, type \"journalctl -xb\" to view\nCannot open access to console, the root account is locked."},
		{Emergency, "Cannot open access to console, the root account is locked."},
		{InitrdEmergency, "Welcome to Fedora Linux 43 (Initramfs)!\nYou are in emergency mode. After logging in"},
		{PowersOff, "[    7.0] reboot: System halted"},
		{NoBootLoader, "BdsDxe: No bootable option or device was found."},
	} {
		console := newConsole()
		_, _ = console.Write([]byte(c.text + "\r\n"))
		if got, _ := console.cause(); got != c.class {
			t.Errorf("%q is %q, want %q", c.text, got, c.class)
		}
	}
}

// Only systemd's own way down, to a restart that was asked for, is in order.
func TestWentDown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"[ 2.2] systemd-shutdown[1]: Rebooting.\n[ 2.3] reboot: Restarting system\n[ 2.4] reboot: machine restart\n": true,
		"[ 2.3] reboot: Restarting system\n[ 2.4] reboot: machine restart\n":                                         false,
		"[ 2.2] systemd-shutdown[1]: Rebooting.\n":                                                                   false,
		"[ 2.2] systemd-shutdown[1]: Powering off.\n[ 2.3] reboot: Power down\n":                                     false,
		"[ 2.2] Kernel panic - not syncing: x\n[ 2.3] Rebooting in 1 seconds..\n":                                    false,
	} {
		c := newConsole()
		_, _ = c.Write([]byte(text))
		if got := c.wentDown(); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[\x1b[0;32m  OK  \x1b[0m] Mounted":     "[  OK  ] Mounted",
		"\x1b[K[ ***] Job x\rdone\r":            "done",
		"\x1b]0;title\x07a\tb\x00\u009b31m":     "a b31m",
		"half \xff a character\x1b(B  ":         "half \ufffd a character",
		"\x1b[2J\x1b[1;1H\x1b=SeaBIOS\x1b[?25l": "SeaBIOS",
	} {
		if got := plain(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func FuzzConsole(f *testing.F) {
	f.Add([]byte("\x1b[0;1;31mKernel panic - not syncing\x1b[0m\r\nlocalhost login: "))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newConsole()
		_, _ = c.Write(b)
		_, excerpt := c.cause()
		for _, line := range append(excerpt, c.end()...) {
			if strings.ContainsAny(line, "\x1b\r\n\x00") {
				t.Errorf("%q has what moves a cursor", line)
			}
		}
	})
}

func TestConsoleIsBounded(t *testing.T) {
	t.Parallel()
	c := newConsole()
	_, _ = c.Write([]byte("Kernel panic - not syncing: first\n"))
	for i := range 5 * linesKept {
		fmt.Fprintf(c, "line %d %s\n", i, strings.Repeat("x", 10*longestLine))
	}
	if len(c.lines) > linesKept || len(c.lines[0]) > longestLine {
		t.Errorf("%d lines are kept, the first of %d bytes", len(c.lines), len(c.lines[0]))
	}
	if class, excerpt := c.cause(); class != Panic || len(excerpt) != excerptLines {
		t.Errorf("got %q and %d lines", class, len(excerpt))
	}
}

func TestConsoleLog(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 3, 4, 10, 11, 12, 13, 25, 1000} {
		var text []byte
		for i := range size {
			text = append(text, byte('a'+i%26))
		}
		for _, piece := range []int{1, 3, 7, 2000} {
			l := newConsoleLog(4, 7)
			for p := range slices.Chunk(text, piece) {
				if n, err := l.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			}
			want := string(text)
			if size > 11 {
				want = fmt.Sprintf("%s\n[bootkiln: %d bytes are left out here]\n%s", text[:4], size-11, text[size-7:])
			}
			if got := string(l.bytes()); got != want {
				t.Errorf("%d bytes by %d: got %q, want %q", size, piece, got, want)
			}
			whole := newConsoleLog(4, 7)
			_, _ = whole.Write(text)
			if a, b := l.about(), whole.about(); a != b || a.Bytes != int64(size) || a.Omitted != int64(max(0, size-11)) {
				t.Errorf("%d bytes by %d: %+v", size, piece, a)
			}
		}
	}
}

// A rule that no longer exists would explain nothing.
func TestCausesAreRules(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, r := range check.Rules() {
		known[r.ID] = true
	}
	seen := map[Class]bool{}
	for _, k := range kinds {
		if seen[k.class] || k.summary == "" || k.explanation == "" && k.class != Unbootable {
			t.Errorf("class %q is there twice, or not explained", k.class)
		}
		seen[k.class] = true
		for _, rule := range k.rules {
			if !known[rule] {
				t.Errorf("class %q: there is no rule %q", k.class, rule)
			}
		}
	}
	for _, s := range signs {
		if !seen[s.class] {
			t.Errorf("the sign %v is of the class %q, which is not explained", s.text, s.class)
		}
	}
}
