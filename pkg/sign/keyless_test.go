package sign_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/test/fakesigstore"
)

// keylessBed is a registry with an image, and a sigstore.
type keylessBed struct {
	s *fakesigstore.Sigstore
	r *testregistry.Registry
	o registry.Options
	p image.Pinned
	// root is the signer's trusted root.
	root string
	// fulcio is the address of the authority, and token what is in the environment,
	// "" for what the runner gives.
	fulcio, token string
	// now is the signer's clock.
	now time.Time
}

func newKeylessBed(t *testing.T) *keylessBed {
	t.Helper()
	b := &keylessBed{s: fakesigstore.New(t), r: testregistry.New(t, testregistry.Options{}), now: time.Now()}
	b.o = signbed.Options(t, b.r)
	b.p = signbed.Push(t, b.r, b.o)
	b.root, b.fulcio = b.s.Root, b.s.URL
	return b
}

func (b *keylessBed) lookup(name string) (string, bool) {
	if name == "SIGSTORE_ID_TOKEN" {
		return b.token, b.token != ""
	}
	v, ok := b.s.Environ()[name]
	return v, ok
}

func (b *keylessBed) keyless(t *testing.T) (*sign.Signer, error) {
	t.Helper()
	return sign.NewKeyless(t.Context(), sign.KeylessOptions{
		Fulcio: b.fulcio, Rekor: b.s.URL, Token: sign.Token(b.lookup), TrustedRoot: b.root, Now: func() time.Time { return b.now }, Wait: time.Millisecond,
	})
}

