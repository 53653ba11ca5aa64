package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// booting is one call of Boot.
type booting struct {
	Options
	model    *qemu.Model
	accel    qemu.Accel
	bootable *disk.Bootable
	// manager says that the image has a display manager to look at.
	manager bool
	result  *Result
}

// acceleratorError says that QEMU failed, and not the guest.
type acceleratorError struct{ error }

func (e *acceleratorError) Unwrap() error { return e.error }

func (b *booting) note(text string) { b.result.Notes = append(b.result.Notes, text) }

// chooseAccel returns the accelerator that was asked for, or the first that
// works.
func (b *booting) chooseAccel(ctx context.Context) (qemu.Accel, error) {
	if _, err := b.model.Program(); err != nil {
		return "", err
	}
	var errs []error
	for _, a := range []qemu.Accel{qemu.KVM, qemu.TCG} {
		if b.Accel != "" && b.Accel != a {
			continue
		}
		err := qemu.Probe(ctx, b.model, a, b.Dir)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("trying %s: %w", a, err))
		if a == qemu.KVM && b.Accel == "" {
			b.note("KVM does not work here, so the image was booted in emulation: " + err.Error())
		}
	}
	return "", fmt.Errorf("booting the image: no accelerator works: %w", errors.Join(errs...))
}

// prepare makes the disk.
func (b *booting) prepare(ctx context.Context, img image.Image) (err error) {
	root, err := img.Root(ctx)
	if err != nil {
		return fmt.Errorf("opening the root file system of %q: %w", img.Location(), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	_, missing := root.Lstat("etc/systemd/system/display-manager.service")
	b.manager = missing == nil
	dir := filepath.Join(b.Dir, "machine")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return fmt.Errorf("making a folder for the machine: %w", err)
	}
	b.Stage.Infof("making the disk")
	b.bootable, err = disk.Make(ctx, root, dir, disk.Options{Mode: b.Mode, Reference: b.Reference, Kargs: b.arguments()})
	if err != nil {
		return err
	}
	b.result.Mode = b.bootable.Mode
	b.result.Notes = append(b.result.Notes, b.bootable.Notes...)
	return nil
}

// retries is dracut's rd.retry: after how many seconds it gives the disk up. It
// counts rounds of half a second in which udev had loaded all drivers and made
// all devices that there are, so that a slow machine has all the time it needs
// and where nothing is left to do nobody waits (dracut-initqueue.sh). systemd's
// own time for the device, rd.timeout, runs from the beginning.
const retries = 15

// arguments are what the kernel gets beside what image and way in ask for. Nothing of it
// makes an image boot that would not, or the other way around.
func (b *booting) arguments() []string {
	args := []string{
		"console=tty0", "console=" + b.model.Console,
		// What an image asks for with "quiet" would hide the evidence.
		"loglevel=7", "systemd.show_status=1",
	}
	args = append(args, b.model.Arguments...)
	args = append(args, guest.KernelArgs(b.model.Channel)...)
	if b.Interact == nil {
		// Failures that would wait for somebody to press a key end the machine.
		wait := strconv.Itoa(int(paceOf(b.accel).device / time.Second))
		args = append(args, "panic=-1", "rd.shell=0", "rd.emergency=poweroff", "rd.timeout="+wait, "rd.retry="+strconv.Itoa(retries))
	}
	return args
}

// unloadable is what QEMU says of a kernel or an initramfs that it cannot put
// into the machine's memory (hw/i386/x86.c, hw/arm/boot.c).
var unloadable = regexp.MustCompile(`initrd is too large|too old to load a ram disk|[Cc]ould not load (kernel|initrd)|could not open kernel file|invalid kernel header|error reading (initrd|kernel)|kernel .* is too large`)

// run starts the machine and watches it.
func (b *booting) run(ctx context.Context) error {
	memory, cpus := b.Memory, b.CPUs
	if memory == 0 {
		memory = DefaultMemory
	}
	if cpus == 0 {
		cpus = DefaultCPUs
	}
	b.result.Accelerator = string(b.accel)
	b.result.KernelArguments = b.bootable.Cmdline
	timeout := b.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout(b.accel)
	}
	t := &trial{
		spec: qemu.Spec{
			Model: b.model, Accel: b.accel, CPUs: cpus, Memory: memory,
			Disk: b.bootable.Disk, Kernel: b.bootable.Kernel, Initramfs: b.bootable.Initramfs, Cmdline: b.result.KernelArguments,
			Firmware: b.bootable.Firmware, Variables: b.bootable.Variables,
		},
		timeout: timeout, start: time.Now(), log: newConsoleLog(keptHead, keptTail),
	}
	b.Stage.Infof("starting a %s machine (%s), %s boot, at most %v", b.model.Machine, b.accel, b.bootable.Mode, timeout)
	restarts, err := b.try(ctx, t)
	if restarts {
		text := fmt.Sprintf("The guest went down in order and restarted after %.0f s, which it may once, as after files were labelled for SELinux", t.seconds())
		b.Stage.Infof("%4.0f s  the guest restarts", t.seconds())
		b.note(text)
		t.again = true
		_, err = b.try(ctx, t)
	}
	b.result.Console, b.result.Log = t.log.about(), t.log.bytes()
	return err
}

