package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
)

func TestClassifyConnection(t *testing.T) {
	t.Parallel()
	request := func(err error) error { return &url.Error{Op: "Patch", URL: "https://127.0.0.1/", Err: err} }
	dial := func(err error) error { return request(&net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	write := func(err error) error { return request(&net.OpError{Op: "write", Net: "tcp", Err: err}) }
	for name, tt := range map[string]struct {
		err error
		// first is the class before the right to write was proved, during after.
		first, during Class
	}{
		"no such host":        {dial(&net.DNSError{Err: "no such host", IsNotFound: true}), Unreachable, Transient},
		"name server is busy": {dial(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), Transient, Transient},
		"nobody listens":      {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Unreachable, Transient},
		"no route":            {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Unreachable, Transient},
		"dial timeout":        {dial(os.ErrDeadlineExceeded), Unreachable, Transient},
		"broken pipe":         {write(os.NewSyscallError("write", syscall.EPIPE)), Transient, Transient},
		"reset":               {write(os.NewSyscallError("write", syscall.ECONNRESET)), Transient, Transient},
		"closed":              {write(net.ErrClosed), Transient, Transient},
		"timed out":           {write(os.NewSyscallError("write", syscall.ETIMEDOUT)), Transient, Transient},
		"end":                 {request(io.EOF), Transient, Transient},
		"unexpected end":      {request(io.ErrUnexpectedEOF), Transient, Transient},
		"idle":                {request(errors.New("http: server closed idle connection")), Transient, Transient},
		"idle, said badly":    {request(errors.New("readLoopPeekFailLocked: %!w(<nil>)")), Transient, Transient},
		"handshake timeout":   {request(timeout{}), Transient, Transient},
		"HTTP":                {request(http.ErrSchemeMismatch), PlainHTTP, PlainHTTP},
		"client certificate":  {request(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), TLS, TLS},
		"disk full":           {fmt.Errorf("writing blob: %w", &os.PathError{Op: "write", Path: "/var/tmp/x", Err: syscall.ENOSPC}), "", ""},
		"archive cut off":     {fmt.Errorf("reading layer: %w", io.ErrUnexpectedEOF), "", ""},
	} {
		for proved, want := range map[bool]Class{false: tt.first, true: tt.during} {
			if got := classify(fmt.Errorf("copying: %w", tt.err), proved); got != want {
				t.Errorf("%s, proved %t: %q, want %q", name, proved, got, want)
			}
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "net/http: TLS handshake timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// TestSchemeIsFixed asks by plain HTTP, as go-containerregistry does when a
// name looks local and HTTPS is slow; a login must not go that way.
func TestSchemeIsFixed(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	conf := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), r.Host+"/me/os", Options{
		CertDir: filepath.Join(r.WriteCerts(t), r.Host), RegistriesConf: conf, AuthFile: r.WriteAuth(t, "x", "y"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, client := range []http.RoundTripper{s.base, s.client.Load()} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Host+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.Request.URL.Scheme != "https" {
			t.Errorf("status %d by %s", resp.StatusCode, resp.Request.URL.Scheme)
		}
	}
}

// TestCancelIsNoRegistryError keeps an interruption apart from a failure.
func TestCancelIsNoRegistryError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := testregistry.New(t, testregistry.Options{})
	err := Preflight(ctx, r.Host+"/me/os", Options{CertDir: filepath.Join(r.WriteCerts(t), r.Host), AuthFile: r.WriteAuth(t, "x", "y")})
	var e *Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &e) {
		t.Errorf("%T %v", err, err)
	}
}
