package registry

import (
	"net/url"

	digest "github.com/opencontainers/go-digest"
)

// Uploads remembers the address at which the upload of a blob to a repository
// goes on. Whoever has such an address may be able to write to the upload. Its
// methods may be called at the same time.
type Uploads interface {
	// Get returns it, "" for none.
	Get(repository string, blob digest.Digest) (location string)
	// Set replaces it; "" forgets it. An error is logged, and ends no upload.
	Set(repository string, blob digest.Digest, location string) error
}

// recall takes up the upload that an earlier process began.
func (t *transfer) recall() {
	if t.u.s.options.Uploads == nil {
		return
	}
	t.remembered = t.u.s.options.Uploads.Get(t.u.s.Repository, t.blob.digest)
	if at, err := url.Parse(t.remembered); err == nil && t.remembered != "" {
		t.location, t.broken = at, true
	}
}

// remember keeps where the upload goes on for the process that comes after this
// one, nil for an upload that came to its end.
func (t *transfer) remember(location *url.URL) {
	text := ""
	if location != nil {
		text = location.String()
	}
	if t.u.s.options.Uploads == nil || text == t.remembered {
		return
	}
	if err := t.u.s.options.Uploads.Set(t.u.s.Repository, t.blob.digest, text); err != nil {
		t.u.s.options.log().Debug("remembering an upload", "blob", t.blob.digest, "error", err)
		return
	}
	t.remembered = text
}
