package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// answer is one that was hoped for; its body was read.
type answer struct {
	status int
	header http.Header
	// location is where the registry wants the next request of an upload, nil
	// where it does not say.
	location *url.URL
}

// answerError is an answer of the registry that is not the one that was hoped
// for.
type answerError struct {
	err error
	// retryAfter is how long the registry asked to wait, 0 where it did not say.
	retryAfter time.Duration
	// upload says that it was about a blob.
	upload bool
}

// Error returns what the registry said.
func (e *answerError) Error() string { return e.err.Error() }

// Unwrap returns what go-containerregistry made of the answer.
func (e *answerError) Unwrap() error { return e.err }

// url is an address below the session's repository.
func (s *Session) url(below string) *url.URL {
	return &url.URL{Scheme: s.base.scheme, Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/" + below}
}

// request makes one request and returns the answer where the status is one of
// those hoped for; else the error is an [*answerError]. change, where set,
// completes the request.
func (s *Session) request(ctx context.Context, method string, to *url.URL, change func(*http.Request), hoped ...int) (*answer, error) {
	return ask(ctx, &http.Client{Transport: s.client.Load()}, method, to, change, hoped...)
}

func ask(ctx context.Context, client *http.Client, method string, to *url.URL, change func(*http.Request), hoped ...int) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, to.String(), nil)
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if slices.Contains(hoped, resp.StatusCode) {
		// A connection is used again only when nothing is left in it; what it has
		// to say here is in the headers.
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
		if err != nil {
			return nil, readingError(method, to, err)
		}
		a := &answer{status: resp.StatusCode, header: resp.Header}
		if a.location, err = resp.Location(); err != nil {
			a.location = nil
		}
		return a, nil
	}
	err = transport.CheckError(resp)
	var said *transport.Error
	if !errors.As(err, &said) {
		return nil, readingError(method, to, err)
	}
	if strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		err = fmt.Errorf("%w: %w", errInsufficientScope, err)
	}
	return nil, &answerError{err: err, retryAfter: retryAfter(resp.Header)}
}

// readingError is a failure to read an answer, in the form of net/http's own.
func readingError(method string, to *url.URL, err error) error {
	return &url.Error{Op: method, URL: to.Redacted(), Err: err}
}
