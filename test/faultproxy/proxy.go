package faultproxy

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// Proxy is a reverse proxy with faults. It is stopped when the test ends.
type Proxy struct {
	Faults
	// Host is "127.0.0.1:port".
	Host string
}

// Options say what is before and behind a proxy.
type Options struct {
	// To is the server behind it: scheme and host.
	To *url.URL
	// Transport reaches it; nil is one that trusts the machine's authorities.
	Transport *http.Transport
	// Keep keeps what arrived of an upload whose connection broke, for a server that
	// does not.
	Keep bool
	// Beside serves paths by itself, such as "/token": go-containerregistry
	// accepts a token service on a private address only where it is the registry's.
	Beside map[string]http.Handler
	// Certificate is the proxy's own; nil speaks plain HTTP.
	Certificate *tls.Certificate
}

// New starts a proxy. The server sees the proxy's address as its own, so that
// the locations that it gives lead back through the proxy.
func New(t testing.TB, o Options) *Proxy {
	t.Helper()
	p := &Proxy{}
	quiet := log.New(io.Discard, "", 0)
	transport := o.Transport
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	scheme := "http"
	if o.Certificate != nil {
		scheme = "https"
	}
	var behind http.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(o.To)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", scheme)
		},
		Transport: transport,
		ErrorLog:  quiet,
	}
	if o.Keep {
		behind = &keeper{next: behind, uploads: map[string]*kept{}}
	}
	mux := http.NewServeMux()
	mux.Handle("/", behind)
	for path, handler := range o.Beside {
		mux.Handle(path, handler)
	}
	srv := httptest.NewUnstartedServer(p.Wrap(mux))
	srv.Config.ErrorLog = quiet
	if o.Certificate != nil {
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{*o.Certificate}, MinVersion: tls.VersionTLS12}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	p.Host = srv.Listener.Addr().String()
	return p
}