// trial is a machine that is started until it is clear how it boots.
type trial struct {
	spec    qemu.Spec
	timeout time.Duration // of all of it
	start   time.Time
	log     *consoleLog
	again   bool // started for the second time, on the disk as the first left it
}

func (t *trial) seconds() float64 { return float64(time.Since(t.start).Milliseconds()) / 1000 }

// try starts the machine. It judges what it sees, but for an orderly restart
// that is the first.
func (b *booting) try(ctx context.Context, t *trial) (restarts bool, err error) {
	g, err := qemu.Start(ctx, t.spec)
	if err != nil {
		return false, err
	}
	defer g.Close()

	// Not 0, which would be without an end.
	left := max(t.timeout-time.Since(t.start), time.Second)
	w := &watch{
		console: newConsole(), log: t.log, pace: paceOf(b.accel), timeout: left,
		observe: func(ctx context.Context, conn io.ReadWriter) (*guest.Report, error) {
			return guest.Observe(ctx, conn, guest.Options{Target: b.Target, Expect: b.Expect, Timeout: left})
		},
		live: b.Live,
	}
	w.console.milestone = func(text string) {
		b.Stage.Infof("%4.0f s  %s", t.seconds(), text)
	}
	defer func() {
		g.Close()
		<-w.read
	}()
	line := newDetachable(g.Channel)
	seen := w.run(ctx, machine{Console: g.Console, Channel: line.attach(), Ended: g.Ended(), Busy: g.Busy})
	b.result.Seconds = t.seconds()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	switch {
	case seen.ending == qemu.Crashed && unloadable.MatchString(g.Err().Error()):
		b.result.Failure = &Failure{Class: BadKernel, Explanation: BadKernel.kind().explanation, Excerpt: []string{plain(g.Err().Error())}}
	case seen.ending == qemu.Crashed:
		return false, &acceleratorError{g.Err()}
	case seen.ending == qemu.Reset && seen.orderly && !t.again:
		return true, nil
	default:
		b.judge(seen)
	}
	if seen.ending == "" {
		return false, b.finish(ctx, g, line, seen)
	}
	return false, nil
}

// finish does what is to be done with a machine that still runs.
func (b *booting) finish(ctx context.Context, g *qemu.Guest, line *detachable, seen *seen) error {
	b.manager = b.manager && seen.report.Reached && seen.report.Target == "graphical.target"
	if b.Screenshot || b.manager {
		picture, err := b.picture(ctx, g)
		if err != nil {
			return err
		}
		b.result.Picture, b.result.Screenshot = picture, ScreenshotName
	}
	if b.Interact == nil {
		return nil
	}
	s := Session{Result: b.result, Console: g.Console, Ended: g.Done()}
	if seen.report.Shell {
		s.Root = line.attach()
	}
	return b.Interact(ctx, s)
}
