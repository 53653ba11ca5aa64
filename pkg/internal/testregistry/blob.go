package testregistry

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	digest "github.com/opencontainers/go-digest"
)

// PutBlob puts a blob into the registry, which keeps them for all its
// repositories together, behind the back of every check.
func (r *Registry) PutBlob(t testing.TB, content []byte) digest.Digest {
	t.Helper()
	d := digest.FromBytes(content)
	rec := httptest.NewRecorder()
	r.backend.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v2/any/blobs/uploads/?digest="+d.String(), bytes.NewReader(content)))
	if rec.Code != http.StatusCreated {
		t.Fatalf("loading blob %s: %d %s", d, rec.Code, rec.Body)
	}
	return d
}
