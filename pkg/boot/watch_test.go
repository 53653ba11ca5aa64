package boot

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
)

// played is a machine that a test plays.
type played struct {
	console, channel net.Conn // the machine's ends
	ended            chan qemu.Ending
	watch            *watch
	start            time.Time
	// restFrom is when its processors had nothing more to do; 0 is never.
	restFrom time.Duration
}

// busy is one processor that works until it rests, and then a tenth of the time.
func (p *played) busy() (time.Duration, error) {
	up := time.Since(p.start)
	if p.restFrom == 0 || up < p.restFrom {
		return up, nil
	}
	return p.restFrom + (up-p.restFrom)/10, nil
}

// play runs a watch over a machine, in a bubble whose clock only moves when all
// wait. asked plays systemd; nil is nobody.
func play(t *testing.T, script func(p *played), asked func(ctx context.Context) *guest.Report, want func(t *testing.T, s *seen, after time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		console, consoleEnd := net.Pipe()
		channel, channelEnd := net.Pipe()
		p := &played{console: consoleEnd, channel: channelEnd, ended: make(chan qemu.Ending, 1), start: time.Now()}
		p.watch = &watch{
			console: newConsole(), log: newConsoleLog(100, 100), pace: paceOf(qemu.KVM), timeout: 5 * time.Minute,
			observe: func(ctx context.Context, _ io.ReadWriter) (*guest.Report, error) {
				if asked == nil {
					<-ctx.Done()
					return &guest.Report{}, ctx.Err()
				}
				report := asked(ctx)
				return report, ctx.Err()
			},
		}
		var done sync.WaitGroup
		done.Go(func() { script(p) })
		s := p.watch.run(t.Context(), machine{Console: console, Channel: channel, Ended: p.ended, Busy: p.busy})
		want(t, s, time.Since(p.start))
		done.Wait()
		consoleEnd.Close()
		channelEnd.Close()
		<-p.watch.read
	})
}

// says writes to the console.
func (p *played) says(text string) { _, _ = io.WriteString(p.console, text+"\r\n") }

func after(d time.Duration, r *guest.Report) func(context.Context) *guest.Report {
	return func(ctx context.Context) *guest.Report {
		select {
		case <-time.After(d):
			return r
		case <-ctx.Done():
			return &guest.Report{}
		}
	}
}

