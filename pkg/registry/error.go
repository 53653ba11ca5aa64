package registry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
)

// Class says what kind of failure an [Error] is, and so what can be done.
type Class string

// The classes. Only Expired, SessionLost, RateLimited and Transient are tried
// again.
const (
	// Unauthorized: the registry asks for a login, or does not accept the one
	// given.
	Unauthorized Class = "unauthorized"
	// Denied: the login is accepted and has no right to do this.
	Denied Class = "denied"
	// Expired: the right was proved at the start and was lost during an upload,
	// because a token or the registry's time for one upload ended. Registries
	// report it as a misleading "denied".
	Expired Class = "expired"
	// SessionLost: the registry forgot an upload that was under way.
	SessionLost Class = "session-lost"
	// Quota: there is no room left.
	Quota Class = "quota"
	// Missing: the repository, manifest or blob does not exist.
	Missing Class = "missing"
	// Immutable: the tag exists, names something else, and may not be moved.
	Immutable Class = "immutable"
	// TooLarge: the registry or a proxy before it takes no body of this size.
	TooLarge Class = "too-large"
	// InvalidName: no registry has a repository or tag of this name.
	InvalidName Class = "invalid-name"
	// TLS: the certificate is not trusted, or does not fit.
	TLS Class = "tls"
	// PlainHTTP: the registry speaks HTTP where HTTPS was expected.
	PlainHTTP Class = "plain-http"
	// Unreachable: there is no such host, or nothing listens there.
	Unreachable Class = "unreachable"
	// Blocked: registries.conf forbids this registry.
	Blocked Class = "blocked"
	// RateLimited: too many requests.
	RateLimited Class = "rate-limited"
	// Transient: the connection broke, or the server had an error of its own.
	Transient Class = "transient"
	// Rejected: the registry refuses what was sent, for a reason of its own.
	Rejected Class = "rejected"
	// Inconsistent: the registry returns other bytes than it was given.
	Inconsistent Class = "inconsistent"
)

// summaries say a class in the words of a user.
var summaries = map[Class]string{
	Unauthorized: "the registry does not accept the login",
	Denied:       "the login has no right to do this",
	Expired:      "the registry ended the upload before it was complete",
	SessionLost:  "the registry lost the upload",
	Quota:        "the registry has no room left for this",
	Missing:      "not found in the registry",
	Immutable:    "the tag exists and may not be moved",
	TooLarge:     "the registry, or a proxy before it, refuses uploads of this size",
	InvalidName:  "this is no name that a registry accepts",
	TLS:          "the registry's certificate is not trusted",
	PlainHTTP:    "the registry speaks plain HTTP",
	Unreachable:  "the registry cannot be reached",
	Blocked:      "registries.conf blocks this registry",
	RateLimited:  "the registry was asked too often",
	Transient:    "the connection failed",
	Rejected:     "the registry refuses this",
	Inconsistent: "the registry returns other bytes than it was given",
}

// Retryable reports whether doing the same again may succeed.
func (c Class) Retryable() bool {
	switch c {
	case Expired, SessionLost, RateLimited, Transient:
		return true
	}
	return false
}

// Error is a failure of a registry, or of the way to it.
type Error struct {
	Class Class
	// Registry is "host" or "host:port"; Repository is the full name, "" where
	// the failure is about the registry as a whole.
	Registry, Repository string
	// Op is what was done, as a gerund: "pushing to".
	Op string
	// Err is what the library below said.
	Err error
	// Hint is how to mend it, a sentence for a user; "" where nothing is known.
	Hint string
	// Blob is the blob that was sent, and Size its size in bytes; both are zero
	// where the failure is not about one.
	Blob digest.Digest
	Size int64
	// RetryAfter is how long the registry asked to wait, 0 where it did not say.
	RetryAfter time.Duration
}

// Error returns the operation, the class in words, and the cause. The hint is
// apart.
func (e *Error) Error() string {
	what := e.Repository
	if what == "" {
		what = e.Registry
	}
	return fmt.Sprintf("%s %q: %s: %s", e.Op, what, summaries[e.Class], cause(e.Err))
}

// cause words what the library below said. go-containerregistry adds the
// details of an answer as Go prints a map; the codes and messages say enough.
func cause(err error) string {
	var answer *transport.Error
	if !errors.As(err, &answer) || len(answer.Errors) == 0 || answer.Request == nil {
		return err.Error()
	}
	words := []string{answer.Request.Method + " " + answer.Request.URL.Redacted()}
	for _, d := range answer.Errors {
		words = append(words, string(d.Code)+": "+d.Message)
	}
	return strings.Join(words, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether doing the same again may succeed.
func (e *Error) Retryable() bool { return e.Class.Retryable() }

// Refused reports whether the login is the reason: it is not accepted, or has no
// right to do this.
func (e *Error) Refused() bool { return e.Class == Unauthorized || e.Class == Denied }

// Passing reports whether the registry is down or busy, so that the same may
// succeed in an hour though nobody mended anything here.
func (e *Error) Passing() bool {
	return e.Class == Unreachable || e.Class == Transient || e.Class == RateLimited
}
