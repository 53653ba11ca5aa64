package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/distribution/registry/api/errcode"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

// classify says which class an error is of; "" is none: then it is no failure
// of a registry, but of this machine or of the image. proved says that the
// right to write was proved shortly before.
func classify(err error, proved bool) Class {
	switch {
	case errors.Is(err, errNotResumed):
		return SessionLost
	case errors.Is(err, errBodyGone):
		return Expired
	}
	e := evidenceOf(err)
	if e.status == 0 && e.code == "" {
		return classifyConnection(err, proved)
	}
	for _, r := range rules {
		if r.matches(e, proved) {
			return r.class
		}
	}
	return ""
}

// evidence is what an answer of a registry said.
type evidence struct {
	// status is the HTTP status, 0 where the library lost it.
	status int
	// code is the error code of the distribution specification, "" where the
	// body had none.
	code string
	text string
	// upload says that the request was one of a blob's upload, login that it
	// asked for a token.
	upload, login bool
}

// errInsufficientScope marks a 401 that says, in its WWW-Authenticate header,
// that the token is good and does not reach far enough (RFC 6750, 3.1).
var errInsufficientScope = errors.New("insufficient_scope")

// statusInText finds the status in containers/image's message about a body that
// is no JSON; the type behind it has no exported way to ask.
var statusInText = regexp.MustCompile(`StatusCode: (\d{3}),`)

// loginOps are how containers/image begins its messages about requests to a
// token service (docker_client.go); errors that a registry answers with carry no
// request that could be asked.
var loginOps = []string{"Requesting bearer token: ", "Trying to obtain access token: "}

func evidenceOf(err error) evidence {
	e := evidence{text: err.Error()}
	var (
		ggcr         *transport.Error
		coded        errcode.Error
		bare         errcode.ErrorCode
		status       docker.UnexpectedHTTPStatusError
		unauthorized docker.ErrUnauthorizedForCredentials
		rejected     types.ManifestTypeRejectedError
	)
	switch {
	case errors.As(err, &rejected): // hides its cause
		e.code = "MANIFEST_INVALID"
	case errors.As(err, &ggcr):
		e.status = ggcr.StatusCode
		if len(ggcr.Errors) > 0 {
			e.code = string(ggcr.Errors[0].Code)
		}
		if ggcr.Request != nil {
			e.upload = strings.Contains(ggcr.Request.URL.Path, "/blobs/uploads/")
			e.login = !strings.HasPrefix(ggcr.Request.URL.Path, "/v2/")
		}
	case errors.As(err, &coded):
		// The status of the answer is lost; the one that the code is specified
		// with would be a guess.
		e.code = coded.Code.Descriptor().Value
	case errors.As(err, &bare):
		e.code = bare.Descriptor().Value
	case errors.As(err, &status):
		e.status = status.StatusCode
	case errors.As(err, &unauthorized):
		e.status = http.StatusUnauthorized
	case errors.Is(err, docker.ErrTooManyRequests):
		e.status = http.StatusTooManyRequests
	default:
		if m := statusInText.FindStringSubmatch(e.text); m != nil {
			e.status, _ = strconv.Atoi(m[1])
		}
	}
	var own *answerError
	if errors.As(err, &own) {
		e.upload, e.login = e.upload || own.upload, false
	}
	e.login = e.login || slices.ContainsFunc(loginOps, func(op string) bool { return strings.Contains(e.text, op) })
	return e
}

// rule names the answers that are of a class. Every condition that is set must
// hold, but for status and codes, of which one is enough.
type rule struct {
	class  Class
	status []int
	codes  []string
	// text is looked for in the message.
	text *regexp.Regexp
	// upload, login: only for such a request. proved: only after the right to
	// write was proved.
	upload, login, proved bool
}

func (r rule) matches(e evidence, proved bool) bool {
	if r.upload && !e.upload || r.login && !e.login || r.proved && !proved {
		return false
	}
	if (r.status != nil || r.codes != nil) && !slices.Contains(r.status, e.status) && !slices.Contains(r.codes, e.code) {
		return false
	}
	return r.text == nil || r.text.MatchString(e.text)
}

// manyLayers is how ECR refuses a manifest.
var manyLayers = regexp.MustCompile(`Limit on number of layers`)

