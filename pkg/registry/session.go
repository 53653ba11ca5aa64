package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/unshare"
)

// Session is a login at one repository. It gives the same credentials,
// certificates and scheme to containers/image ([Session.System]) and to
// go-containerregistry and cosign ([Session.Remote]), which would each look
// them up in their own way.
type Session struct {
	// Repository is the full name: "docker.io/library/debian".
	Repository string

	host    string
	named   reference.Named
	repo    name.Repository
	options Options
	sys     *types.SystemContext
	// source says where the login came from, "" for none.
	source string
	base   *fixedScheme
	// client has the token; [Session.login] replaces it.
	client atomic.Pointer[transport.Wrapper]
}

// Open logs in at a repository, with the right to pull and push where the
// registry grants it. Close the session after use.
func Open(ctx context.Context, repository string, o Options) (*Session, error) {
	named, err := parseRepository(repository)
	if err != nil {
		return nil, err
	}
	s := &Session{Repository: named.Name(), host: reference.Domain(named), named: named, options: o, sys: o.system()}
	if s.repo, err = name.NewRepository(named.Name()); err != nil {
		return nil, s.fail(InvalidName, "reading the name", err)
	}
	auth, source, err := o.credentials(named, s.sys)
	if err != nil {
		return nil, err
	}
	s.source = source
	s.sys.DockerAuthConfig = &auth
	if s.base, err = s.newTransport(); err != nil {
		return nil, err
	}
	if err := s.Do(ctx, "connecting to", s.connect); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close drops idle connections.
func (s *Session) Close() { s.base.inner.CloseIdleConnections() }

// System returns the session's configuration for containers/image. It is the
// caller's own copy, but the credentials in it are for this registry only.
func (s *Session) System() *types.SystemContext {
	sys := *s.sys
	return &sys
}

// Name returns the repository for go-containerregistry and cosign.
func (s *Session) Name() name.Repository { return s.repo }

// Remote returns the options that make go-containerregistry and cosign use the
// session. Nothing is tried again by them: that is for [Session.Do].
func (s *Session) Remote(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(s.client.Load()),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
	}
}

// Do runs f until it succeeds, fails for good, or has failed too often. f must
// use the context that it is given: it ends when the registry falls silent.
// Errors of the registry are returned as an [*Error] with op, a gerund such as
// "signing"; others as they are. also names classes that are worth another try
// here, such as Missing for what was written a moment ago.
func (s *Session) Do(ctx context.Context, op string, f func(ctx context.Context) error, also ...Class) error {
	return s.do(ctx, op, false, f, also...)
}

// do is Do, where the right to write may have been proved shortly before.
func (s *Session) do(ctx context.Context, op string, proved bool, f func(ctx context.Context) error, also ...Class) error {
	return s.options.retry(ctx, also, func() (bool, error) {
		err := s.attend(ctx, op, proved, func(ctx context.Context, _ func()) error { return f(ctx) })
		var known *Error
		if errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &known) {
			// Of an answer that breaks off go-containerregistry tells no request.
			err = s.fail(Transient, op, err)
		}
		return false, err
	})
}

// wrap returns err as an [*Error] where the registry, or the way to it, is its
// cause, and unchanged otherwise, or where it is one already. proved says that
// the right to write was proved shortly before.
func (s *Session) wrap(op string, err error, proved bool) error {
	var known *Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	class := classify(err, proved)
	if class == "" {
		return err
	}
	if class == Denied && s.source == "" {
		// Registries let everyone in as nobody, and deny nobody the right.
		class = Unauthorized
	}
	e := s.fail(class, op, err)
	var a *answerError
	if errors.As(err, &a) {
		e.RetryAfter = a.retryAfter
	} else if s.base != nil {
		e.RetryAfter = time.Duration(s.base.retryAfter.Swap(0))
	}
	return e
}

func (s *Session) fail(class Class, op string, err error) *Error {
	return &Error{Class: class, Registry: s.host, Repository: s.Repository, Op: op, Err: err, Hint: s.hint(class, err)}
}

// connect finds out how the registry speaks, and gets a token where it wants
// one.
func (s *Session) connect(ctx context.Context) error {
	if err := s.base.probe(ctx); err != nil {
		return err
	}
	return s.login(ctx)
}

