//go:build e2e

package test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// authority issues certificates for servers on 127.0.0.1.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
	// dir is a folder for --cert-dir: it holds ca.crt.
	dir string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{serial: 1, dir: t.TempDir()}
	a.certificate = &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "bootkiln test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	a.key, der = a.sign(t, a.certificate)
	writePEM(t, filepath.Join(a.dir, "ca.crt"), "CERTIFICATE", der)
	return a
}

// sign makes a key, and a certificate for it.
func (a *authority) sign(t testing.TB, template *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key // the authority's own
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// issue writes a server's certificate and key into dir.
func (a *authority) issue(t testing.TB, dir string) (certFile, keyFile string) {
	t.Helper()
	a.serial++
	key, der := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", secret)
	return certFile, keyFile
}

// transport trusts the authority, and nobody else.
func (a *authority) transport() *http.Transport {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(a.dir, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		panic("the authority has no certificate")
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	write(t, file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func write(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The account of every test registry.
const (
	registryUser     = "kiln"
	registryPassword = "a password: with a colon"
)

// dockerRegistry is Debian's docker-registry.
type dockerRegistry struct {
	host   string // 127.0.0.1:port
	scheme string
	client *http.Client
	ca     *authority
	// dir holds its configuration, and its storage in the folder "data".
	dir string
	// tokens, where set, is the service that it trusts.
	tokens *tokenService

	process *exec.Cmd
	ended   chan struct{}
	log     bytes.Buffer
}

// registryConfig is what is not as usual about a registry.
type registryConfig struct {
	// storage is the driver and its settings, "" for a folder of the registry's.
	storage string
	// tokens has clients get a token, "" for an account of htpasswd; realm is the
	// address of the service as clients see it.
	tokens *tokenService
	realm  string
	// keeps has the proxy before the registry keep uploads that broke off.
	keeps bool
}

// startRegistry starts a registry with an empty store and the account above.
// Without an authority it speaks plain HTTP.
func startRegistry(t testing.TB, ca *authority) *dockerRegistry {
	t.Helper()
	r := newRegistry(t, ca)
	r.start(t, registryConfig{})
	return r
}

// newRegistry prepares a registry that has an address, and does not run yet.
func newRegistry(t testing.TB, ca *authority) *dockerRegistry {
	t.Helper()
	r := &dockerRegistry{host: freePort(t), scheme: "http", client: &http.Client{}, ca: ca, dir: t.TempDir()}
	if ca != nil {
		r.scheme, r.client.Transport = "https", ca.transport()
	}
	return r
}

// start runs the registry until the test ends.
func (r *dockerRegistry) start(t testing.TB, c registryConfig) {
	t.Helper()
	r.tokens = c.tokens
	secure := ""
	if r.ca != nil {
		cert, key := r.ca.issue(t, r.dir)
		secure = fmt.Sprintf("tls: {certificate: %s, key: %s}", cert, key)
	}
	if c.storage == "" {
		c.storage = fmt.Sprintf("filesystem: {rootdirectory: %s/data}", r.dir)
	}
	auth := fmt.Sprintf("htpasswd: {realm: bootkiln, path: %s/htpasswd}", r.dir)
	if c.tokens != nil {
		auth = c.tokens.config(t, r.dir, c.realm)
	} else {
		htpasswd := exec.Command("htpasswd", "-niB", registryUser)
		htpasswd.Stdin = strings.NewReader(registryPassword)
		account, err := htpasswd.Output()
		if err != nil {
			t.Fatalf("running htpasswd: %v", err)
		}
		write(t, filepath.Join(r.dir, "htpasswd"), account)
	}
	write(t, filepath.Join(r.dir, "config.yml"), fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {%s, redirect: {disable: true}}
http: {addr: %q, secret: not-secret, %s}
auth: {%s}
`, c.storage, r.host, secure, auth))
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			said := r.log.Bytes()
			t.Logf("what the registry said last:\n%s", said[max(len(said)-4096, 0):])
		}
	})
	r.run(t)
}

// run starts the process, and returns when it answers.
func (r *dockerRegistry) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command("docker-registry", "serve", filepath.Join(r.dir, "config.yml"))
	cmd.Stdout, cmd.Stderr = &r.log, &r.log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // the S3 driver reads AWS_*
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the registry: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	r.process, r.ended = cmd, ended
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if resp, err := r.do(t, http.MethodGet, "/v2/", nil, nil); err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the registry ended: %s", r.log.Bytes())
		case <-poll.C:
		}
	}
}

// kill ends the process, with no time to put anything in order.
func (r *dockerRegistry) kill() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		<-r.ended
	}
}

// restart kills the registry and runs it again over the same storage.
func (r *dockerRegistry) restart(t testing.TB) {
	r.kill()
	r.run(t)
}

// freePort returns an address on which nothing listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// do asks the registry directly, past every proxy.
func (r *dockerRegistry) do(t testing.TB, method, path string, header http.Header, body []byte) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.scheme+"://"+r.host+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if r.tokens != nil {
		repository := strings.TrimPrefix(path, "/v2/")
		for _, kind := range []string{"/manifests/", "/blobs/", "/tags/"} {
			repository, _, _ = strings.Cut(repository, kind)
		}
		req.Header.Set("Authorization", "Bearer "+r.tokens.issue(time.Now().Add(time.Hour), repository, "pull", "push"))
	} else {
		req.SetBasicAuth(registryUser, registryPassword)
	}
	return r.client.Do(req)
}

// get returns the answer's body; a status that is not 200 or 201 fails the
// test.
func (r *dockerRegistry) get(t testing.TB, method, path string, header http.Header, body []byte) []byte {
	t.Helper()
	resp, err := r.do(t, method, path, header, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, content)
	}
	return content
}

// manifestType is the header that asks for, or announces, an OCI manifest.
func manifestType(name string) http.Header {
	return http.Header{name: {imgspecv1.MediaTypeImageManifest}}
}

// manifest returns the bytes of a manifest, by tag or digest.
func (r *dockerRegistry) manifest(t testing.TB, repository, reference string) []byte {
	t.Helper()
	return r.get(t, http.MethodGet, "/v2/"+repository+"/manifests/"+reference, manifestType("Accept"), nil)
}

// named returns the manifest that a tag names, nil for one that names none yet:
// this registry lists a tag before it has written what it names, and answers 404,
// or 500 where the file is there and empty.
func (r *dockerRegistry) named(t testing.TB, repository, tag string) []byte {
	t.Helper()
	resp, err := r.do(t, http.MethodGet, "/v2/"+repository+"/manifests/"+tag, manifestType("Accept"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusInternalServerError:
		return nil
	default:
		t.Errorf("%s:%s: %s", repository, tag, resp.Status)
		return nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (r *dockerRegistry) putManifest(t testing.TB, repository, reference string, content []byte) {
	t.Helper()
	r.get(t, http.MethodPut, "/v2/"+repository+"/manifests/"+reference, manifestType("Content-Type"), content)
}

// has reports whether a manifest is there.
func (r *dockerRegistry) has(t testing.TB, repository, reference string) bool {
	t.Helper()
	resp, err := r.do(t, http.MethodHead, "/v2/"+repository+"/manifests/"+reference, manifestType("Accept"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// blob opens a blob; the caller closes it.
func (r *dockerRegistry) blob(t testing.TB, repository, digest string) io.ReadCloser {
	t.Helper()
	resp, err := r.do(t, http.MethodGet, "/v2/"+repository+"/blobs/"+digest, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("blob %s: %s", digest, resp.Status)
	}
	return resp.Body
}

// tags lists the tags of a repository; one that is not there has none.
func (r *dockerRegistry) tags(t testing.TB, repository string) []string {
	t.Helper()
	resp, err := r.do(t, http.MethodGet, "/v2/"+repository+"/tags/list", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Tags []string }
	switch resp.StatusCode {
	case http.StatusNotFound:
		return nil
	case http.StatusOK:
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("listing tags: %s", resp.Status)
	}
	return list.Tags
}
