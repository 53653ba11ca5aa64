package registry

import (
	"context"
	"net/http"
	"net/url"
)

// Preflight proves that the repository can be pushed to, by beginning an upload
// and cancelling it; nothing stays behind. It takes a few requests, so that a
// long build need not end in a refusal. Failures are an [*Error].
func Preflight(ctx context.Context, repository string, o Options) error {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return err
	}
	defer s.Close()
	begun, err := s.prove(ctx)
	if err == nil && begun != nil {
		s.cancelUpload(ctx, begun)
	}
	return err
}

// prove is Preflight within a session. It returns where the upload is that it
// began, which is good for any blob; nil where the registry did not say.
func (s *Session) prove(ctx context.Context) (begun *url.URL, err error) {
	err = s.Do(ctx, "asking for the right to push to", func(ctx context.Context) error {
		got, err := s.request(ctx, http.MethodPost, s.url("blobs/uploads/"), nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		begun = got.location
		return nil
	})
	return begun, err
}

// cancelUpload ends the upload that a registry began. Some cannot, or want
// another right for it; they clean up by themselves later, so that is no
// failure. It is the last thing that a session does: asked for that right,
// go-containerregistry gets a token that may lack all others.
func (s *Session) cancelUpload(ctx context.Context, location *url.URL) {
	_, err := s.request(ctx, http.MethodDelete, location, nil, http.StatusNoContent)
	s.options.log().Debug("cancelled an upload", "repository", s.Repository, "error", err)
}
