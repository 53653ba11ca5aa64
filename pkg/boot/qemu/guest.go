package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec is a machine to start.
type Spec struct {
	Model *Model
	Accel Accel
	CPUs  int
	// Memory is in bytes.
	Memory int64
	// Disk is a raw file that the guest may write to; it is the first block
	// device on virtio. What becomes of it when this machine loses its power is
	// of no interest.
	Disk string
	// Kernel, Initramfs and Cmdline are started where Kernel is not "";
	// otherwise Firmware (flash, read-only) boots the disk, with Variables as its
	// writable store, which may be "".
	Kernel, Initramfs   string
	Cmdline             []string
	Firmware, Variables string
}

// Guest is a machine that runs. What it does is told on [Guest.Ended].
type Guest struct {
	// Console is the serial console and Channel the second port. Both must be
	// read: QEMU waits for who does not, and the guest with it. They end when the
	// machine does.
	Console, Channel net.Conn

	pid   int
	qmp   *qmp
	ended chan Ending
	done  chan struct{}
	err   error
	stop  func()
}

// Ending is how a machine came to stop by itself.
type Ending string

// The endings.
const (
	PoweredOff Ending = "powered-off" // the guest switched it off
	Reset      Ending = "reset"       // the guest restarted it, or a fault of its did
	Panicked   Ending = "panicked"    // the guest's kernel said so, through pvpanic
	Crashed    Ending = "crashed"     // QEMU could not go on; see [Guest.Err]
)

// Start starts a machine. It ends when ctx does, when this program dies,
// however that comes to be, and by Close, which must be called.
func Start(ctx context.Context, s Spec) (*Guest, error) {
	m := s.Model
	args := []string{}
	if s.Kernel != "" {
		args = append(args, "-kernel", s.Kernel, "-append", strings.Join(s.Cmdline, " "))
		if s.Initramfs != "" {
			args = append(args, "-initrd", s.Initramfs)
		}
	}
	if s.Firmware != "" {
		args = append(args, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+escape(s.Firmware))
		if s.Variables != "" {
			args = append(args, "-drive", "if=pflash,format=raw,unit=1,file="+escape(s.Variables))
		}
	}
	args = append(args,
		"-drive", "if=none,id=disk,format=raw,cache=unsafe,discard=unmap,file="+escape(s.Disk),
		"-device", "virtio-blk-pci,drive=disk",
		"-device", "virtio-rng-pci",
		// A panic and a restart are endings, seen by what remains of the machine.
		"-action", "reboot=shutdown,panic=shutdown",
	)
	for _, d := range m.devices {
		args = append(args, "-device", d)
	}
	if m.Console == "ttyAMA0" {
		args = append(args, "-serial", "chardev:console")
	}
	return start(ctx, s, args)
}

// escape quotes a file name for QEMU's lists of options.
func escape(name string) string { return strings.ReplaceAll(name, ",", ",,") }

// start starts QEMU with what all machines have, and the given arguments.
func start(ctx context.Context, s Spec, args []string) (_ *Guest, err error) {
	program, err := s.Model.Program()
	if err != nil {
		return nil, err
	}
	accel := string(s.Accel)
	if s.Accel == TCG {
		accel += ",thread=multi"
	}
	args = append([]string{
		// Named threads, for Busy.
		"-name", "bootkiln,debug-threads=on", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
		// What the guest might break out of has no rights to gain and no program to
		// start.
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny",
		"-machine", s.Model.Machine, "-accel", accel, "-cpu", s.Model.cpu[s.Accel],
		"-smp", strconv.Itoa(s.CPUs), "-m", fmt.Sprintf("%dM", s.Memory>>20),
		"-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=console,fd=4", "-chardev", "socket,id=channel,fd=5",
	}, args...)

	// Sockets that have no name leave no file behind, and nobody else connects.
	var ours []net.Conn
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			for _, c := range ours {
				c.Close()
			}
		}
	}()
	for _, name := range []string{"qmp", "console", "channel"} {
		conn, file, err := socketPair(name)
		if err != nil {
			return nil, fmt.Errorf("starting QEMU: %w", err)
		}
		ours, theirs = append(ours, conn), append(theirs, file)
	}

	ctx, cancel := context.WithCancel(ctx)
	g := &Guest{
		Console: ours[1], Channel: ours[2],
		ended: make(chan Ending, 1), done: make(chan struct{}), stop: cancel,
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.ExtraFiles = theirs
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = 5 * time.Second
	// A group of its own: Ctrl-C on the terminal is for this program to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread ends that started the process,
		// so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		if err != nil && ctx.Err() == nil {
			g.err = fmt.Errorf("running QEMU: %w%s", err, said.suffix())
		}
		for _, c := range ours {
			c.Close()
		}
		close(g.done)
	}()
	if err := <-started; err != nil {
		cancel()
		return nil, fmt.Errorf("starting %q: %w", program, err)
	}
	g.pid = cmd.Process.Pid
	g.qmp = newQMP(ours[0])
	go g.watch()
	return g, nil
}

// watch waits for the machine to end.
func (g *Guest) watch() {
	defer close(g.ended)
	ending := Ending("")
	for e := range g.qmp.events {
		switch {
		case e.Event == "GUEST_PANICKED":
			ending = Panicked
		case ending == Panicked:
		case e.Event == "RESET" && e.Data.Guest, e.Event == "SHUTDOWN" && e.Data.Reason == "guest-reset":
			ending = Reset
		case e.Event == "SHUTDOWN" && e.Data.Guest:
			ending = PoweredOff
		case e.Event == "STOP" && ending == "":
			ending = Crashed // nobody else stops it: "internal-error", "io-error"
		default:
			continue
		}
		if ending == Crashed {
			break
		}
	}
	if ending == Crashed {
		g.ended <- ending
		g.stop()
		<-g.done
		if g.err == nil {
			g.err = errors.New("running QEMU: the machine stopped with an internal error")
		}
		return
	}
	<-g.done
	if ending == "" {
		ending = Crashed
	}
	g.ended <- ending
}

// Ended tells, once, how the machine came to stop by itself; it is closed when
// it has stopped.
func (g *Guest) Ended() <-chan Ending { return g.ended }

// Done is closed when QEMU has ended.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Err says why QEMU failed; nil where it did what it was to do. It is known
// when Done is closed.
func (g *Guest) Err() error { return g.err }

// Close ends the machine, at once and without asking the guest.
func (g *Guest) Close() {
	g.stop()
	<-g.done
	g.qmp.drain()
}

func socketPair(name string) (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	mine := os.NewFile(uintptr(fds[0]), name)
	defer mine.Close() // FileConn has a descriptor of its own
	conn, err := net.FileConn(mine)
	if err != nil {
		unix.Close(fds[1])
		return nil, nil, fmt.Errorf("making a socket: %w", err)
	}
	return conn, os.NewFile(uintptr(fds[1]), name), nil
}

// tail keeps the end of what QEMU says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 4096
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(b), nil
}

// suffix returns it as the end of an error, without QEMU's warnings.
func (t *tail) suffix() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for line := range bytes.Lines(t.text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !bytes.Contains(line, []byte(": warning: ")) {
			fmt.Fprintf(&b, ": %s", line)
		}
	}
	return b.String()
}
