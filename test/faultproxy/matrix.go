package faultproxy

import (
	"fmt"
	"net/http"
)

// Stage is a kind of request of a publish.
type Stage struct {
	Name, Method, Path string
	// Skip is how many requests of an earlier stage look the same.
	Skip int
	// Blob says that the request belongs to the upload of a blob.
	Blob bool
	// Final says that a 404 is taken for the last word.
	Final bool
}

// The stages of a push, in order, and those of a tag, up to the one that writes
// it. Tags are named "latest".
var (
	Preflight = Stage{Name: "preflight", Method: http.MethodPost, Path: `/blobs/uploads/$`, Final: true}
	BlobLook  = Stage{Name: "blob look-up", Method: http.MethodHead, Path: `/blobs/sha256:`, Blob: true}
	// The first blob takes the upload that preflight began.
	BlobBegin   = Stage{Name: "blob begin", Method: http.MethodPost, Path: `/blobs/uploads/$`, Skip: 1, Blob: true}
	BlobBody    = Stage{Name: "blob body", Method: http.MethodPatch, Path: `/blobs/uploads/`, Blob: true}
	BlobEnd     = Stage{Name: "blob end", Method: http.MethodPut, Path: `/blobs/uploads/`, Blob: true}
	ManifestPut = Stage{Name: "manifest", Method: http.MethodPut, Path: `/manifests/sha256:`, Final: true}
	ReadBack    = Stage{Name: "read back", Method: http.MethodGet, Path: `/manifests/sha256:`}
	TagLook     = Stage{Name: "tag look-up", Method: http.MethodGet, Path: `/manifests/latest$`}
	TagPut      = Stage{Name: "tag", Method: http.MethodPut, Path: `/manifests/latest$`, Final: true}
	TagBack     = Stage{Name: "tag read back", Method: http.MethodGet, Path: `/manifests/latest$`, Skip: 1}

	Stages = []Stage{Preflight, BlobLook, BlobBegin, BlobBody, BlobEnd, ManifestPut, ReadBack, TagLook, TagPut, TagBack}
)

// Kind is a way to fail. It chooses no request yet.
type Kind struct {
	Name string
	Fault
}

// codes are the error codes that registries give with a status.
var codes = map[int]string{
	http.StatusUnauthorized:    "UNAUTHORIZED",
	http.StatusForbidden:       "DENIED",
	http.StatusTooManyRequests: "TOOMANYREQUESTS",
}

// Kinds returns the ways to fail that any request can meet: the statuses, and
// the ends of a connection. Bodies are cut after so many bytes.
func Kinds(within int64) []Kind {
	var kinds []Kind
	for _, status := range []int{401, 403, 404, 408, 429, 500, 502, 503, 504} {
		var body []byte
		if code := codes[status]; code != "" {
			body = fmt.Appendf(nil, `{"errors":[{"code":%q,"message":"made up"}]}`, code)
		}
		kinds = append(kinds, Kind{fmt.Sprint(status), Fault{Status: status, Body: body}})
	}
	return append(kinds,
		Kind{"reset at once", Fault{Cut: Reset}},
		Kind{"reset in body", Fault{Cut: Reset, Read: within}},
		Kind{"closed in body", Fault{Cut: Closed, Read: within}},
		Kind{"answer lost", Fault{Cut: Closed, Read: -1}},
		Kind{"answer truncated", Fault{Cut: Truncated}},
		Kind{"stalled in body", Fault{Cut: Silent, Read: within}},
	)
}

// At returns the fault of a kind at a stage, for so many requests (see
// [Fault.Times]).
func (k Kind) At(s Stage, times int) Fault {
	f := k.Fault
	f.Method, f.Path, f.Skip, f.Times = s.Method, s.Path, s.Skip, times
	return f
}
