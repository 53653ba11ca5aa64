package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// qmp speaks the QEMU Machine Protocol (docs/interop/qmp-spec.txt of QEMU).
type qmp struct {
	conn net.Conn
	// events is closed when the connection is.
	events chan event
	gone   chan struct{}

	mu      sync.Mutex // one command at a time
	answers chan answer
}

type event struct {
	Event string `json:"event"`
	Data  struct {
		Guest  bool   `json:"guest"`
		Reason string `json:"reason"`
	} `json:"data"`
}

type answer struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
}

func newQMP(conn net.Conn) *qmp {
	q := &qmp{conn: conn, events: make(chan event, 16), answers: make(chan answer, 1), gone: make(chan struct{})}
	go q.read()
	return q
}

// read sorts what QEMU says into events and answers. Its greeting is neither.
func (q *qmp) read() {
	defer close(q.gone)
	defer close(q.events)
	// Before this, no other command and no event.
	if _, err := q.conn.Write([]byte(`{"execute":"qmp_capabilities"}` + "\n")); err != nil {
		return
	}
	ready := false
	for d := json.NewDecoder(q.conn); ; {
		var m struct {
			event
			answer
		}
		if err := d.Decode(&m); err != nil {
			return
		}
		switch {
		case m.Event != "":
			q.events <- m.event
		case m.Return == nil && m.Error == nil:
		case !ready:
			ready = true
		default:
			q.answers <- m.answer
		}
	}
}

// drain lets the reader end when nobody takes the events any more.
func (q *qmp) drain() {
	for range q.events {
	}
}

// execute runs a command. A connection that is gone is net.ErrClosed.
func (q *qmp) execute(ctx context.Context, command string, arguments any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if err != nil {
		return fmt.Errorf("encoding the QMP command %q: %w", command, err)
	}
	if _, err := q.conn.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("sending the QMP command %q: %w", command, err)
	}
	select {
	case a := <-q.answers:
		if a.Error != nil {
			return fmt.Errorf("QMP command %q: %w", command, errors.New(a.Error.Desc))
		}
		return nil
	case <-q.gone:
		return fmt.Errorf("QMP command %q: %w", command, net.ErrClosed)
	case <-ctx.Done():
		// Its late answer must not become that of the next command.
		q.conn.Close()
		return fmt.Errorf("QMP command %q: %w", command, context.Cause(ctx))
	}
}
