// Package signbed has what tests of signatures begin with: the way to a test
// registry, an image in it, and keys.
package signbed

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// Options are the way to the registry, with the right account. Nothing of the
// machine's own configuration is read, and no wait is real.
func Options(t testing.TB, r *testregistry.Registry) registry.Options {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return registry.Options{
		AuthFile:         r.WriteAuth(t, testregistry.User, testregistry.Password),
		CertDir:          filepath.Join(r.WriteCerts(t), r.Host),
		RegistriesConf:   conf,
		BlobInfoCacheDir: t.TempDir(),
		TempDir:          t.TempDir(),
		Retry:            registry.Retry{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	}
}

// Push brings a small image to the repository me/os; it is always the same.
func Push(t testing.TB, r *testregistry.Registry, o registry.Options) image.Pinned {
	t.Helper()
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 2, 1_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Keys is how many signers there are.
const Keys = 3

// signers are made once, because a key's password is stretched on purpose.
var (
	mu      sync.Mutex
	signers [Keys]*sign.Signer
)

// Signer returns one of the signers, whose keys differ: the i-th, from 0.
func Signer(t testing.TB, i int) *sign.Signer {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if signers[i] != nil {
		return signers[i]
	}
	private, _, err := sign.GenerateKeys(t.TempDir(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if signers[i], err = sign.LoadKey(t.Context(), private, nil); err != nil {
		t.Fatal(err)
	}
	return signers[i]
}

// SignatureTag is where an image's signatures are.
func SignatureTag(d digest.Digest) string { return strings.Replace(d.String(), ":", "-", 1) + ".sig" }