func (b *keylessBed) signer(t *testing.T) *sign.Signer {
	t.Helper()
	s, err := b.keyless(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// accepts returns nil where cosign's verifier accepts a signature of the image
// by the author.
func accepts(t *testing.T, p image.Pinned, by sign.Author, o registry.Options) error {
	t.Helper()
	session, err := registry.Open(t.Context(), p.Repository, o)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	all, err := sign.Signatures(t.Context(), session, p)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.New("there is no signature")
	for _, s := range all {
		if err = by.Signed(t.Context(), s); err == nil {
			return nil
		}
	}
	return err
}

func TestKeyless(t *testing.T) {
	t.Parallel()
	b := newKeylessBed(t)
	s := b.signer(t)
	if s.PublicKey() != nil {
		t.Error("a signer without a key has a public key")
	}
	if err := s.Sign(t.Context(), b.p, b.o); err != nil {
		t.Fatal(err)
	}
	if err := s.Attest(t.Context(), b.p, spdx, []byte(`{"a":1}`), b.o); err != nil {
		t.Fatal(err)
	}
	if n := b.s.Count(fakesigstore.Fulcio); n != 1 {
		t.Errorf("%d certificates for a signature and an attestation, want 1", n)
	}
	if n := b.s.Count(fakesigstore.Rekor); n != 2 {
		t.Errorf("%d entries in the log, want 2", n)
	}
	m := signatures(t, b.r, b.p.Digest)
	if len(m.Layers) != 1 {
		t.Fatalf("%d signatures, want 1", len(m.Layers))
	}
	for _, name := range []string{"certificate", "chain", "bundle"} {
		if m.Layers[0].Annotations["dev.sigstore.cosign/"+name] == "" {
			t.Errorf("the signature has no %s: %v", name, m.Layers[0].Annotations)
		}
	}
	by, err := s.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if by.Identity != (sign.Identity{Subject: fakesigstore.Subject, Issuer: fakesigstore.Issuer}) {
		t.Errorf("the author is %+v", by.Identity)
	}
	list, err := sign.Attestations(t.Context(), b.p, []sign.Author{by}, []string{spdx}, b.o)
	if err != nil || len(list) != 1 || list[0].By != fakesigstore.Subject {
		t.Errorf("the attestations are %+v: %v", list, err)
	}
	for name, change := range map[string]func(*sign.Author){
		"itself":        func(*sign.Author) {},
		"other subject": func(a *sign.Author) { a.Identity.Subject += "x" },
		"other issuer":  func(a *sign.Author) { a.Identity.Issuer += "x" },
		"other roots":   func(a *sign.Author) { a.Roots = roots(t, fakesigstore.New(t)) },
	} {
		by := by
		change(&by)
		good := name == "itself"
		if err := accepts(t, b.p, by, b.o); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		list, err := sign.Attestations(t.Context(), b.p, []sign.Author{by}, nil, b.o)
		if err != nil || len(list) > 0 != good {
			t.Errorf("%s: %d attestations, %v", name, len(list), err)
		}
	}

	// Again, by the next run of the job: nothing is written, to no log either.
	b.r.Forget()
	again := b.signer(t)
	if err := again.Sign(t.Context(), b.p, b.o); err != nil {
		t.Fatal(err)
	}
	if err := again.Attest(t.Context(), b.p, spdx, []byte(`{"a":1}`), b.o); err != nil {
		t.Fatal(err)
	}
	if n := b.r.Count("PUT", ""); n != 0 {
		t.Errorf("%d things were written", n)
	}
	if n := b.s.Count(fakesigstore.Rekor); n != 2 {
		t.Errorf("%d entries in the log, want 2", n)
	}

	// A certificate that is about to end is renewed.
	b.now = b.now.Add(8 * time.Minute)
	if err := again.Attest(t.Context(), b.p, slsa, []byte(`{}`), b.o); err != nil {
		t.Fatal(err)
	}
	if n := b.s.Count(fakesigstore.Fulcio); n < 3 {
		t.Errorf("%d certificates, want a third", n)
	}
}

// A key's signature stands beside one without a key, and each is found.
func TestKeylessBesideKey(t *testing.T) {
	t.Parallel()
	b := newKeylessBed(t)
	key, none := signbed.Signer(t, 0), b.signer(t)
	for _, s := range []*sign.Signer{key, none, key, none} {
		if err := s.Sign(t.Context(), b.p, b.o); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(signatures(t, b.r, b.p.Digest).Layers); n != 2 {
		t.Errorf("%d signatures, want 2", n)
	}
	if err := cosignAccepts(t, b.p, key, b.o); err != nil {
		t.Error(err)
	}
	by, err := none.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := accepts(t, b.p, by, b.o); err != nil {
		t.Error(err)
	}
}

func breaking(service string, status int) func(*keylessBed) {
	return func(b *keylessBed) { b.s.Break(service, status) }
}

// A service that fails once is asked again, and nobody learns of it.
func TestKeylessPatience(t *testing.T) {
	t.Parallel()
	b := newKeylessBed(t)
	for _, service := range []string{fakesigstore.OIDC, fakesigstore.Fulcio, fakesigstore.Rekor} {
		b.s.BreakOnce(service, 503)
	}
	if err := b.signer(t).Sign(t.Context(), b.p, b.o); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{fakesigstore.OIDC, fakesigstore.Fulcio, fakesigstore.Rekor} {
		if n := b.s.Count(service); n < 2 {
			t.Errorf("%s was asked %d times", service, n)
		}
	}
}

// Ctrl-C ends the waiting for a service.
func TestKeylessInterrupted(t *testing.T) {
	t.Parallel()
	b := newKeylessBed(t)
	s := b.signer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	b.s.OnRequest(fakesigstore.Fulcio, interrupt)
	b.s.Break(fakesigstore.Fulcio, 503)
	if err := s.Sign(ctx, b.p, b.o); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if n := b.s.Count(fakesigstore.Fulcio); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestKeylessFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*keylessBed)
		class sign.KeylessClass
		says  string
	}{
		"token refused":       {breaking(fakesigstore.OIDC, 403), sign.ServiceRefused, "asking GitHub for an OIDC token: it answers 403 Forbidden: out of order"},
		"no token":            {func(b *keylessBed) { b.token = "secret" }, sign.NoIdentity, "reading the OIDC token: it is no token that names somebody"},
		"certificate refused": {breaking(fakesigstore.Fulcio, 400), sign.ServiceRefused, ": it answers 400 Bad Request: out of order"},
		"no certificates":     {breaking(fakesigstore.Fulcio, 503), sign.ServiceDown, ": it answers 503 Service Unavailable: out of order"},
		"too many":            {breaking(fakesigstore.Fulcio, 429), sign.ServiceDown, ": it answers 429 "},
		"nobody certifies":    {func(b *keylessBed) { b.fulcio = "http://127.0.0.1:1" }, sign.ServiceDown, "getting a certificate from http://127.0.0.1:1: dial tcp "},
		"log refuses":         {breaking(fakesigstore.Rekor, 400), sign.ServiceRefused, "writing to the log "},
		"log is out of order": {breaking(fakesigstore.Rekor, 502), sign.ServiceDown, "status 502"},
		"another's roots":     {func(b *keylessBed) { b.root = fakesigstore.New(t).Root }, sign.RootsMismatch, "checking the certificate of "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newKeylessBed(t)
			tt.spoil(b)
			s, err := b.keyless(t)
			if err == nil {
				err = s.Sign(t.Context(), b.p, b.o)
			}
			var failure *sign.KeylessError
			if !errors.As(err, &failure) || failure.Class != tt.class || !strings.Contains(err.Error(), tt.says) || failure.Hint == "" {
				t.Errorf("the error is %v, %+v", err, failure)
			}
			if refused := (*registry.Error)(nil); errors.As(err, &refused) {
				t.Errorf("the registry is blamed: %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "?api-version")) {
				t.Errorf("it tells too much: %v", err)
			}
			if tags := b.r.Tags("me/os"); len(tags) > 0 {
				t.Errorf("something was attached: %q", tags)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	get := func(env map[string]string) (string, error) {
		return sign.Token(func(name string) (string, bool) { v, ok := env[name]; return v, ok })(context.Background())
	}
	if token, err := get(map[string]string{"SIGSTORE_ID_TOKEN": "given"}); token != "given" || err != nil {
		t.Errorf("%q, %v", token, err)
	}
	var failure *sign.KeylessError
	if _, err := get(nil); !errors.As(err, &failure) || !strings.Contains(failure.Hint, "id-token: write") {
		t.Errorf("without a token: %v", err)
	}
}

func roots(t *testing.T, s *fakesigstore.Sigstore) *sign.Roots {
	t.Helper()
	roots, err := sign.LoadRoots(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	return roots
}
