package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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
		client := &http.Client{Transport: s.client}
		begin := url.URL{Scheme: s.base.scheme, Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/blobs/uploads/"}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, begin.String(), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := transport.CheckError(resp, http.StatusAccepted); err != nil {
			if strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
				err = fmt.Errorf("%w: %w", errInsufficientScope, err)
			}
			return err
		}
		s.cancelUpload(ctx, client, resp)
		return nil
	})
}

// cancelUpload ends the upload that a registry began. Some cannot, or want
// another right for it; they clean up by themselves later, so that is no
// failure.
func (s *Session) cancelUpload(ctx context.Context, client *http.Client, begun *http.Response) {
	log := s.options.log().With("repository", s.Repository)
	location, err := begun.Location()
	if err != nil {
		log.Debug("the registry began an upload without saying where", "error", err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, location.String(), nil)
	if err != nil {
		log.Debug("cancelling an upload", "error", err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		log.Debug("cancelling an upload", "error", err)
		return
	}
	resp.Body.Close()
	log.Debug("cancelled an upload", "status", resp.StatusCode)
}
