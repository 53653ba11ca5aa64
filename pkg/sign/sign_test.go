package sign_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// signatures returns the manifest under the signature tag.
func signatures(t *testing.T, r *testregistry.Registry, d digest.Digest) imgspecv1.Manifest {
	t.Helper()
	raw, _ := r.Manifest("me/os", signbed.SignatureTag(d))
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("reading the signatures: %v", err)
	}
	return m
}

// cosignAccepts asks cosign's own verifier, which shares nothing with the
// policy engine of containers/image.
func cosignAccepts(t *testing.T, p image.Pinned, s *sign.Signer, o registry.Options) error {
	t.Helper()
	session, err := registry.Open(t.Context(), p.Repository, o)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	key, err := cryptoutils.UnmarshalPEMToPublicKey(s.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.LoadVerifier(key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(p.String())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = cosign.VerifyImageSignatures(t.Context(), ref, &cosign.CheckOpts{
		RegistryClientOpts: []ociremote.Option{ociremote.WithRemoteOptions(session.Remote(t.Context())...)},
		ClaimVerifier:      cosign.SimpleClaimVerifier,
		SigVerifier:        verifier,
		IgnoreTlog:         true,
		IgnoreSCT:          true,
	})
	return err
}

func TestSign(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testregistry.Auth{"basic": testregistry.Basic, "token": testregistry.Token} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: auth})
			o := signbed.Options(t, r)
			p := signbed.Push(t, r, o)
			s := signbed.Signer(t, 0)
			if err := s.Sign(t.Context(), p, o); err != nil {
				t.Fatal(err)
			}
			if got := r.Tags("me/os"); len(got) != 1 || got[0] != signbed.SignatureTag(p.Digest) {
				t.Errorf("tags after signing: %q", got)
			}
			m := signatures(t, r, p.Digest)
			if len(m.Layers) != 1 || m.Layers[0].MediaType != "application/vnd.dev.cosign.simplesigning.v1+json" {
				t.Fatalf("signature layers: %+v", m.Layers)
			}
			var payload struct {
				Critical struct {
					Identity struct {
						Reference string `json:"docker-reference"`
					} `json:"identity"`
				} `json:"critical"`
			}
			if err := json.Unmarshal(r.Blob("me/os", m.Layers[0].Digest.String()), &payload); err != nil {
				t.Fatal(err)
			}
			if got := payload.Critical.Identity.Reference; got != p.Repository {
				t.Errorf("signed identity %q, want %q", got, p.Repository)
			}
			if err := cosignAccepts(t, p, s, o); err != nil {
				t.Errorf("cosign refuses: %v", err)
			}
			if err := cosignAccepts(t, p, signbed.Signer(t, 1), o); err == nil {
				t.Error("cosign accepts it with another key")
			}
		})
	}
}

func TestSignTwiceIsOneSignature(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	s := signbed.Signer(t, 0)
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	before, _ := r.Manifest("me/os", signbed.SignatureTag(p.Digest))
	r.Forget()
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	if after, _ := r.Manifest("me/os", signbed.SignatureTag(p.Digest)); string(after) != string(before) {
		t.Errorf("signatures changed:\n%s\n%s", before, after)
	}
	if n := r.Count("PUT", ""); n != 0 {
		t.Errorf("%d things were written", n)
	}
}