// login gets a new token where the registry wants one.
func (s *Session) login(ctx context.Context) error {
	client, err := transport.NewWithContext(ctx, s.repo.Registry, s.authenticator(),
		transport.NewUserAgent(s.base, userAgent), []string{s.repo.Scope(transport.PushScope)})
	if err != nil {
		return err
	}
	s.client.Store(client.(*transport.Wrapper))
	return nil
}

// newTransport reads certificates and registries.conf as containers/image does.
func (s *Session) newTransport() (*fixedScheme, error) {
	inner := tlsclientconfig.NewTransport()
	inner.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	inner.ExpectContinueTimeout = 2 * time.Second // see blobUpload.send
	inner.MaxIdleConnsPerHost = parallelUploads
	dir, err := certDir(s.sys, s.host)
	if err == nil && dir != "" {
		err = tlsclientconfig.SetupCertificates(dir, inner.TLSClientConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificates for %q: %w", s.host, err)
	}
	insecure := s.options.Insecure
	conf, err := sysregistriesv2.FindRegistry(s.sys, s.Repository)
	if err != nil {
		return nil, fmt.Errorf("reading registries.conf: %w", err)
	}
	if conf != nil {
		if conf.Blocked {
			return nil, s.fail(Blocked, "connecting to", fmt.Errorf("%q is blocked", conf.Prefix))
		}
		insecure = insecure || conf.Insecure
	}
	inner.TLSClientConfig.InsecureSkipVerify = insecure
	return &fixedScheme{inner: inner, host: s.repo.RegistryStr(), insecure: insecure, scheme: "https"}, nil
}

// certDir is where the certificates for a registry are, "" for nowhere. It
// searches as containers/image's docker transport does, which does not export
// it.
func certDir(sys *types.SystemContext, host string) (string, error) {
	if sys.DockerCertPath != "" {
		return sys.DockerCertPath, nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "certs", Extension: "d", DoNotUseExtensionForConfigName: true, UserId: unshare.GetRootlessUID(),
	})
	if err != nil {
		return "", err
	}
	for _, base := range append(paths.DropInDirectories, "/etc/docker/certs.d") {
		dir := filepath.Join(base, host)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return dir, nil
		case os.IsNotExist(err), os.IsPermission(err):
		default:
			return "", err
		}
	}
	return "", nil
}

// fixedScheme sends every request for the registry by the scheme that the
// configuration asks for. go-containerregistry guesses from the look of the
// name instead, and would speak plain HTTP to any private address.
type fixedScheme struct {
	inner    *http.Transport
	host     string
	insecure bool
	scheme   string
	// retryAfter is what the registry last asked to wait, a time.Duration.
	retryAfter atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (t *fixedScheme) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == t.host && req.URL.Scheme != t.scheme {
		req = req.Clone(req.Context())
		req.URL.Scheme = t.scheme
	}
	// A new token makes go-containerregistry send a request again, whose body is
	// gone by then.
	if body, ok := req.Body.(*blobBody); ok && !body.first() {
		return nil, errBodyGone
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = body
	}
	resp, err := t.inner.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		t.retryAfter.Store(int64(retryAfter(resp.Header)))
	}
	return resp, err
}

// probe chooses the scheme: HTTPS, and plain HTTP only where that fails and the
// registry is configured as insecure.
func (t *fixedScheme) probe(ctx context.Context) error {
	ping := func(scheme string) error {
		t.scheme = scheme
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+t.host+"/v2/", nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Transport: t}).Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	err := ping("https")
	if err != nil && t.insecure {
		err = ping("http")
	}
	return err
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds, or a date; 0 where
// there is none.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// parseRepository reads a repository's name, which must have a registry and
// neither tag nor digest.
func parseRepository(repository string) (reference.Named, error) {
	invalid := func(err error, hint string) error {
		return &Error{Class: InvalidName, Registry: repository, Op: "reading the name", Err: err, Hint: hint}
	}
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil {
		return nil, invalid(err, nameHint(repository))
	}
	if !reference.IsNameOnly(named) {
		return nil, invalid(errors.New("it has a tag or a digest"), "give the repository alone")
	}
	return named, nil
}
