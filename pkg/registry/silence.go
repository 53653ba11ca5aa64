package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// errSilent ends an attempt in which nothing moved any more.
var errSilent = errors.New("the registry is silent")

// longPatience is how many times longer a registry may be silent that has all
// of a blob: with a slow store it moves gigabytes before it answers.
const longPatience = 5

// silence cancels an attempt in which nothing moves. What a body's reader gave
// away says little, because buffers take megabytes of it, and no transport can
// be given to containers/image. But requests carry the context of their caller,
// and so tell which connections they use: the kernel counts what the other side
// acknowledged and sent.
type silence struct {
	events atomic.Int64
	// storing says that all of a body was sent.
	storing atomic.Bool
	mu      sync.Mutex
	conns   map[*net.TCPConn]bool
}

// attend runs f with a context that is cancelled when nothing moved for too
// long, and returns its error as [Session.wrap] does. f calls storing when all of
// a blob was sent, so that the registry gets more time from there on.
func (s *Session) attend(ctx context.Context, op string, proved bool, f func(ctx context.Context, storing func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &silence{conns: map[*net.TCPConn]bool{}}
	go w.watch(ctx, s.options.Retry.silence(), cancel)
	err := f(httptrace.WithClientTrace(ctx, w.trace()), func() { w.storing.Store(true) })
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		var known *Error
		if !errors.As(err, &known) {
			return s.fail(Transient, op, fmt.Errorf("%w: nothing was sent or received for %s", errSilent, w.patience(s.options.Retry.silence())))
		}
	}
	return s.wrap(op, err, proved)
}

// patience is how long nothing may move now.
func (w *silence) patience(silence time.Duration) time.Duration {
	if w.storing.Load() {
		return longPatience * silence
	}
	return silence
}

// watch looks several times in each span of patience, so that the end comes
// little later than it should.
func (w *silence) watch(ctx context.Context, silence time.Duration, cancel context.CancelCauseFunc) {
	const looks = 8
	tick := time.NewTicker(silence / looks)
	defer tick.Stop()
	last, still := w.moved(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := w.moved(); now != last {
			last, still = now, 0
		} else if still++; time.Duration(still)*silence >= looks*w.patience(silence) {
			cancel(errSilent)
			return
		}
	}
}

// moved is a number that changes when anything moves.
func (w *silence) moved() int64 {
	n := w.events.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		n += transferred(conn)
	}
	return n
}

func (w *silence) trace() *httptrace.ClientTrace {
	moved := func() { w.events.Add(1) }
	return &httptrace.ClientTrace{
		GetConn: func(string) { moved() },
		GotConn: func(got httptrace.GotConnInfo) {
			moved()
			conn := got.Conn
			if t, ok := conn.(*tls.Conn); ok {
				conn = t.NetConn()
			}
			if t, ok := conn.(*net.TCPConn); ok {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.conns[t] = true
			}
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { moved() },
		GotFirstResponseByte: moved,
	}
}

// transferred is how many bytes went over a connection in both directions,
// keep-alives not counted; 0 once it is closed.
func transferred(conn *net.TCPConn) int64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var n int64
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Bytes_acked + info.Bytes_received)
		}
	})
	return n
}
