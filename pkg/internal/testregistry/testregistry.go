// Package testregistry is an OCI registry inside the test process: it listens
// on the loopback interface with a certificate of its own authority, asks for a
// login the way real registries do, writes down every request, and fails on
// demand.
package testregistry

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bootkiln/bootkiln/test/faultproxy"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// Auth is how a registry asks who is there.
type Auth int

// The ways to log in.
const (
	// Anonymous lets everyone do everything.
	Anonymous Auth = iota
	// Basic is what a registry with an htpasswd file does.
	Basic
	// Token answers with a Bearer challenge; tokens come from /token of the same
	// server, as in the Distribution project's token specification.
	Token
)

// The only user that a registry knows.
const (
	User     = "smith"
	Password = "hammer-and-anvil"
)

// Options say what kind of registry to start; the zero value speaks TLS and
// asks for nothing.
type Options struct {
	Auth Auth
	// PlainHTTP serves without TLS.
	PlainHTTP bool
	// ReadOnly are repositories that the user may not write to: an upload is
	// answered with 403 DENIED.
	ReadOnly []string
	// Forgetful loses an upload whose connection breaks, as Distribution 2.8 does
	// behind its HTTP layer.
	Forgetful bool
	// Whole refuses to go on with an upload that broke off, as a registry does
	// that limits the size of a chunk.
	Whole bool
	// Referrers lists what belongs to an image, as registries of version 1.1 of the
	// distribution specification do.
	Referrers bool
}

// Registry is a running registry. It is stopped when the test ends.
type Registry struct {
	// Host is "127.0.0.1:port".
	Host string

	options Options
	backend http.Handler
	ca      []byte

	faultproxy.Faults

	mu      sync.Mutex
	uploads map[string]*upload // by path; those that were begun and not ended
	tokens  map[string]bool
	onTag   func(repository, tag string)
}

// New starts a registry.
func New(t testing.TB, o Options) *Registry {
	t.Helper()
	r := &Registry{
		options: o,
		backend: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(o.Referrers)),
		uploads: map[string]*upload{},
		tokens:  map[string]bool{},
	}
	srv := httptest.NewUnstartedServer(r.Wrap(http.HandlerFunc(r.serve)))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if o.PlainHTTP {
		srv.Start()
	} else {
		authority := newAuthority(t)
		r.ca = authority.pem
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{authority.issue(t, "127.0.0.1")}, MinVersion: tls.VersionTLS12}
		srv.StartTLS()
	}
	t.Cleanup(srv.Close)
	r.Host = srv.Listener.Addr().String()
	return r
}

// WriteCerts writes a certs.d folder that trusts the registry and returns its
// path: one sub-folder for its host and port, with ca.crt.
func (r *Registry) WriteCerts(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs.d")
	write(t, filepath.Join(dir, r.Host, "ca.crt"), r.ca)
	return dir
}

// WriteAuth writes an auth file with the given login for the registry and
// returns its path.
func (r *Registry) WriteAuth(t testing.TB, user, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.json")
	b, err := json.Marshal(map[string]any{"auths": map[string]any{
		r.Host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, b)
	return path
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// OpenUploads returns the paths of uploads that were begun and neither
// finished nor cancelled.
func (r *Registry) OpenUploads() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.uploads))
}

// OnTag has f called before a manifest is written under a tag, in the goroutine
// of the request. The watcher of the promise that no tag names an unsigned
// image hangs here.
func (r *Registry) OnTag(f func(repository, tag string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onTag = f
}

// Tags returns the tags of a repository, sorted; nil where it does not exist.
func (r *Registry) Tags(repository string) []string {
	_, body := r.get("/v2/" + repository + "/tags/list")
	var list struct {
		Tags []string `json:"tags"`
	}
	if json.Unmarshal(body, &list) != nil {
		return nil
	}
	slices.Sort(list.Tags)
	return list.Tags
}

// Manifest returns the bytes and the media type of what a tag or digest names,
// nil where there is nothing.
func (r *Registry) Manifest(repository, tagOrDigest string) (content []byte, mediaType string) {
	header, body := r.get("/v2/" + repository + "/manifests/" + tagOrDigest)
	return body, header.Get("Content-Type")
}

// Blob returns the bytes of a blob, nil where there is none.
func (r *Registry) Blob(repository, digest string) []byte {
	_, body := r.get("/v2/" + repository + "/blobs/" + digest)
	return body
}

// Referrers returns the list of what belongs to a digest, nil where the registry
// keeps none.
func (r *Registry) Referrers(repository, digest string) []byte {
	_, body := r.get("/v2/" + repository + "/referrers/" + digest)
	return body
}

// PutManifest writes a manifest behind the back of every check.
func (r *Registry) PutManifest(t testing.TB, repository, tagOrDigest, mediaType string, content []byte) {
	t.Helper()
	req := httptest.NewRequest(http.MethodPut, "/v2/"+repository+"/manifests/"+tagOrDigest, strings.NewReader(string(content)))
	req.Header.Set("Content-Type", mediaType)
	rec := httptest.NewRecorder()
	r.backend.ServeHTTP(rec, req)
	if rec.Code != http.StatusCreated {
		t.Fatalf("writing manifest %s of %s: %d %s", tagOrDigest, repository, rec.Code, rec.Body)
	}
}

// Load puts the layout's blobs into the registry, which keeps them for all its
// repositories together.
func (r *Registry) Load(t testing.TB, img Image) {
	t.Helper()
	dir := filepath.Join(strings.TrimPrefix(img.At, "oci:"), "blobs", "sha256")
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name.Name()))
		must(t, err)
		rec := httptest.NewRecorder()
		r.backend.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v2/any/blobs/uploads/?digest=sha256:"+name.Name(), bytes.NewReader(content)))
		if rec.Code != http.StatusCreated {
			t.Fatalf("loading blob %s: %d %s", name.Name(), rec.Code, rec.Body)
		}
	}
}

// get asks the registry behind login, list and faults.
func (r *Registry) get(path string) (http.Header, []byte) {
	rec := httptest.NewRecorder()
	r.backend.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	if rec.Code != http.StatusOK {
		return rec.Header(), nil
	}
	return rec.Header(), rec.Body.Bytes()
}
