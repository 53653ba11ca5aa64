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

// longPatience is how many times longer an upload may be silent than a small
// request: registries with a slow store move gigabytes before they answer the
// last request of an upload, and layers are read and compressed meanwhile.
const longPatience = 5

// silence cancels an attempt in which nothing moves. No transport can be given
// to containers/image, and its progress ends where an upload begins, because
// layers are compressed into a file first. But its requests carry the context
// of their caller, and so tell which connections they use: the kernel counts
// what the other side acknowledged and sent.
type silence struct {
	events atomic.Int64
	mu     sync.Mutex
	conns  map[*net.TCPConn]bool
}

// attend runs f with a context that is cancelled when nothing moved for
// patience, and returns its error as [Session.wrap] does. f may call moved for
// progress that is none of the connections'.
func (s *Session) attend(ctx context.Context, op string, patience time.Duration, proved bool, f func(ctx context.Context, moved func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &silence{conns: map[*net.TCPConn]bool{}}
	go w.watch(ctx, patience, cancel)
	err := f(httptrace.WithClientTrace(ctx, w.trace()), func() { w.events.Add(1) })
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		var known *Error
		if !errors.As(err, &known) {
			return s.fail(Transient, op, fmt.Errorf("%w: nothing was sent or received for %s", errSilent, patience))
		}
	}
	return s.wrap(op, err, proved)
}

// watch looks several times in each span of patience, so that the end comes
// little later than it should.
func (w *silence) watch(ctx context.Context, patience time.Duration, cancel context.CancelCauseFunc) {
	const looks = 8
	tick := time.NewTicker(patience / looks)
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
		} else if still++; still == looks {
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
