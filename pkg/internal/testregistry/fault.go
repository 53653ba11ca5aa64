package testregistry

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"testing"
)

// Fault makes chosen requests fail.
type Fault struct {
	// Method and Path (a regular expression) choose the requests; "" chooses
	// any.
	Method, Path string
	// Skip lets that many chosen requests pass first.
	Skip int
	// Times is how many requests fail; 0 is one, negative is all.
	Times int
	// Read is how many bytes of the request's body are read before it fails;
	// negative reads all.
	Read int64
	// Cut ends the connection instead of answering.
	Cut Cut
	// Status, Header and Body are the answer.
	Status int
	Header http.Header
	Body   []byte

	path    *regexp.Regexp
	skipped int
	hits    int
}

// Cut is how a connection ends.
type Cut int

// The ways of a connection to end.
const (
	// Answered does not cut it.
	Answered Cut = iota
	// Closed sends FIN.
	Closed
	// Reset sends RST.
	Reset
	// Silent reads everything and sends nothing, until the client ends the
	// connection.
	Silent
)

// Fail arms a fault. The test fails at its end when the fault was never hit,
// because then it proved nothing.
func (r *Registry) Fail(t testing.TB, f Fault) {
	t.Helper()
	f.path = regexp.MustCompile(f.Path)
	if f.Times == 0 {
		f.Times = 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &f)
	t.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if f.hits == 0 {
			t.Errorf("fault on %s %q was never hit", f.Method, f.Path)
		}
	})
}

// fault returns the armed fault that the request meets, nil for none.
func (r *Registry) fault(req *http.Request) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		if f.Method != "" && f.Method != req.Method || !f.path.MatchString(req.URL.Path) {
			continue
		}
		if f.Times >= 0 && f.hits >= f.Times {
			continue
		}
		if f.skipped < f.Skip {
			f.skipped++
			continue
		}
		f.hits++
		return f
	}
	return nil
}

func (f *Fault) serve(w *statusWriter, req *http.Request) {
	if f.Read < 0 {
		_, _ = io.Copy(io.Discard, req.Body)
	} else if f.Read > 0 {
		_, _ = io.CopyN(io.Discard, req.Body, f.Read)
	}
	if f.Cut == Answered {
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write(f.Body)
		return
	}
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(err) // HTTP/1.1 connections can always be taken over
	}
	if f.Cut == Silent {
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		return
	}
	if f.Cut == Reset {
		under := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
			under = t.NetConn()
		}
		_ = under.(*net.TCPConn).SetLinger(0)
		_ = under.Close()
		return
	}
	_ = conn.Close()
}
