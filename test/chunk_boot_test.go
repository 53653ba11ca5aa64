//go:build e2e

package test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/boot"
)

// TestChunkedBoots boots the base out of the layers that it was cut into.
func TestChunkedBoots(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	chunkTo(t, dir, t.TempDir(), debianBase)
	o := bootkiln(t, "boot", "--mode", "direct", "--target", "multi-user.target", "--format", "json", "oci:"+dir)
	o.want(t, 0, "the kernel runs", "the initramfs runs")
	var r boot.Result
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != boot.Booted || r.State != "running" {
		t.Errorf("got %+v", r)
	}
	t.Logf("with %s: %.0f s (%s)", r.Accelerator, r.Seconds, r.Times)
}
