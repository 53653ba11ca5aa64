package boot

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
)

// pace is how long things may take, by what runs the guest.
type pace struct {
	// first is the time to the first sign of life, silence that between two.
	first, silence time.Duration
	// device is how long the initramfs waits for a disk, and emergency how long
	// systemd may take to say what led to its emergency shell.
	device, emergency time.Duration
	// display is how long a display manager may take to draw itself.
	display time.Duration
}

func paceOf(a qemu.Accel) pace {
	if a == qemu.KVM {
		return pace{first: 30 * time.Second, silence: 2 * time.Minute, device: 45 * time.Second, emergency: 30 * time.Second, display: 20 * time.Second}
	}
	// An emulator on a busy machine needs minutes for what takes seconds: there
	// disks were seen to appear two minutes after they were waited for.
	return pace{first: 2 * time.Minute, silence: 10 * time.Minute, device: 5 * time.Minute, emergency: 2 * time.Minute, display: 5 * time.Minute}
}

// resting is how long a machine may neither do nor say anything. What systemd
// waits for in vain it gives up before, and says so: a device after 90 seconds, a
// network after 120.
const resting = 150 * time.Second

// settling is how long a console is still read after it said what is final: the
// lines that follow belong to it.
const settling = 2 * time.Second

// machine is what is watched.
type machine struct {
	Console, Channel io.ReadWriter
	Ended            <-chan qemu.Ending
	// Busy is as [qemu.Guest.Busy]; nil where nobody can tell.
	Busy func() (time.Duration, error)
}

// watch follows a machine until it is clear how its boot ends.
type watch struct {
	console *console
	log     *consoleLog
	pace    pace
	timeout time.Duration
	observe func(context.Context, io.ReadWriter) (*guest.Report, error)
	// live may be nil.
	live io.Writer
	// read is closed when the console has ended.
	read chan struct{}
}

// seen is how a boot ended.
type seen struct {
	// report is never nil. unasked says that not all of it could be asked.
	report  *guest.Report
	unasked bool
	// class and excerpt are what the console says, "" for nothing.
	class   Class
	excerpt []string
	// ending is that of the machine, "" for one that still runs.
	ending qemu.Ending
	// silent is set where it showed no sign of life for longer than its pace
	// allows; neverSpoke where it never did.
	silent, neverSpoke bool
	// waits is set where it neither said nor did anything any more; initrd says
	// that its initramfs still ran then.
	waits, initrd bool
	// orderly says that a system went down as it should before it restarted.
	orderly  bool
	timedOut bool
	login    bool
	last     []string
}

// observation is what the guest was asked, whole where it could be asked to the
// end.
type observation struct {
	report *guest.Report
	whole  bool
}

func (s *seen) take(o observation) { s.report, s.unasked = o.report, !o.whole }

// alive counts the bytes of a connection.
type alive struct {
	io.ReadWriter
	bytes *atomic.Int64
}

func (a alive) Read(b []byte) (int, error) {
	n, err := a.ReadWriter.Read(b)
	a.bytes.Add(int64(n))
	return n, err
}

// run watches the machine. It returns when the guest was observed, the console
// showed what is final, the machine ended, or time is over.
func (w *watch) run(ctx context.Context, m machine) *seen {
	var bytes, asked atomic.Int64
	final := make(chan Class, 1)
	w.console.final = func(c Class) {
		select {
		case final <- c:
		default: // the first one counts
		}
	}
	w.read = make(chan struct{})
	go func() {
		defer close(w.read)
		sinks := []io.Writer{w.log, w.console}
		if w.live != nil {
			sinks = append(sinks, w.live)
		}
		// Whatever ends it, the machine is what is asked for the reason.
		_, _ = io.Copy(io.MultiWriter(sinks...), alive{m.Console, &bytes})
	}()

	observing, stop := context.WithCancel(ctx)
	defer stop()
	observed := make(chan observation, 1)
	go func() {
		// Why it could not be asked to the end is seen on the console.
		report, err := w.observe(observing, alive{m.Channel, &asked})
		observed <- observation{report, err == nil}
	}()

	s := w.wait(ctx, m, &bytes, &asked, final, observed)
	if s.report == nil {
		stop()
		s.take(<-observed)
	}
	s.class, s.excerpt = w.console.cause()
	s.login, s.last = w.console.loginOffered(), w.console.end()
	s.initrd, s.orderly = w.console.inInitramfs(), w.console.wentDown()
	return s
}

func (w *watch) wait(
	ctx context.Context, m machine, bytes, asked *atomic.Int64, final <-chan Class, observed <-chan observation,
) *seen {
	s := &seen{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var (
		settled  <-chan time.Time // after what is final
		over     = time.After(w.timeout)
		spoken   int64
		lastSign = time.Now()
		idle     = idling{busy: m.Busy}
	)
	for {
		select {
		case <-ctx.Done():
			return s
		case o := <-observed:
			s.take(o)
			observed = nil
			switch {
			case s.report.TimedOut, s.report.Shell && !s.unasked:
				return s
			case s.report.Shell:
				// Most likely the machine has ended, which is told in a moment.
				settled = time.After(settling)
			}
			// Where it could not be asked, the console goes on.
		case c := <-final:
			after := settling
			if c == Emergency && s.report == nil {
				after = w.pace.emergency
			}
			settled = time.After(after)
		case <-settled:
			return s
		case s.ending = <-m.Ended:
			<-w.read // its last words
			return s
		case <-over:
			s.timedOut = true
			if observed == nil {
				return s
			}
			// What it waits for is still being asked, for a bounded time.
			settled = time.After(w.pace.emergency)
		case <-tick.C:
			if settled == nil && asked.Load() == 0 && w.console.loginOffered() {
				// It booted, and nobody is there to be asked; or not yet.
				settled = time.After(w.pace.emergency)
			}
			if n := bytes.Load() + asked.Load(); n != spoken {
				spoken, lastSign = n, time.Now()
			}
			quiet := time.Since(lastSign)
			if spoken == 0 && quiet >= w.pace.first || quiet >= w.pace.silence {
				s.silent, s.neverSpoke = true, spoken == 0
				return s
			}
			if settled == nil && idle.stands(w.console.said()+asked.Load(), resting) {
				s.waits = true
				return s
			}
		}
	}
}
