package sign

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// KeylessClass says whose problem it is that signing without a key does not work.
type KeylessClass string

// The classes.
const (
	// NoIdentity: there is no token that says who signs, or it is none.
	NoIdentity KeylessClass = "identity"
	// ServiceRefused: a service answers, and does not do what it is asked for.
	ServiceRefused KeylessClass = "refused"
	// ServiceDown: a service cannot be reached, or is out of order, after several
	// tries.
	ServiceDown KeylessClass = "down"
	// RootsMismatch: what the services return is not what the trusted root accepts.
	RootsMismatch KeylessClass = "roots"
)

// answerError is an answer of a service that is no success.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string {
	said := fmt.Sprintf("it answers %d %s", e.status, http.StatusText(e.status))
	if e.text != "" {
		said += ": " + e.text
	}
	return said
}

// IsClientError is as in the errors that the client of Rekor returns.
func (e *answerError) IsClientError() bool {
	return e.status/100 == 4 && e.status != http.StatusTooManyRequests
}

// classOf is the class of what a service did.
func classOf(err error) KeylessClass {
	var answer interface{ IsClientError() bool }
	if errors.As(err, &answer) && answer.IsClientError() {
		return ServiceRefused
	}
	return ServiceDown
}

// Waiting for a service: tries times after the first, for twice as long each
// time, but for longest at most.
const (
	tries   = 3
	longest = 30 * time.Second
)

func firstWait(wait time.Duration) time.Duration { return cmp.Or(wait, time.Second) }

// serviceClient returns a client that asks again while the connection breaks or
// the service is out of order. An answer that is no success is an error.
func serviceClient(wait time.Duration) *http.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = tries, firstWait(wait), longest
	c.ErrorHandler = func(answer *http.Response, err error, _ int) (*http.Response, error) {
		if answer != nil && err == nil {
			return answer, nil
		}
		return nil, err
	}
	return &http.Client{Transport: successful{c.StandardClient().Transport}}
}

// successful makes other answers errors.
type successful struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s successful) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.RoundTripper.RoundTrip(r)
	if err != nil || answer.StatusCode/100 == 2 {
		return answer, err
	}
	defer answer.Body.Close()
	const most = 512 // it is for a line on a terminal
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		text = nil
	}
	return nil, &answerError{answer.StatusCode, string(bytes.TrimSpace(text))}
}

// bounded sends requests with a context, where a library sends them without.
type bounded struct {
	http.RoundTripper
	ctx context.Context //nolint:containedctx // the library passes none
}

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.RoundTripper.RoundTrip(r.WithContext(b.ctx))
}
