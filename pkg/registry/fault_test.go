package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// insufficientScope is the header of the misleading "requested access to the
// resource is denied": containers/image makes the text up from it.
var insufficientScope = http.Header{"Www-Authenticate": {`Bearer realm="https://127.0.0.1/token",service="test",error="insufficient_scope"`}}

const proxyPage = "\r\n<html>\r\n<head><title>400 Bad Request</title></head>\r\n"

// faults of an upload; each alone must not end a push.
var passing = map[string]testregistry.Fault{
	"scope lost":          {Method: "PATCH", Status: 401, Header: insufficientScope, Body: testregistry.ErrorBody("DENIED", "requested access to the resource is denied")},
	"denied":              {Method: "PATCH", Status: 403, Body: testregistry.ErrorBody("DENIED", "requested access to the resource is denied")},
	"unauthorized":        {Method: "PATCH", Status: 401, Body: testregistry.ErrorBody("UNAUTHORIZED", "authentication required")},
	"page of a proxy":     {Method: "PATCH", Status: 400, Body: []byte(proxyPage)},
	"session lost":        {Method: "PATCH", Status: 404, Body: testregistry.ErrorBody("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")},
	"session lost at end": {Method: "PUT", Path: "/blobs/uploads/", Status: 404, Body: testregistry.ErrorBody("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")},
	"damaged on the way":  {Method: "PUT", Path: "/blobs/uploads/", Status: 400, Body: testregistry.ErrorBody("DIGEST_INVALID", "provided digest did not match uploaded content")},
	"timeout":             {Method: "PATCH", Status: 408},
	"limited":             {Method: "PATCH", Status: 429},
	"limited by code":     {Method: "PATCH", Status: 429, Body: testregistry.ErrorBody("TOOMANYREQUESTS", "too many requests")},
	"internal":            {Method: "PATCH", Status: 500},
	"bad gateway":         {Method: "PATCH", Status: 502},
	"unavailable":         {Method: "PATCH", Status: 503},
	"gateway timeout":     {Method: "PATCH", Status: 504},
	"cloudflare":          {Method: "PATCH", Status: 522},
	"reset in body":       {Method: "PATCH", Read: 1 << 16, Cut: testregistry.Reset},
	"closed in body":      {Method: "PATCH", Read: 1 << 16, Cut: testregistry.Closed},
	"closed after body":   {Method: "PATCH", Read: -1, Cut: testregistry.Closed},
	"reset at once":       {Method: "PATCH", Cut: testregistry.Reset},
	"begin fails":         {Method: "POST", Skip: 1, Status: 503}, // the first is preflight's
	"begin denied":        {Method: "POST", Skip: 1, Status: 403, Body: testregistry.ErrorBody("DENIED", "requested access to the resource is denied")},
	"preflight fails":     {Method: "POST", Status: 502},
	"look-up fails":       {Method: "HEAD", Path: "/blobs/", Status: 500},
	"manifest fails":      {Method: "PUT", Path: "/manifests/", Status: 500},
	"manifest too early":  {Method: "PUT", Path: "/manifests/", Status: 400, Body: testregistry.ErrorBody("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")},
	"manifest cut":        {Method: "PUT", Path: "/manifests/", Cut: testregistry.Reset},
	"read back too early": {Method: "GET", Path: "/manifests/", Status: 404, Body: testregistry.ErrorBody("MANIFEST_UNKNOWN", "manifest unknown")},
	"read back cut":       {Method: "GET", Path: "/manifests/", Cut: testregistry.Closed},
}

func TestPushSurvives(t *testing.T) {
	t.Parallel()
	for name, fault := range passing {
		for _, times := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
				f := fault
				f.Times = times
				r.Fail(t, f)
				o := options(t, r)
				var s stage
				o.Progress = &s
				p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 2, 200_000), r.Host+"/me/os", o)
				if err != nil {
					t.Fatal(err)
				}
				if raw, _ := r.Manifest("me/os", p.Digest.String()); raw == nil {
					t.Error("the registry does not have what was returned")
				}
				// net/http itself repeats a GET on a connection that was cut.
				if len(s.warns) == 0 && f.Method != "GET" {
					t.Error("nothing was said about the failure")
				}
				if got := r.Tags("me/os"); len(got) != 0 {
					t.Errorf("tags: %q", got)
				}
			})
		}
	}
}