func TestSignKeepsOthers(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	signers := []*sign.Signer{signbed.Signer(t, 0), signbed.Signer(t, 1), signbed.Signer(t, 2)}
	for _, s := range signers {
		if err := s.Sign(t.Context(), p, o); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(signatures(t, r, p.Digest).Layers); n != len(signers) {
		t.Errorf("%d signatures, want %d", n, len(signers))
	}
	for i, s := range signers {
		if err := cosignAccepts(t, p, s, o); err != nil {
			t.Errorf("signer %d: %v", i, err)
		}
	}
}

// TestSignLostToAnother has another signer overwrite the tag just after ours
// was written.
func TestSignLostToAnother(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)

	other := signbed.Signer(t, 1)
	if err := other.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	theirs, mediaType := r.Manifest("me/os", signbed.SignatureTag(p.Digest))
	overwritten := 0
	sleep := o.Retry.Sleep
	o.Retry.Sleep = func(ctx context.Context, d time.Duration) error {
		if overwritten == 0 {
			overwritten++
			r.PutManifest(t, "me/os", signbed.SignatureTag(p.Digest), mediaType, theirs)
		}
		return sleep(ctx, d)
	}
	s := signbed.Signer(t, 0)
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	if overwritten == 0 {
		t.Fatal("nothing was overwritten")
	}
	for i, s := range []*sign.Signer{other, s} {
		if err := cosignAccepts(t, p, s, o); err != nil {
			t.Errorf("signer %d: %v", i, err)
		}
	}

	// One that is overwritten in every round but the last is done.
	rounds := 0
	o.Retry.Sleep = func(context.Context, time.Duration) error {
		if rounds++; rounds < 5 {
			r.PutManifest(t, "me/os", signbed.SignatureTag(p.Digest), mediaType, theirs)
		}
		return nil
	}
	if err := signbed.Signer(t, 2).Sign(t.Context(), p, o); err != nil {
		t.Errorf("a signature that stands is refused: %v", err)
	}
	if rounds != 5 {
		t.Errorf("%d rounds, want 5", rounds)
	}
	r.PutManifest(t, "me/os", signbed.SignatureTag(p.Digest), mediaType, theirs)

	// One that is always overwritten is told so.
	o.Retry.Sleep = func(context.Context, time.Duration) error {
		r.PutManifest(t, "me/os", signbed.SignatureTag(p.Digest), mediaType, theirs)
		return nil
	}
	err := signbed.Signer(t, 2).Sign(t.Context(), p, o)
	var e *registry.Error
	if !errors.As(err, &e) || e.Class != registry.Inconsistent {
		t.Errorf("%v, want class %s", err, registry.Inconsistent)
	}
}

func TestSignConcurrently(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	// Both have read before either writes, and both have written before either
	// reads again.
	var read, wrote sync.WaitGroup
	read.Add(2)
	wrote.Add(2)
	var arrivals atomic.Int32
	r.OnTag(func(string, string) {
		if arrivals.Add(1) <= 2 {
			read.Done()
		}
		read.Wait()
	})
	signers := []*sign.Signer{signbed.Signer(t, 0), signbed.Signer(t, 1)}
	errs := make(chan error, 2)
	for _, s := range signers {
		o := o
		var once sync.Once
		o.Retry.Sleep = func(context.Context, time.Duration) error {
			once.Do(wrote.Done)
			wrote.Wait()
			return nil
		}
		go func() { errs <- s.Sign(t.Context(), p, o) }()
	}
	for range signers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := arrivals.Load(); n < 3 {
		t.Errorf("%d writes: nobody lost a signature, so nothing was proved", n)
	}
	// The second round of the one that lost keeps the other's.
	for i, s := range signers {
		if err := cosignAccepts(t, p, s, o); err != nil {
			t.Errorf("signer %d: %v", i, err)
		}
	}
}

func TestSignNothing(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	signbed.Push(t, r, o)
	p := image.Pinned{Repository: r.Host + "/me/os", Digest: digest.FromString("not there")}
	err := signbed.Signer(t, 0).Sign(t.Context(), p, o)
	var e *registry.Error
	if !errors.As(err, &e) || e.Class != registry.Missing {
		t.Errorf("%v, want class %s", err, registry.Missing)
	}
	if got := r.Tags("me/os"); len(got) != 0 {
		t.Errorf("tags: %q", got)
	}
}

