// Package fakesigstore is a sigstore inside the test process: it listens on the
// loopback interface, vouches for one identity as GitHub Actions does, certifies
// its keys as Fulcio does, writes signatures down as Rekor does, and has a
// trusted root for verifiers.
package fakesigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// Whom the sigstore vouches for: a workflow, as GitHub names it.
const (
	Subject = "https://github.com/me/os/.github/workflows/build.yml@refs/heads/main"
	Issuer  = "https://token.actions.githubusercontent.com"
)

// requestToken is what a job shows to get an OIDC token.
const requestToken = "the runner gives no other"

// Sigstore is a running sigstore. It is stopped when the test ends.
type Sigstore struct {
	// URL is the address of all its services.
	URL string
	// Root is the file with the trusted root.
	Root string

	intermediate, authority *issuer
	rekor, ctlog            *ecdsa.PrivateKey
	token                   string

	mu     sync.Mutex
	counts map[string]int
	broken map[string]int
	once   map[string]int
	on     map[string]func()
}

// The services, for [Sigstore.Break] and [Sigstore.Count].
const (
	OIDC   = "/token"
	Fulcio = "/api/v2/signingCert"
	Rekor  = "/api/v1/log/entries"
)

// New starts a sigstore.
func New(t testing.TB) *Sigstore {
	t.Helper()
	s := &Sigstore{rekor: newKey(t), ctlog: newKey(t), counts: map[string]int{}, broken: map[string]int{}, once: map[string]int{}, on: map[string]func(){}}
	s.authority = newIssuer(t, nil)
	s.intermediate = newIssuer(t, s.authority)
	claims, err := json.Marshal(map[string]any{"iss": Issuer, "sub": Subject, "aud": "sigstore"})
	if err != nil {
		t.Fatal(err)
	}
	s.token = "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2lnbmVk"

	mux := http.NewServeMux()
	mux.HandleFunc("GET "+OIDC, s.serveToken)
	mux.HandleFunc("POST "+Fulcio, s.serveCertificate)
	mux.HandleFunc("POST "+Rekor, s.serveEntry)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := s.arrive(r.URL.Path); status != 0 {
			const text = "out of order"
			if r.URL.Path == Rekor { // whose client reads nothing else
				reply(w, status, map[string]any{"code": status, "message": text})
				return
			}
			http.Error(w, text, status)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.writeRoot(t)
	return s
}

// Environ is what a job of GitHub Actions with "id-token: write" has in its
// environment, and what makes bootkiln use this sigstore.
func (s *Sigstore) Environ() map[string]string {
	return map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL":   s.URL + OIDC + "?api-version=2.0",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken,
		"COSIGN_FULCIO_URL":              s.URL,
		"COSIGN_REKOR_URL":               s.URL,
		"SIGSTORE_TRUSTED_ROOT":          s.Root,
	}
}

// Verifying returns what makes the cosign command verify attestations by this
// sigstore: it takes a trusted root for signatures alone.
func (s *Sigstore) Verifying(t testing.TB) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, ders ...[]byte) string {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func(name string, key *ecdsa.PrivateKey) string {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return write(name, "PUBLIC KEY", der)
	}
	return map[string]string{
		"SIGSTORE_ROOT_FILE":              write("authorities.pem", "CERTIFICATE", s.intermediate.cert.Raw, s.authority.cert.Raw),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": key("certificates.pub", s.ctlog),
		"SIGSTORE_REKOR_PUBLIC_KEY":       key("rekor.pub", s.rekor),
	}
}

// Break has a service answer every request with the status; 0 mends it.
func (s *Sigstore) Break(service string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[service] = status
}

// BreakOnce has a service answer its next request with the status.
func (s *Sigstore) BreakOnce(service string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once[service] = status
}

// OnRequest has do called at each request to a service, before it is answered.
func (s *Sigstore) OnRequest(service string, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on[service] = do
}

// Count returns how often a service was asked.
func (s *Sigstore) Count(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[service]
}

// arrive counts a request, and returns the status that it is to fail with.
func (s *Sigstore) arrive(service string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[service]++
	if do := s.on[service]; do != nil {
		do()
	}
	if status := s.once[service]; status != 0 {
		delete(s.once, service)
		return status
	}
	return s.broken[service]
}

func (s *Sigstore) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "bearer "+requestToken || r.URL.Query().Get("audience") != "sigstore" {
		http.Error(w, "not yours", http.StatusForbidden)
		return
	}
	reply(w, http.StatusOK, map[string]string{"value": s.token})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

// writeRoot writes the trusted root into a file.
func (s *Sigstore) writeRoot(t testing.TB) {
	t.Helper()
	authority := &root.FulcioCertificateAuthority{
		Root: s.authority.cert, Intermediates: []*x509.Certificate{s.intermediate.cert},
		ValidityPeriodStart: s.authority.cert.NotBefore, URI: s.URL,
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority},
		s.log(t, s.ctlog), nil, s.log(t, s.rekor))
	if err != nil {
		t.Fatal(err)
	}
	b, err := trusted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s.Root = filepath.Join(t.TempDir(), "trusted_root.json")
	if err := os.WriteFile(s.Root, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// log describes a log to verifiers, which know it by the digest of its key.
func (s *Sigstore) log(t testing.TB, key *ecdsa.PrivateKey) map[string]*root.TransparencyLog {
	t.Helper()
	id, err := logID(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*root.TransparencyLog{hex.EncodeToString(id[:]): {
		BaseURL: s.URL, ID: id[:], ValidityPeriodStart: time.Now().Add(-time.Hour),
		HashFunc: crypto.SHA256, PublicKey: key.Public(), SignatureHashFunc: crypto.SHA256,
	}}
}

func logID(key *ecdsa.PrivateKey) ([sha256.Size]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	return sha256.Sum256(der), err
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
