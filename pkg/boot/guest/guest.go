// Package guest asks a booting system's own systemd how the boot goes, through
// a root shell on a serial port, and says what of it is a failure.
//
// The channel is debug-shell.service, which systemd-debug-generator(8) starts
// on a tty that the kernel command line names. It was chosen because it needs
// nothing in the image that is not systemd's own: every distribution ships it,
// since v243 with a tty of one's choice. It starts before sysinit.target and
// ignores isolation, so that it is there while a boot hangs and after it fell
// into emergency.target, and it leaves the default target what it is. What it
// runs in is the real system, after the initramfs; what fails before that, or
// before systemd, only the console tells. It is wanted by the default target,
// so that a system without one has no shell either.
//
// The alternatives do less: credentials (io.systemd.credential:) need v251 and
// vmm.notify_socket v254 and vhost-vsock, both tell that a target was reached
// and not why it was not, and systemd.extra-unit.* needs v256; CentOS Stream 9
// and Debian 12 have v252.
//
// The tty should be a second UART, ttyS1. The driver of hvc0, virtio_console,
// is a module in Debian's kernels for clouds; where it is not loaded in time,
// debug-shell.service gives up for good. A UART on PCI is ttyS0 on machines
// without one of their own, as aarch64's "virt".
package guest

import (
	"context"
	"errors"
	"io"
	"time"
)

// KernelArgs returns the kernel arguments that open the channel on the tty, as
// in "ttyS1". The console has to be another one.
func KernelArgs(tty string) []string {
	// systemd-getty-generator(8) would put a login prompt on the same line,
	// where the tty is hvc0 or an argument of the image makes it a console.
	return []string{"systemd.debug_shell=" + tty, "systemd.mask=serial-getty@" + tty + ".service"}
}

// gathering is how long it may take to ask what happened, once watching ended.
const gathering = time.Minute

// Observe watches a guest boot through conn, the host's end of the tty that
// [KernelArgs] names, and returns what there is to tell as soon as the target
// is reached and the guest has come to rest, or cannot be reached any more, or
// the time is over. conn should be connected before the guest runs.
//
// The report is never nil; an error says why it is less than whole: the context
// ended, or the guest closed the channel, as when it powers off (io.EOF). What
// the guest fails at is no error, but in [Report.Problems]. Observe leaves a
// read of conn behind, which ends when the caller closes it.
func Observe(ctx context.Context, conn io.ReadWriter, o Options) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &watcher{channel: newChannel(ctx, conn), target: o.Target, report: &Report{Target: o.Target}}

	limited, stop := ctx, context.CancelFunc(func() {})
	if o.Timeout > 0 {
		limited, stop = context.WithTimeout(ctx, o.Timeout)
	}
	defer stop()
	err := w.watch(limited)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		w.report.TimedOut, err = true, nil
	}
	if err != nil || !w.report.Shell {
		return w.report, err
	}

	after, stop := context.WithTimeout(ctx, gathering+o.Expect.patience())
	defer stop()
	if err := w.gather(after, o.Expect.AllowFailed); err != nil {
		return w.report, err
	}
	if w.report.Reached {
		return w.report, w.assert(after, o.Expect)
	}
	return w.report, nil
}