func TestSignSurvivesFaults(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	r.Fail(t, testregistry.Fault{Method: "PUT", Path: `/manifests/sha256-`, Status: 503})
	r.Fail(t, testregistry.Fault{Method: "GET", Path: `/manifests/sha256-`, Cut: testregistry.Closed})
	r.Fail(t, testregistry.Fault{Method: "PATCH", Path: `/blobs/uploads/`, Cut: testregistry.Reset, Read: 10})
	// What was just written is denied, to who signs and to who reads it then.
	denied := testregistry.Fault{Method: "GET", Path: `/blobs/sha256:`, Status: 404}
	r.Fail(t, denied)
	s := signbed.Signer(t, 0)
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	session, err := registry.Open(t.Context(), p.Repository, o)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	r.Fail(t, denied)
	if all, err := sign.Signatures(t.Context(), session, p); err != nil || len(all) != 1 {
		t.Errorf("%d signatures, %v", len(all), err)
	}
	if err := cosignAccepts(t, p, s, o); err != nil {
		t.Error(err)
	}
}

// TestSignIsNotFooledByCopies finds valid signatures by its own key that are of
// another image, or of another repository.
func TestSignIsNotFooledByCopies(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	s := signbed.Signer(t, 0)
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	copied, mediaType := r.Manifest("me/os", signbed.SignatureTag(p.Digest))
	for name, target := range map[string]struct {
		seed       uint64
		repository string
	}{"another image": {2, "me/os"}, "another repository": {1, "me/copy"}} {
		q, err := registry.Push(t.Context(), testregistry.NewImage(t, target.seed, 2, 1_000), r.Host+"/"+target.repository, o)
		if err != nil {
			t.Fatal(err)
		}
		r.PutManifest(t, target.repository, signbed.SignatureTag(q.Digest), mediaType, copied)
		if err := s.Sign(t.Context(), q, o); err != nil {
			t.Fatal(err)
		}
		raw, _ := r.Manifest(target.repository, signbed.SignatureTag(q.Digest))
		var m imgspecv1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil || len(m.Layers) != 2 {
			t.Errorf("%s: %d signatures, want its own beside the copied one: %v", name, len(m.Layers), err)
		}
		if err := cosignAccepts(t, q, s, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An index is signed with all that clients may pull of it, and nothing else.
func TestSignIndex(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	var inner []image.Pinned
	for seed := range uint64(3) {
		p, err := registry.Push(t.Context(), testregistry.NewImage(t, seed, 1, 100), r.Host+"/me/os", o)
		if err != nil {
			t.Fatal(err)
		}
		inner = append(inner, p)
	}
	put := func(manifests ...imgspecv1.Descriptor) image.Pinned {
		raw, err := json.Marshal(imgspecv1.Index{MediaType: imgspecv1.MediaTypeImageIndex, Manifests: manifests})
		if err != nil {
			t.Fatal(err)
		}
		d := digest.FromBytes(raw)
		r.PutManifest(t, "me/os", d.String(), imgspecv1.MediaTypeImageIndex, raw)
		return image.Pinned{Repository: r.Host + "/me/os", Digest: d, MediaType: imgspecv1.MediaTypeImageIndex}
	}
	entry := func(p image.Pinned, architecture, system string) imgspecv1.Descriptor {
		return imgspecv1.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: 1, Platform: &imgspecv1.Platform{Architecture: architecture, OS: system}}
	}
	nested := put(entry(inner[1], "arm64", "linux"))
	index := put(entry(inner[0], "amd64", "linux"), entry(inner[0], "amd64", "linux"), entry(nested, "arm64", "linux"),
		entry(inner[2], "unknown", "unknown"))
	signedOnes := []image.Pinned{index, inner[0], nested, inner[1]}

	s := signbed.Signer(t, 0)
	for range 2 {
		if err := s.Sign(t.Context(), index, o); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for _, p := range signedOnes {
		want = append(want, signbed.SignatureTag(p.Digest))
		if n := len(signatures(t, r, p.Digest).Layers); n != 1 {
			t.Errorf("%s has %d signatures", p, n)
		}
		if err := cosignAccepts(t, p, s, o); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	slices.Sort(want)
	if got := r.Tags("me/os"); !slices.Equal(got, want) {
		t.Errorf("the tags are %q, not %q", got, want)
	}
}