// rules are tried in order; the first that matches decides. Texts are what
// registries are known to answer.
var rules = []rule{
	// Reasons that registries put under a code that means something else.
	{class: Quota, text: regexp.MustCompile(`(?i)quota|exceed the configured upper limit`)},
	{class: Quota, status: []int{http.StatusInsufficientStorage}},
	// Distribution's file system driver gives Go's *os.PathError as a detail, with
	// the number of ENOSPC on Linux.
	{class: Quota, text: regexp.MustCompile(`no space left on device|\bErr:28 Op:`)},
	{class: Immutable, text: regexp.MustCompile(`(?i)immutable|TAG_IMMUTABLE`)},
	{class: Immutable, status: []int{http.StatusConflict}},
	{class: TooLarge, status: []int{http.StatusRequestEntityTooLarge}},
	{class: TooLarge, text: manyLayers},
	{class: TooLarge, text: regexp.MustCompile(`(?i)is larger than .* (allowed|allowable)|exceeds the maximum permissible limit`)},
	{class: RateLimited, status: []int{http.StatusTooManyRequests}, codes: []string{"TOOMANYREQUESTS"}},
	{class: RateLimited, text: regexp.MustCompile(`(?i)toomanyrequests|rate limit|HAP429`)},
	{class: Unauthorized, text: regexp.MustCompile(`(?i)token has expired|unauthenticated request|HTTP Basic: Access denied|credentials are invalid`)},
	{class: Denied, text: regexp.MustCompile(`(?i)read[- ]only|permission_denied|not allowed to|artifactregistry\.repositories\.|is not signed by`)},

	// An upload that was under way. A registry that proved a moment ago that it
	// takes uploads and now denies one, or answers it with a page of its proxy,
	// has ended it.
	{class: SessionLost, codes: []string{"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "RANGE_INVALID"}},
	{class: SessionLost, upload: true, text: regexp.MustCompile(`upload resumed at wrong off|invalid content range`)},
	{class: Missing, codes: []string{"NAME_UNKNOWN"}},
	{class: SessionLost, upload: true, proved: true, status: []int{http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable}},
	{class: Transient, upload: true, codes: []string{"DIGEST_INVALID", "SIZE_INVALID"}},
	{
		class: Expired, upload: true, proved: true,
		status: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden},
		codes:  []string{"UNAUTHORIZED", "DENIED"},
	},

	// Quay and Harbor say 401 to a login that lacks the right.
	{class: Denied, text: regexp.MustCompile(`(?i)access to the requested resource is not authorized|unauthorized to access repository|insufficient_scope`)},
	// A token service that gives no token; ghcr.io says 403 to a wrong one.
	{class: Unauthorized, login: true, status: []int{http.StatusUnauthorized, http.StatusForbidden}},
	{class: Denied, codes: []string{"DENIED"}},
	{class: Unauthorized, status: []int{http.StatusUnauthorized}, codes: []string{"UNAUTHORIZED"}},
	{class: Denied, status: []int{http.StatusForbidden}},
	{class: InvalidName, codes: []string{"NAME_INVALID", "TAG_INVALID"}},
	// The blobs of a manifest were there a moment ago: what was written is not
	// seen everywhere at once.
	{class: Transient, proved: true, codes: []string{"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}},
	{class: Missing, status: []int{http.StatusNotFound}, codes: []string{"MANIFEST_UNKNOWN", "BLOB_UNKNOWN"}},
	{
		class: Transient, codes: []string{"UNAVAILABLE"},
		status: []int{
			http.StatusRequestTimeout, http.StatusTooEarly, 499, // 499: nginx, the client was gone
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
			520, 521, 522, 523, 524, // Cloudflare, about the server behind it
		},
	},
	{class: Rejected},
}

// classifyConnection is classify for errors that no answer caused.
func classifyConnection(err error, proved bool) Class {
	var (
		dns       *net.DNSError
		op        *net.OpError
		request   *url.Error
		record    tls.RecordHeaderError
		unknown   x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		unchecked *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return PlainHTTP
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &unchecked):
		return TLS
	case errors.As(err, &op) && op.Op == "remote error":
		// crypto/tls: the other side sent an alert, as it does when it wants a
		// client certificate.
		return TLS
	case errors.As(err, &dns) && (dns.IsTemporary || dns.IsTimeout || proved):
		return Transient
	case errors.As(err, &dns):
		return Unreachable
	case errors.As(err, &op) && op.Op == "dial" && !proved:
		return Unreachable
	case !errors.As(err, &request) && !errors.As(err, &op):
		// Neither a request nor a connection: a file, the image, the disk.
		return ""
	}
	for _, broken := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED,
		syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
	} {
		if errors.Is(err, broken) {
			return Transient
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Transient
	}
	// net/http words for a connection that ended under a request; they have no
	// values of their own.
	for _, text := range []string{"server closed idle connection", "transport connection broken", "readLoopPeekFailLocked", "http2: "} {
		if strings.Contains(err.Error(), text) {
			return Transient
		}
	}
	return ""
}
