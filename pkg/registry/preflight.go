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
	return s.prove(ctx)
}

// prove is Preflight within a session.
func (s *Session) prove(ctx context.Context) error {
	return s.Do(ctx, "asking for the right to push to", func(ctx context.Context) error {
		resp, err := s.request(ctx, http.MethodPost, s.url("blobs/uploads/"), nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		location, err := resp.Location()
		if err != nil {
			s.options.log().Debug("the registry began an upload without saying where", "repository", s.Repository, "error", err)
			return nil
		}
		s.cancelUpload(ctx, location)
		return nil
	})
}

// cancelUpload ends the upload that a registry began. Some cannot, or want
// another right for it; they clean up by themselves later, so that is no
// failure.
func (s *Session) cancelUpload(ctx context.Context, location *url.URL) {
	_, err := s.request(ctx, http.MethodDelete, location, nil, http.StatusNoContent)
	s.options.log().Debug("cancelled an upload", "repository", s.Repository, "error", err)
}
