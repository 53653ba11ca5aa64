//go:build e2e

package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// The stages of a transaction behind those of a push, of which four blobs are
// sent, and before the floating tag.
const ofSignature, ofAttestation = `/manifests/sha256-[0-9a-f]+\.sig$`, `/manifests/sha256-[0-9a-f]+\.att$`

var transactionStages = slices.Concat(faultproxy.Stages, []faultproxy.Stage{
	{Name: "signature look-up", Method: http.MethodGet, Path: ofSignature},
	{Name: "signature body", Method: http.MethodPatch, Path: `/blobs/uploads/`, Skip: 4},
	{Name: "signature", Method: http.MethodPut, Path: ofSignature},
	{Name: "attestation look-up", Method: http.MethodGet, Path: ofAttestation},
	{Name: "attestation", Method: http.MethodPut, Path: ofAttestation},
	{Name: "verification", Method: http.MethodGet, Path: `/blobs/sha256:`},
	{Name: "first tag", Method: http.MethodPut, Path: `/manifests/12$`, Final: true},
})

// transact is what pkg/pipeline does with an image, by the same calls.
func (b *registryBed) transact(t testing.TB, l *ociLayout, repository string, key *sign.Signer, o registry.Options) error {
	t.Helper()
	ctx := t.Context()
	p, err := registry.Push(ctx, l, repository, o)
	if err != nil {
		return err
	}
	if err := key.Sign(ctx, p, o); err != nil {
		return err
	}
	if err := key.Attest(ctx, p, "https://slsa.dev/provenance/v1", []byte(`{"of":"a test"}`), o); err != nil {
		return err
	}
	by, err := key.Author(ctx)
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		if err := trust.VerifyAuthor(ctx, p, by, o); err != nil {
			return err
		}
		_, err := sign.Attestations(ctx, p, []sign.Author{by}, []string{"https://slsa.dev/provenance/v1"}, o)
		return err
	}
	if err := verify(); err != nil {
		return err
	}
	for _, tag := range []string{"12", "latest"} {
		if err := registry.Tag(ctx, p, tag, o); err != nil {
			return err
		}
	}
	return verify()
}

// wholeTags fails the test unless each tag of the repository names the layout's
// image, which is there with its blobs, its signature and its attestation. It
// returns the tags.
func (b *registryBed) wholeTags(t *testing.T, l *ociLayout, path string) (tags []string) {
	t.Helper()
	for _, tag := range b.registry.tags(t, path) {
		if strings.HasPrefix(tag, "sha256-") {
			continue
		}
		raw := b.registry.named(t, path, tag)
		if raw == nil {
			continue
		}
		tags = append(tags, tag)
		if d := digest.FromBytes(raw); d != l.manifest {
			t.Errorf("tag %s names %s", tag, d)
		}
		for _, beside := range []string{signatureTag(l.manifest), attestationTag(l.manifest)} {
			if !b.registry.has(t, path, beside) {
				t.Errorf("tag %s names what has no %s", tag, beside)
			}
		}
		for d := range l.blobs {
			if resp, err := b.registry.do(t, http.MethodHead, "/v2/"+path+"/blobs/"+d.String(), nil, nil); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("tag %s names what lacks %s: %v", tag, d, err)
			} else {
				_ = resp.Body.Close()
			}
		}
	}
	return tags
}

// watchTags looks at the tags all the time until the returned function is called.
func (b *registryBed) watchTags(t *testing.T, l *ociLayout, path string) (stop func()) {
	t.Helper()
	return again(25*time.Millisecond, func() { b.wholeTags(t, l, path) })
}

// again looks again and again until the returned function is called.
func again(every time.Duration, look func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				look()
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// TestRegistryFaultMatrix has each kind of fault once at each stage of a
// transaction, with a real registry. What each ends with forever is pkg/registry's
// own test. However it ends, and all the while: a tag names the whole image, signed
// and attested, or nothing; at most the blob under way was sent again. Where it
// failed, the next run ends well, and sends nothing that arrived.
func TestRegistryFaultMatrix(t *testing.T) {
	t.Parallel()
	private, _, err := sign.GenerateKeys(t.TempDir(), "cosign", []byte(keyPassword))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.LoadKey(t.Context(), private, func() ([]byte, error) { return []byte(keyPassword), nil })
	if err != nil {
		t.Fatal(err)
	}
	const size = 300_000
	l := newLayout(t, layers(3, size), ordinal)
	// Those that are not of the image, for two runs.
	const besides = 20_000
	at := func(t *testing.T, s faultproxy.Stage) {
		t.Parallel()
		// In memory, since the registry waits for the disk at the end of each blob.
		storage := "filesystem: {rootdirectory: " + memoryDisk(t, "256m") + "}"
		b := newRegistryBed(t, registryConfig{storage: storage, tokens: newTokenService(t)})
		for n, k := range faultproxy.Kinds(size / 2) {
			t.Run(k.Name, func(t *testing.T) {
				path := fmt.Sprintf("os/matrix-%d", n)
				b.Mend()
				b.Forget()
				b.Fail(t, k.At(s, 1))
				o := b.options(t)
				if k.Cut == faultproxy.Silent {
					o.Retry.Silence = 250 * time.Millisecond
				}
				stop := b.watchTags(t, l, path)
				err := b.transact(t, l, b.Host+"/"+path, key, o)
				// What was refused outright, before the right to write was proved or
				// after the blobs, is the user's to mend; anything else passes.
				want := map[int]registry.Class{401: registry.Unauthorized, 403: registry.Denied, 404: registry.Missing}[k.Status]
				// What was written a moment ago is not seen everywhere at once; a tag, and
				// what lies beside an image, may not be there.
				if s.Blob || k.Status == 404 && !s.Final {
					want = ""
				}
				if got := classOf(err); got != want || err != nil && got == "" {
					t.Errorf("class %q, want %q: %v", got, want, err)
				}
				if sent := b.Sent(http.MethodPatch, "/blobs/uploads/"); sent > l.size()+size+besides {
					t.Errorf("%d bytes were sent, of %d", sent, l.size())
				}
				if err != nil {
					b.Mend()
					b.Forget()
					if err := b.transact(t, l, b.Host+"/"+path, key, b.options(t)); err != nil {
						t.Error(err)
					}
					if sent := b.Sent(http.MethodPatch, "/blobs/uploads/"); sent > besides && s != faultproxy.Preflight {
						t.Errorf("%d bytes were sent again", sent)
					}
				}
				stop()
				if tags := b.wholeTags(t, l, path); len(tags) != 2 {
					t.Errorf("tags %q", tags)
				}
			})
		}
	}
	for _, s := range transactionStages {
		t.Run(s.Name, func(t *testing.T) { at(t, s) })
	}
}
