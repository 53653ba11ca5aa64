package registry_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// recordWaits notes the waits instead of waiting.
func recordWaits(waits *[]string) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d.String())
		return ctx.Err()
	}
}

func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		jitter float64
		want   []string
	}{
		"shortest":  {503, 0, []string{"1s", "2s", "4s", "8s", "16s", "30s", "30s"}},
		"middle":    {503, 0.5, []string{"1.5s", "3s", "6s", "12s", "24s", "45s", "45s"}},
		"of a rate": {429, 0, []string{"7.5s", "15s", "30s", "30s", "30s", "30s", "30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{})
			o := options(t, r)
			var waits []string
			o.Retry = registry.Retry{Attempts: 8, Sleep: recordWaits(&waits), Jitter: func() float64 { return tt.jitter }}
			r.Fail(t, testregistry.Fault{Method: "POST", Status: tt.status, Times: -1})
			if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(tt.want, waits); d != "" {
				t.Errorf("waits (-want +got):\n%s", d)
			}
		})
	}
}
