package testregistry

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// upload is one that is under way. It keeps what arrived before a connection
// broke, so that it can be resumed; go-containerregistry's registry does not.
type upload struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// serveUpload serves the requests for uploads, as the OCI distribution
// specification says under "Pushing a blob in chunks".
func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	if req.Method == http.MethodPost {
		if query.Has("mount") || query.Has("digest") {
			r.backend.ServeHTTP(w, req)
			return
		}
		path := strings.TrimSuffix(req.URL.Path, "/") + "/" + rand.Text()
		r.mu.Lock()
		r.uploads[path] = &upload{}
		r.mu.Unlock()
		w.Header().Set("Location", path)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	r.mu.Lock()
	u := r.uploads[req.URL.Path]
	r.mu.Unlock()
	if u == nil {
		refuse(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Header().Set("Location", req.URL.Path)
	switch req.Method {
	case http.MethodGet:
		u.answer(w, http.StatusNoContent)
	case http.MethodDelete:
		r.endUpload(req.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPatch:
		r.patch(w, req, u)
	case http.MethodPut:
		_, _ = io.Copy(&u.data, req.Body)
		repository, _, _ := split(req.URL.Path)
		whole := httptest.NewRequest(http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+query.Get("digest"), &u.data)
		r.endUpload(req.URL.Path)
		r.backend.ServeHTTP(w, whole)
	}
}

func (r *Registry) patch(w http.ResponseWriter, req *http.Request, u *upload) {
	var start, end int
	if chunk := req.Header.Get("Content-Range"); chunk != "" {
		if _, err := fmt.Sscanf(chunk, "%d-%d", &start, &end); err != nil || start != u.data.Len() || r.options.Whole {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "invalid content range")
			return
		}
	}
	_, err := io.Copy(&u.data, req.Body)
	switch {
	case err != nil && r.options.Forgetful:
		r.endUpload(req.URL.Path)
		fallthrough
	case err != nil:
		refuse(w, http.StatusInternalServerError, "UNKNOWN", "client disconnected")
	default:
		u.answer(w, http.StatusAccepted)
	}
}

func (u *upload) answer(w http.ResponseWriter, status int) {
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(u.data.Len()-1, 0)))
	w.WriteHeader(status)
}

func (r *Registry) endUpload(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.uploads, path)
}
