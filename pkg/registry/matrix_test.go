package registry_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// ends says how a push and a tag end that meet a fault at a stage, once or each
// time; "" is well.
func ends(s faultproxy.Stage, k faultproxy.Kind, forever bool) registry.Class {
	class := registry.Transient
	switch k.Status {
	case 401:
		class = registry.Unauthorized
	case 403:
		class = registry.Denied
	case 404:
		class = registry.Missing
	case 429:
		class = registry.RateLimited
	}
	if s.Blob {
		switch {
		case k.Status == 404 && s == faultproxy.BlobLook:
			return "" // then it is not there, and is sent
		case k.Status == 404:
			class = registry.SessionLost
		case k.Status == 401 || k.Status == 403:
			// The right was proved a moment ago.
			class = registry.Expired
		}
	}
	// The server did what it was asked to, or as much of it as it got.
	did := k.Read != 0 || k.Cut == faultproxy.Truncated
	switch {
	case did && (s == faultproxy.BlobBody || s == faultproxy.BlobEnd):
		return "" // each try goes on where the last one ended
	case k.Cut == faultproxy.Truncated && (s == faultproxy.BlobLook || s == faultproxy.TagPut):
		return "" // nothing is said in the body
	case s == faultproxy.TagLook && k.Status == 404 && !forever:
		return "" // there is no such tag yet
	case forever:
		return class
	case class.Retryable():
		return ""
	case class == registry.Missing && (s == faultproxy.ReadBack || s == faultproxy.TagBack):
		return "" // what was written a moment ago is not seen everywhere at once
	}
	return class
}

// TestFaultMatrix has each kind of fault at each stage of a push and a tag, once
// and forever. test/registry_faults_test.go does the same with a real registry.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	img := testregistry.NewZstdImage(t, 1, 3, 200_000)
	for _, s := range faultproxy.Stages {
		for _, k := range faultproxy.Kinds(100_000) {
			for _, times := range []int{1, -1} {
				name := s.Name + ", " + k.Name
				if times < 0 {
					name += ", forever"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
					o := options(t, r)
					o.Retry.Attempts, o.Retry.Silence = 2, 100*time.Millisecond
					r.Fail(t, k.At(s, times))
					p, err := registry.Push(t.Context(), img, r.Host+"/me/os", o)
					if err == nil {
						err = registry.Tag(t.Context(), p, "latest", o)
					}
					wantEnd(t, err, ends(s, k, times < 0))
					if tags := r.Tags("me/os"); err == nil != slices.Contains(tags, "latest") && s.Name[:3] != "tag" {
						t.Errorf("tags %q after %v", tags, err)
					}
					if err != nil {
						return
					}
					if raw, _ := r.Manifest("me/os", "latest"); string(raw) == "" || p.Digest != img.ManifestDigest(t) {
						t.Errorf("pushed %s", p.Digest)
					}
				})
			}
		}
	}
}

func wantEnd(t *testing.T, err error, class registry.Class) {
	t.Helper()
	var e *registry.Error
	switch {
	case class == "" && err != nil:
		t.Error(err)
	case class != "" && !errors.As(err, &e):
		t.Errorf("%v, want class %s", err, class)
	case class != "" && (e.Class != class || e.Hint == "" && class != registry.Rejected):
		t.Errorf("class %s, want %s; hint %q: %v", e.Class, class, e.Hint, err)
	}
}
