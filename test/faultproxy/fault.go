// Package faultproxy breaks chosen requests on their way to a registry, as
// networks, proxies and registries do: as an [http.Handler] around one inside
// the test process ([Faults.Wrap]), and as a proxy before a real one ([New]).
// It writes down what arrived. A fault that nothing met fails its test.
package faultproxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Fault makes chosen requests fail.
type Fault struct {
	// Method and Path (a regular expression) choose the requests; "" chooses
	// any.
	Method, Path string
	// Over chooses requests with a body of more than so many bytes; 0 chooses
	// any.
	Over int64
	// Skip lets that many chosen requests pass first.
	Skip int
	// Times is how many requests fail; 0 is one, negative is all.
	Times int
	// Read is how many bytes of the request's body the server gets before it
	// fails; negative gives it the whole request, so that all is done and only
	// the answer is lost.
	Read int64
	// Change, where set, changes the request; the server gets it like that, and its
	// answer is passed on. Nothing else of the fault applies.
	Change func(*http.Request)
	// Then, where set, is called once the server got as much as Read says, such as
	// to restart it.
	Then func()
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
	// Frozen neither reads nor sends, until the test is over.
	Frozen
	// Truncated has the server do all of the request, sends the head of its
	// answer, and closes within the body.
	Truncated
)

// Request is one request as it arrived.
type Request struct {
	Method, Path string
	// Query is what follows the path, without "?".
	Query string
	// Body is how many bytes of its body were read.
	Body int64
	// Status is the answer's, 0 where there was none.
	Status int
	// Fault says that it met one.
	Fault bool
}

// String returns "METHOD path".
func (r Request) String() string { return r.Method + " " + r.Path }

// Faults are armed faults, and the list of what arrived. The zero value is
// ready.
type Faults struct {
	mu       sync.Mutex
	armed    []*Fault
	requests []*Request
}

// Fail arms a fault. The test fails at its end when the fault was never hit,
// because then it proved nothing. What it returns tells how often it was hit so
// far.
func (f *Faults) Fail(t testing.TB, fault Fault) (hits func() int) {
	t.Helper()
	fault.path = regexp.MustCompile(fault.Path)
	if fault.Times == 0 {
		fault.Times = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = append(f.armed, &fault)
	hits = func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return fault.hits
	}
	t.Cleanup(func() {
		if hits() == 0 {
			t.Errorf("fault on %s %q was never hit", fault.Method, fault.Path)
		}
	})
	return hits
}

// Mend disarms all faults, so that what follows succeeds.
func (f *Faults) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = nil
}

// Requests returns what arrived so far, in order of arrival.
func (f *Faults) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Request, len(f.requests))
	for i, r := range f.requests {
		out[i] = *r
	}
	return out
}

// Forget empties the list of requests.
func (f *Faults) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = nil
}

// Count returns how many requests of the method had a path that contains part.
func (f *Faults) Count(method, part string) int {
	n, _ := f.sum(method, part)
	return n
}

// Sent returns how many bytes of bodies the requests of the method carried whose
// path contains part.
func (f *Faults) Sent(method, part string) int64 {
	_, sent := f.sum(method, part)
	return sent
}

func (f *Faults) sum(method, part string) (n int, sent int64) {
	for _, r := range f.Requests() {
		if r.Method == method && strings.Contains(r.Path, part) {
			n++
			sent += r.Body
		}
	}
	return n, sent
}

// Wrap returns a handler that lists each request, and gives those that meet no
// fault to next.
func (f *Faults) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r := &Request{Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery}
		f.mu.Lock()
		f.requests = append(f.requests, r)
		fault := f.meet(req)
		r.Fault = fault != nil
		f.mu.Unlock()
		// A copy: the server looks at the body that it made itself, to know whether
		// the client was told to send it.
		req = req.Clone(req.Context())
		req.Body = &countingBody{ReadCloser: req.Body, count: func(n int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			r.Body += int64(n)
		}}
		answer := &statusWriter{ResponseWriter: w, note: func(status int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			r.Status = status
		}}
		if fault == nil {
			next.ServeHTTP(answer, req)
			return
		}
		fault.serve(answer, req, next)
	})
}

// meet returns the armed fault that the request meets, nil for none.
func (f *Faults) meet(req *http.Request) *Fault {
	for _, fault := range f.armed {
		switch {
		case fault.Method != "" && fault.Method != req.Method, !fault.path.MatchString(req.URL.Path):
		case fault.Over > 0 && req.ContentLength >= 0 && req.ContentLength <= fault.Over:
		case fault.Times >= 0 && fault.hits >= fault.Times:
		case fault.skipped < fault.Skip:
			fault.skipped++
		default:
			fault.hits++
			return fault
		}
	}
	return nil
}

func (f *Fault) serve(w http.ResponseWriter, req *http.Request, next http.Handler) {
	if f.Change != nil {
		f.Change(req)
		next.ServeHTTP(w, req)
		return
	}
	done := httptest.NewRecorder()
	if f.Read != 0 || f.Cut == Truncated {
		if f.Read > 0 {
			req.Body = &cutBody{ReadCloser: req.Body, left: f.Read}
		}
		next.ServeHTTP(done, req)
	}
	if f.Then != nil {
		f.Then()
	}
	if f.Cut == Answered {
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		if req.Method != http.MethodHead {
			_, _ = w.Write(f.Body)
		}
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // HTTP/1.1 connections can always be taken over
	}
	defer conn.Close()
	switch f.Cut {
	case Silent:
		_, _ = io.Copy(io.Discard, conn)
	case Frozen:
		<-req.Context().Done()
	case Reset:
		under := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
			under = t.NetConn()
		}
		_ = under.(*net.TCPConn).SetLinger(0)
		_ = under.Close()
	case Truncated:
		truncate(conn, done)
	}
}

// truncate sends an answer whose body is shorter than announced; one that has none
// is announced to have one.
func truncate(w io.Writer, done *httptest.ResponseRecorder) {
	body := done.Body.Bytes()
	done.Header().Set("Content-Length", fmt.Sprint(max(len(body), 1)))
	_, _ = fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", done.Code, http.StatusText(done.Code))
	_ = done.Header().Write(w)
	_, _ = fmt.Fprintf(w, "\r\n%s", body[:len(body)/2])
}

// cutBody ends with an error, as the body of a client does that is gone.
type cutBody struct {
	io.ReadCloser
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

type countingBody struct {
	io.ReadCloser
	count func(int)
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.count(n)
	}
	return n, err
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	note  func(status int)
	wrote bool
}

// Unwrap lets a handler flush, and take the connection over.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK { // not 1xx
		w.wrote = true
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}
