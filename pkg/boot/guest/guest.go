// Package guest asks a booting system's own systemd how the boot goes, through
// a root shell on a serial port.
package guest

// KernelArgs returns the kernel arguments that open the channel on the tty, as
// in "ttyS1".
func KernelArgs(tty string) []string {
	return []string{"systemd.debug_shell=" + tty}
}
