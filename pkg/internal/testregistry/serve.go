package testregistry

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// serve answers a request that no fault met: login, right to write, uploads, and
// then the registry itself.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	watch := r.onTag
	r.mu.Unlock()
	if req.URL.Path == "/token" && r.options.Auth == Token {
		r.issueToken(w, req)
		return
	}
	if !r.loggedIn(req) {
		r.challenge(w, req)
		return
	}
	repository, kind, name := split(req.URL.Path)
	if req.Method != http.MethodGet && req.Method != http.MethodHead && slices.Contains(r.options.ReadOnly, repository) {
		refuse(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		return
	}
	if kind == "uploads" {
		r.serveUpload(w, req)
		return
	}
	if watch != nil && kind == "manifests" && req.Method == http.MethodPut && !strings.Contains(name, ":") {
		watch(repository, name)
	}
	r.backend.ServeHTTP(w, req)
}

// split takes "/v2/REPOSITORY/KIND/NAME" apart; for uploads KIND is "uploads".
func split(path string) (repository, kind, name string) {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/blobs/uploads", "/manifests/", "/blobs/", "/tags/"} {
		if repository, name, ok := strings.Cut(rest, kind); ok {
			kind = strings.Trim(kind, "/")
			if kind == "blobs/uploads" {
				kind = "uploads"
			}
			return repository, kind, strings.Trim(name, "/")
		}
	}
	return "", "", ""
}

func (r *Registry) loggedIn(req *http.Request) bool {
	switch r.options.Auth {
	case Basic:
		user, password, ok := req.BasicAuth()
		return ok && user == User && password == Password
	case Token:
		token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		r.mu.Lock()
		defer r.mu.Unlock()
		return ok && r.tokens[token]
	}
	return true
}

func (r *Registry) challenge(w http.ResponseWriter, req *http.Request) {
	challenge := `Basic realm="test"`
	if r.options.Auth == Token {
		scheme := "https"
		if req.TLS == nil {
			scheme = "http"
		}
		challenge = `Bearer realm="` + scheme + "://" + r.Host + `/token",service="test"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

func (r *Registry) issueToken(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if user != User || password != Password {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	token := rand.Text()
	r.mu.Lock()
	r.tokens[token] = true
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

// RevokeTokens makes every token that was issued so far worthless, as the end
// of its life would.
func (r *Registry) RevokeTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tokens)
}

// refuse answers with an error body of the distribution specification.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(ErrorBody(code, message))
}

// ErrorBody returns the body that the distribution specification ("Error
// Codes") gives an error.
func ErrorBody(code, message string) []byte {
	b, err := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}