// faults that no repetition mends, and those that never end.
func TestPushGivesUp(t *testing.T) {
	t.Parallel()
	type ending struct {
		fault testregistry.Fault
		class registry.Class
		hint  string
		// tries is how often the request may have been made.
		tries int
	}
	always := func(f testregistry.Fault) testregistry.Fault {
		f.Times = -1
		return f
	}
	for name, tt := range map[string]ending{
		"quota":                 {testregistry.Fault{Method: "PATCH", Status: 403, Body: testregistry.ErrorBody("DENIED", "Quota has been exceeded on namespace")}, registry.Quota, "quota", 1},
		"too large":             {testregistry.Fault{Method: "PATCH", Status: 413, Body: []byte("<html><head><title>413 Request Entity Too Large")}, registry.TooLarge, "client_max_body_size", 1},
		"manifest refused":      {testregistry.Fault{Method: "PUT", Path: "/manifests/", Status: 400, Body: testregistry.ErrorBody("MANIFEST_INVALID", "manifest invalid")}, registry.Rejected, "", 1},
		"manifest denied":       {testregistry.Fault{Method: "PUT", Path: "/manifests/", Status: 403, Body: testregistry.ErrorBody("DENIED", "requested access to the resource is denied")}, registry.Denied, "right to push", 1},
		"denied to begin with":  {testregistry.Fault{Method: "POST", Status: 403, Body: testregistry.ErrorBody("DENIED", "permission_denied: write_package")}, registry.Denied, "Manage Actions access", 1},
		"expires every time":    {always(passing["scope lost"]), registry.Expired, "time limit", 5},
		"limited every time":    {always(passing["limited"]), registry.RateLimited, "wait", 5},
		"fails every time":      {always(passing["internal"]), registry.Transient, "once more", 5},
		"broken off every time": {always(passing["reset at once"]), registry.Transient, "once more", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
			tt.fault.Path = strings.TrimSpace(tt.fault.Path)
			r.Fail(t, tt.fault)
			_, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 200_000), r.Host+"/me/os", options(t, r))
			var e *registry.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, want a registry error", err)
			}
			if e.Class != tt.class || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("class %s, hint %q; want %s, %q\n%v", e.Class, e.Hint, tt.class, tt.hint, err)
			}
			if n := r.Count(tt.fault.Method, tt.fault.Path); n > tt.tries {
				t.Errorf("%d tries, want at most %d", n, tt.tries)
			}
			if e.Registry != r.Host || e.Repository != r.Host+"/me/os" {
				t.Errorf("registry %q, repository %q", e.Registry, e.Repository)
			}
		})
	}
}

// TestPushGoesOnWhileItGetsFurther loses one layer more often than the limit of
// attempts allows, but another one arrives each time.
func TestPushGoesOnWhileItGetsFurther(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	o.Retry.Attempts = 2
	// A layout is sent one layer after the other, and the first failure does not
	// keep the others back: two layers of four arrive in the first attempt.
	r.Fail(t, testregistry.Fault{Method: "PATCH", Status: 503})
	r.Fail(t, testregistry.Fault{Method: "PATCH", Status: 503, Skip: 1})
	r.Fail(t, testregistry.Fault{Method: "PATCH", Status: 503, Skip: 3})
	if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 4, 5_000), r.Host+"/me/os", o); err != nil {
		t.Error(err)
	}
}

// TestPushResumes counts what is sent again after a failure.
func TestPushResumes(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	r.Fail(t, testregistry.Fault{Method: "PATCH", Status: 500, Skip: 2})
	if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 4, 5_000), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	// Four layers and the configuration, and the one that failed once more.
	if n := r.Count("PATCH", "/blobs/uploads/"); n != 6 {
		t.Errorf("%d uploads, want 6", n)
	}
}

// TestPushRenewsToken has the token die in the middle of a push.
func TestPushRenewsToken(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	revoked := false
	o := options(t, r)
	var s stage
	o.Progress = &s
	s.onTransfer = func() {
		if !revoked {
			revoked = true
			r.RevokeTokens()
		}
	}
	if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 3, 5_000), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	// Each upload is begun with a request that has no body, so that a token's end
	// is noticed there and costs nothing.
	if !revoked || len(s.warns) != 0 {
		t.Errorf("revoked %t, warned %q", revoked, s.warns)
	}
}
