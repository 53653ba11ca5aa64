//go:build e2e

package test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// TestRegistryCutsLargeUploads is what this project began with: an image with a
// layer of 1.4 GiB, and something on the way that ends every upload at a limit. The
// registry forgets an upload that broke off. In layers below the limit the image
// arrives; in one it does not, and the message says what to do.
func TestRegistryCutsLargeUploads(t *testing.T) {
	t.Parallel()
	const (
		piece = 112 << 20
		limit = 256 << 20
	)
	b := newRegistryBed(t, registryConfig{})
	hits := b.Fail(t, faultproxy.Fault{Method: http.MethodPatch, Over: limit, Read: limit, Times: -1, Cut: faultproxy.Closed})

	whole := newLayout(t, append(layers(4, piece), 1434<<20), ordinal)
	o := b.options(t)
	o.Retry.Attempts = 2
	_, err := registry.Push(t.Context(), whole, b.name, o)
	var e *registry.Error
	if !errors.As(err, &e) || e.Size < 1434<<20 || !e.Retryable() {
		t.Fatalf("%v, want the failure of the large layer", err)
	}
	for _, want := range []string{"broke off", "1.4 GiB", "chunk: {largest: "} {
		if !strings.Contains(e.Hint, want) {
			t.Errorf("hint %q, want %q", e.Hint, want)
		}
	}
	if hits() != 2 {
		t.Errorf("cut %d times, want twice", hits())
	}

	b.Forget()
	chunked := newLayout(t, layers(18, piece), ordinal, whole)
	if err := b.pushAndTag(t, chunked, b.name, b.options(t)); err != nil {
		t.Fatal(err)
	}
	if hits() != 2 || !slices.Contains(b.registry.tags(t, b.repository), "latest") {
		t.Errorf("cut %d times, tags %q", hits(), b.registry.tags(t, b.repository))
	}
	// What arrived beside the large layer was not sent again.
	if sent := b.Sent(http.MethodPatch, ""); sent > chunked.size() || sent < 14*piece {
		t.Errorf("%d bytes were sent, of %d", sent, chunked.size())
	}
}
