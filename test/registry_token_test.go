//go:build e2e

package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tokenService issues tokens as the Distribution project specifies them (its
// documentation, "Token Authentication Implementation"): signed with a key whose
// certificate the registry has.
type tokenService struct {
	key  *ecdsa.PrivateKey
	cert []byte
	// issued counts the tokens.
	issued atomic.Int64
}

const tokenIssuer, tokenAudience = "bootkiln-test", "bootkiln-test-registry"

func newTokenService(t testing.TB) *tokenService {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := newAuthority(t).certificate
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tokenService{key: key, cert: cert}
}

// config is what the registry's configuration says of the service.
func (s *tokenService) config(t testing.TB, dir, realm string) string {
	t.Helper()
	bundle := filepath.Join(dir, "tokens.crt")
	write(t, bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert}))
	return fmt.Sprintf("token: {realm: %q, service: %s, issuer: %s, rootcertbundle: %s}", realm, tokenAudience, tokenIssuer, bundle)
}

// access is what a token allows.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// issue makes a token that is good until then, for the actions in the
// repository. The registry accepts it for a minute longer.
func (s *tokenService) issue(until time.Time, repository string, actions ...string) string {
	return s.sign(until, []access{{"repository", repository, actions}})
}

func (s *tokenService) sign(until time.Time, allowed []access) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of strings always encode
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := encode(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.cert)}}) + "." +
		encode(map[string]any{
			"iss": tokenIssuer, "aud": tokenAudience, "sub": registryUser, "jti": fmt.Sprint(s.issued.Add(1)),
			"exp": until.Unix(), "nbf": until.Add(-24 * time.Hour).Unix(), "iat": until.Add(-24 * time.Hour).Unix(),
			"access": allowed,
		})
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...) // RFC 7518, 3.4
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// ServeHTTP gives the account a token for what it asks for, and anybody else
// none.
func (s *tokenService) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if user != registryUser || password != registryPassword {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	allowed := []access{}
	for _, text := range req.URL.Query()["scope"] {
		if scope := strings.Split(text, ":"); len(scope) == 3 {
			allowed = append(allowed, access{scope[0], scope[1], strings.Split(scope[2], ",")})
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": s.sign(time.Now().Add(5*time.Minute), allowed), "expires_in": 300})
}
