//go:build e2e

package test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// recordingProxy stands before a registry and notes what clients ask for.
type recordingProxy struct {
	host string // 127.0.0.1:port

	mu       sync.Mutex
	requests []recordedRequest
	// stall, if set, is asked whether a request is to be kept waiting until its
	// client is gone. The registry never sees such a request.
	stall func(*http.Request) bool
}

// recordedRequest is one request, with the registry's answer.
type recordedRequest struct {
	method, path string
	status       int
	// content is the digest of what was put: a manifest, or a blob at the end of its
	// upload.
	content digest.Digest
	// signed says that the registry had a signature for content when the
	// request came; only for manifests.
	signed bool
}

// kind is "manifests", "blobs" or "uploads", or "" for another request; name is
// what follows it.
func (r recordedRequest) kind() (kind, name string) {
	dir, name := path.Split(r.path)
	kind = path.Base(dir)
	if strings.Contains(r.path, "/blobs/uploads/") {
		kind = "uploads"
	}
	switch kind {
	case "manifests", "blobs", "uploads":
		return kind, name
	}
	return "", name
}

// startProxy starts a proxy with a certificate of the registry's authority.
func startProxy(t testing.TB, r *dockerRegistry) *recordingProxy {
	t.Helper()
	p := &recordingProxy{}
	quiet := log.New(io.Discard, "", 0)
	forward := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(&url.URL{Scheme: r.scheme, Host: r.host})
			// The registry makes its Location headers of it.
			pr.Out.Host = pr.In.Host
		},
		Transport: r.client.Transport,
		ErrorLog:  quiet,
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.mu.Lock()
		stall := p.stall
		p.mu.Unlock()
		if stall != nil && stall(req) {
			// The server notices that a client is gone when its body was read.
			_, _ = io.Copy(io.Discard, req.Body)
			<-req.Context().Done()
			return
		}
		record := recordedRequest{method: req.Method, path: req.URL.Path, content: digest.Digest(req.URL.Query().Get("digest"))}
		if kind, _ := record.kind(); kind == "manifests" && req.Method == http.MethodPut {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				t.Errorf("reading a manifest: %v", err)
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			record.content = digest.FromBytes(body)
			repository := strings.TrimPrefix(path.Dir(path.Dir(req.URL.Path)), "/v2/")
			record.signed = r.has(t, repository, signatureTag(record.content))
		}
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		forward.ServeHTTP(answer, req)
		record.status = answer.status
		p.mu.Lock()
		p.requests = append(p.requests, record)
		p.mu.Unlock()
	}))
	srv.Config.ErrorLog = quiet
	cert, key := r.ca.issue(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	p.host = srv.Listener.Addr().String()
	return p
}

// signatureTag is the tag under which clients look for signatures.
func signatureTag(d digest.Digest) string { return "sha256-" + d.Encoded() + ".sig" }

// attestationTag is the tag under which they look for attestations.
func attestationTag(d digest.Digest) string { return "sha256-" + d.Encoded() + ".att" }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// forget returns the requests so far, and begins anew.
func (p *recordingProxy) forget() []recordedRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests := p.requests
	p.requests = nil
	return requests
}

// setStall replaces stall.
func (p *recordingProxy) setStall(stall func(*http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stall = stall
}

// manifestPuts returns the manifests that were written, in order.
func manifestPuts(requests []recordedRequest) []recordedRequest {
	var puts []recordedRequest
	for _, r := range requests {
		if kind, _ := r.kind(); kind == "manifests" && r.method == http.MethodPut {
			puts = append(puts, r)
		}
	}
	return puts
}

// sentBlobs counts the requests that carried bytes of a blob.
func sentBlobs(requests []recordedRequest) int {
	n := 0
	for _, r := range requests {
		if kind, _ := r.kind(); kind == "uploads" && (r.method == http.MethodPatch || r.method == http.MethodPut) {
			n++
		}
	}
	return n
}

// blobsAgain returns those blobs of an image that were sent.
func (s *site) blobsAgain(t testing.TB, requests []recordedRequest, image digest.Digest) (again []digest.Digest) {
	t.Helper()
	var m imgspecv1.Manifest
	if err := json.Unmarshal(s.registry.manifest(t, s.repository, image.String()), &m); err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		if kind, _ := r.kind(); kind != "uploads" || r.method != http.MethodPut {
			continue
		}
		if slices.ContainsFunc(append(m.Layers, m.Config), func(d imgspecv1.Descriptor) bool { return d.Digest == r.content }) {
			again = append(again, r.content)
		}
	}
	return again
}
