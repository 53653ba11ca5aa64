package faultproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// keeper stands before a registry that loses an upload whose connection breaks,
// and keeps what arrived of it, so that it can be taken up again as the OCI
// distribution specification says under "Pushing a blob in chunks". The registry
// gets each blob at its end.
type keeper struct {
	next http.Handler

	mu      sync.Mutex
	uploads map[string]*kept // by path
}

type kept struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	k.mu.Lock()
	u := k.uploads[req.URL.Path]
	if u == nil && req.Method == http.MethodPatch {
		u = &kept{}
		k.uploads[req.URL.Path] = u
	}
	k.mu.Unlock()
	if u == nil || !strings.Contains(req.URL.Path, "/blobs/uploads/") {
		k.next.ServeHTTP(w, req)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch req.Method {
	case http.MethodGet:
		u.answer(w, req, http.StatusNoContent)
	case http.MethodPatch:
		var start, end int
		if chunk := req.Header.Get("Content-Range"); chunk != "" {
			if _, err := fmt.Sscanf(chunk, "%d-%d", &start, &end); err != nil || start != u.data.Len() {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
		}
		if _, err := io.Copy(&u.data, req.Body); err != nil {
			w.WriteHeader(http.StatusInternalServerError) // to nobody
			return
		}
		u.answer(w, req, http.StatusAccepted)
	case http.MethodPut:
		// All of it is here: it goes on also when the client is gone.
		whole := req.Clone(context.WithoutCancel(req.Context()))
		whole.Body, whole.ContentLength = io.NopCloser(&u.data), int64(u.data.Len())
		k.next.ServeHTTP(w, whole)
		fallthrough
	case http.MethodDelete:
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.uploads, req.URL.Path)
	}
}

func (u *kept) answer(w http.ResponseWriter, req *http.Request, status int) {
	w.Header().Set("Location", req.URL.RequestURI())
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(u.data.Len()-1, 0)))
	w.WriteHeader(status)
}
