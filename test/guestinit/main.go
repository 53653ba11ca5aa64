// Command guestinit is the first program of a guest that misbehaves in the way
// that the variable "misbehave" names, which the kernel takes from its command
// line.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func main() {
	ways := map[string]func() error{
		"flood": func() error {
			line := append(bytes.Repeat([]byte("more "), 200), '\n')
			for {
				if _, err := os.Stdout.Write(line); err != nil {
					return err
				}
			}
		},
		"hang": func() error {
			for {
				runtime.Gosched() // not asleep, which the runtime would call a deadlock
			}
		},
		"halt":    func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_HALT) },
		"restart": func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) },
		"restart-in-order": func() error {
			// As systemd says it: what goes to the terminal comes late, or never.
			if err := unix.Mknod("/kmsg", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))); err != nil {
				return err
			}
			if err := os.WriteFile("/kmsg", []byte("<6>systemd-shutdown[1]: Rebooting.\n"), 0); err != nil {
				return err
			}
			return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
		},
	}
	way, ok := ways[os.Getenv("misbehave")]
	if !ok {
		way = func() error { return fmt.Errorf("unknown way to misbehave %q", os.Getenv("misbehave")) }
	}
	// The kernel panics when this program ends.
	if err := way(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
