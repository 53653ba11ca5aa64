//go:build e2e

package test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// TestRegistryOnS3 pushes to a registry that keeps its blobs in a bucket: layers
// of one part, of several parts, and one whose connection breaks.
func TestRegistryOnS3(t *testing.T) {
	t.Parallel()
	bucket := s3mem.New()
	if err := bucket.CreateBucket("images"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(bucket).Server())
	t.Cleanup(server.Close)
	// gofakes3 copies whole objects only.
	b := newRegistryBed(t, registryConfig{storage: fmt.Sprintf("s3: {accesskey: user, secretkey: not-secret, region: us-east-1, "+
		"regionendpoint: %q, bucket: images, secure: false, v4auth: true, multipartcopythresholdsize: 5368709120}", server.URL)})
	l := newLayout(t, []int64{1000, 12 << 20, 40 << 20}, ordinal)
	b.Fail(t, faultproxy.Fault{Method: "PATCH", Over: 30 << 20, Read: 20 << 20, Cut: faultproxy.Reset})
	if err := b.pushAndTag(t, l, b.name, b.options(t)); err != nil {
		t.Fatal(err)
	}
	b.Forget()
	if err := b.pushAndTag(t, l, b.name, b.options(t)); err != nil {
		t.Fatal(err)
	}
	if n := b.Sent("PATCH", ""); n != 0 {
		t.Errorf("%d bytes were sent again", n)
	}
	skopeo(t, "copy", "--quiet", "--src-cert-dir", b.ca.dir, "--src-creds", registryUser+":"+registryPassword, "docker://"+b.name+":latest", "dir:"+t.TempDir())
}