func wantClass(class Class, within time.Duration) func(*testing.T, *seen, time.Duration) {
	return func(t *testing.T, s *seen, took time.Duration) {
		t.Helper()
		if got, detail := classOf(s); got != class || took > within {
			t.Errorf("got %q (%s) after %v, want %q within %v", got, detail, took, class, within)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	good := &guest.Report{Shell: true, Reached: true, State: "running", Target: "multi-user.target"}
	failed := &guest.Report{Shell: true, Reached: true, State: "degraded", Target: "multi-user.target", Failed: []guest.Unit{{Name: "a.service", Result: "exit-code"}}}
	expected := &guest.Report{Shell: true, Reached: true, State: "running", Assertions: []guest.Assertion{{What: "sshd.service is active", Found: "inactive"}}}
	boots := func(p *played) { p.says("Linux version 6.1.0") }
	for name, c := range map[string]struct {
		script func(p *played)
		asked  func(context.Context) *guest.Report
		class  Class
		within time.Duration
	}{
		"reached":        {boots, after(20*time.Second, good), "", 20 * time.Second},
		"units failed":   {boots, after(20*time.Second, failed), UnitFailed, 20 * time.Second},
		"not as it says": {boots, after(20*time.Second, expected), Unexpected, 20 * time.Second},
		"emergency":      {boots, after(20*time.Second, &guest.Report{Shell: true, Emergency: true}), Emergency, 20 * time.Second},
		"no such target": {boots, after(20*time.Second, &guest.Report{Shell: true, TargetMissing: true}), NoTarget, 20 * time.Second},
		"at rest":        {boots, after(20*time.Second, &guest.Report{Shell: true, State: "running"}), Unreached, 20 * time.Second},
		"blocked":        {boots, after(time.Minute, &guest.Report{Shell: true, TimedOut: true, Waiting: []guest.Job{{Unit: "slow.service"}}}), Blocked, time.Minute},
		"panic": {func(p *played) {
			p.says("Linux version 6.1.0")
			time.Sleep(3 * time.Second)
			p.says("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000b00")
		}, nil, InitDied, 5 * time.Second},
		"panic and reset": {func(p *played) {
			p.says("Kernel panic - not syncing: Fatal exception")
			p.ended <- qemu.Reset
			p.console.Close()
		}, nil, Panic, time.Second},
		"never speaks": {func(*played) {}, nil, NoOutput, 30 * time.Second},
		"hangs":        {boots, nil, Hung, 2*time.Minute + time.Second},
		"reboots": {func(p *played) {
			p.says("Linux version 6.1.0")
			p.ended <- qemu.Reset
			p.console.Close()
		}, nil, Reboots, time.Second},
		"powers off": {func(p *played) {
			p.ended <- qemu.PoweredOff
			p.console.Close()
		}, nil, PowersOff, time.Second},
		"reached and powers off": {func(p *played) {
			time.Sleep(time.Second)
			p.ended <- qemu.PoweredOff
			p.console.Close()
		}, after(2*time.Second, good), PowersOff, time.Second},
		"a login, and nobody to ask": {func(p *played) {
			_, _ = io.WriteString(p.console, "Linux version 6\r\n\r\nkiln login: ")
		}, nil, "", time.Minute},
		"waits in its initramfs": {func(p *played) {
			p.restFrom = 20 * time.Second
			p.says("[    3.1] systemd[1]: Running in initrd.")
			for range 300 {
				p.says("\x1bM\r\x1b[K[    \x1b[0;31m*\x1b[0;1;31m*\x1b[0m] Job dev-disk-by\\x2duuid-b0073114\\x2…ce/start running (12s / 5min)")
				time.Sleep(time.Second)
			}
		}, nil, NoRoot, 185 * time.Second},
		"works in its initramfs": {func(p *played) {
			p.says("[    3.1] systemd[1]: Running in initrd.")
		}, nil, Hung, 2*time.Minute + time.Second},
		"waits, and cannot be asked": {func(p *played) {
			p.restFrom = 20 * time.Second
			p.says("Linux version 6.1.0")
			for range 300 {
				_, _ = io.WriteString(p.console, ".")
				time.Sleep(time.Second)
			}
		}, nil, Hung, 185 * time.Second},
		"hangs once it is there": {boots, func(ctx context.Context) *guest.Report {
			<-ctx.Done()
			return good
		}, Hung, 2*time.Minute + time.Second},
		"runs out of memory once it is there": {func(p *played) {
			p.says("Out of memory: Killed process 1 (x)")
		}, func(ctx context.Context) *guest.Report {
			<-ctx.Done()
			return good
		}, OutOfMemory, 3 * time.Second},
		"restarts in order": {func(p *played) {
			p.says("[    9.0] systemd-shutdown[1]: Rebooting.")
			p.says("[    9.1] reboot: Restarting system")
			p.ended <- qemu.Reset
			p.console.Close()
		}, nil, Reboots, time.Second},
		"no login": {func(p *played) {
			for range 400 {
				p.says("still going")
				time.Sleep(time.Second)
			}
		}, nil, NoLogin, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, c.script, c.asked, wantClass(c.class, c.within))
		})
	}
}

// The channel of a machine that restarts may end before the machine's end is told.
func TestChannelEndsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		console, other := net.Pipe()
		channel, _ := net.Pipe()
		ended := make(chan qemu.Ending, 1)
		w := &watch{
			console: newConsole(), log: newConsoleLog(9, 9), pace: paceOf(qemu.TCG), timeout: time.Hour,
			observe: func(context.Context, io.ReadWriter) (*guest.Report, error) {
				return &guest.Report{Shell: true, State: "starting"}, io.EOF
			},
		}
		time.AfterFunc(time.Second, func() {
			ended <- qemu.Reset
			other.Close()
		})
		s := w.run(t.Context(), machine{Console: console, Channel: channel, Ended: ended})
		if class, _ := classOf(s); class != Reboots {
			t.Errorf("got %q", class)
		}
	})
}

func TestWatchIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		console, other := net.Pipe()
		channel, _ := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		w := &watch{
			console: newConsole(), log: newConsoleLog(9, 9), pace: paceOf(qemu.TCG), timeout: time.Hour,
			observe: func(ctx context.Context, _ io.ReadWriter) (*guest.Report, error) {
				<-ctx.Done()
				return &guest.Report{}, ctx.Err()
			},
		}
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		w.run(ctx, machine{Console: console, Channel: channel, Ended: make(chan qemu.Ending)})
		if took := time.Since(start); took != time.Second {
			t.Errorf("it ended after %v", took)
		}
		other.Close()
		<-w.read
	})
}

// Who let go of a connection has left a read behind; what comes is the next
// one's all the same.
func TestDetachable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		d := newDetachable(near)
		first := d.attach()
		left := make(chan error)
		go func() {
			_, err := io.ReadAll(first)
			left <- err
		}()
		_, _ = io.WriteString(far, "one")
		synctest.Wait()
		second := d.attach()
		if err := <-left; err != nil {
			t.Error(err)
		}
		go func() {
			_, _ = io.WriteString(far, "two")
			far.Close()
		}()
		got, err := io.ReadAll(second)
		if string(got) != "two" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
