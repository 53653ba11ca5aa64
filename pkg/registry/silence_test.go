package registry_test

import (
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// silent has a registry answer /v2/ and no request that the fault chooses.
func silent(t *testing.T, r *testregistry.Registry, f testregistry.Fault) registry.Options {
	t.Helper()
	o := options(t, r)
	o.Retry.Silence = 100 * time.Millisecond
	f.Cut = testregistry.Silent
	r.Fail(t, f)
	return o
}

func TestSilentRegistryIsReported(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := silent(t, r, testregistry.Fault{Path: "/v2/.", Times: -1})
	o.Retry.Attempts = 2
	everyWay(t, r.Host+"/me/os", o, func(t *testing.T, err error) {
		wantError(t, err, registry.Transient, "silent", "once more")
	})
}

// TestSilentUploadIsTriedAgain is about the client of containers/image, which
// takes no transport.
func TestSilentUploadIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]testregistry.Fault{
		"layer":    {Method: "PATCH", Path: "/blobs/uploads/"},
		"end":      {Method: "PUT", Path: "/blobs/uploads/"},
		"look-up":  {Method: "HEAD", Path: "/blobs/"},
		"manifest": {Method: "PUT", Path: "/manifests/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{})
			o := silent(t, r, f)
			var shown stage
			o.Progress = &shown
			if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 2, 5_000), r.Host+"/me/os", o); err != nil {
				t.Fatal(err)
			}
			if len(shown.warns) == 0 {
				t.Error("nothing says that it was tried again")
			}
		})
	}
}

func TestSilentLogin(t *testing.T) {
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	o := silent(t, r, testregistry.Fault{Path: "/v2/", Times: -1})
	o.Retry.Attempts = 2
	_, err := registry.Login(t.Context(), r.Host, registry.Credentials{Username: "x", Password: "y"}, o)
	wantError(t, err, registry.Transient, "silent", "")
}
