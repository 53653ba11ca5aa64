package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
	"github.com/bootkiln/bootkiln/test/fakesigstore"
)

const publicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhyQCx0E9wQWSFI9ULGwy3BuRklnt
IqozONbbdbqz11hlRJy9c7SG+hdcFl9jE9uE/dwtuwU2MqU9T/cN0YkWww==
-----END PUBLIC KEY-----
`

func TestPolicyFiles(t *testing.T) {
	t.Parallel()
	key := []byte(publicKey)
	for name, p := range map[string]trust.Policy{
		"image":    {Scope: "ghcr.io/me", Keys: [][]byte{key}},
		"port":     {Scope: "registry.example.org:5000/me/os", Keys: [][]byte{key}},
		"two-keys": {Scope: "docker.io/me", Keys: [][]byte{key, key}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := p.Write(dir, "/etc"); err != nil {
				t.Fatal(err)
			}
			files, err := p.Files("/etc")
			if err != nil {
				t.Fatal(err)
			}
			var all bytes.Buffer
			for _, f := range files {
				content, err := os.ReadFile(filepath.Join(dir, f.Path))
				if err != nil || !bytes.Equal(content, f.Content) {
					t.Errorf("%s on disk: %v\n%s", f.Path, err, content)
				}
				fmt.Fprintf(&all, "-- %s --\n%s", f.Path, f.Content)
			}
			golden.Check(t, filepath.Join("testdata", name+".golden"), all.Bytes())
		})
	}
}

// TestFileNames tries every short scope: no two of them may share a file.
func TestFileNames(t *testing.T) {
	t.Parallel()
	const longest = 6
	scopes := map[string]string{}
	var try func(rest string)
	try = func(rest string) {
		scope := "r.io" + rest
		if files, err := (trust.Policy{Scope: scope, Keys: [][]byte{[]byte(publicKey), []byte(publicKey)}}).Files("/etc"); err == nil {
			for _, f := range files[1:] {
				if strings.Trim(f.Path, "abcdefghijklmnopqrstuvwxyz12-_./") != "" {
					t.Errorf("%s cannot be in a build", f.Path)
				}
				if other, taken := scopes[f.Path]; taken {
					t.Errorf("%q and %q are both about %s", scope, other, f.Path)
				}
				scopes[f.Path] = scope
			}
		}
		if len(rest) < longest {
			for _, c := range "1-_.:/" {
				try(rest + string(c))
			}
		}
	}
	try("")
	for path, scope := range map[string]string{
		"containers/registries.d/r.io-1.yaml": "r.io/1", "containers/registries.d/r.io-_1-1.yaml": "r.io:1/1", "pki/containers/r.io-1--1.pub": "r.io/1-1",
	} {
		if scopes[path] != scope {
			t.Errorf("%s is about %q, not %q", path, scopes[path], scope)
		}
	}
}

func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	key := []byte(publicKey)
	for name, tt := range map[string]struct {
		p   trust.Policy
		etc string
	}{
		"no key":        {trust.Policy{Scope: "ghcr.io/me"}, "/etc"},
		"no scope":      {trust.Policy{Keys: [][]byte{key}}, "/etc"},
		"tag":           {trust.Policy{Scope: "ghcr.io/me/os:latest", Keys: [][]byte{key}}, "/etc"},
		"short name":    {trust.Policy{Scope: "me/os", Keys: [][]byte{key}}, "/etc"},
		"capitals":      {trust.Policy{Scope: "ghcr.io/Me", Keys: [][]byte{key}}, "/etc"},
		"traversal":     {trust.Policy{Scope: "ghcr.io/../etc", Keys: [][]byte{key}}, "/etc"},
		"newline":       {trust.Policy{Scope: "ghcr.io/me\n", Keys: [][]byte{key}}, "/etc"},
		"no PEM":        {trust.Policy{Scope: "ghcr.io/me", Keys: [][]byte{[]byte("x")}}, "/etc"},
		"relative path": {trust.Policy{Scope: "ghcr.io/me", Keys: [][]byte{key}}, "etc"},
	} {
		if files, err := tt.p.Files(tt.etc); err == nil {
			t.Errorf("%s: no error, %d files", name, len(files))
		}
	}
}

type bed struct {
	r *testregistry.Registry
	o registry.Options
	p image.Pinned
	s *sign.Signer
}

// newBed pushes an image and makes a key; nothing is signed yet.
func newBed(t *testing.T) *bed {
	t.Helper()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	o := signbed.Options(t, r)
	return &bed{r: r, s: signbed.Signer(t, 0), o: o, p: signbed.Push(t, r, o)}
}

func (b *bed) sign(t *testing.T, s *sign.Signer) {
	t.Helper()
	if err := s.Sign(t.Context(), b.p, b.o); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) options(keys ...*sign.Signer) trust.Options {
	o := trust.Options{Policy: trust.Policy{Scope: b.r.Host + "/me"}, Registry: b.o}
	for _, s := range keys {
		o.Policy.Keys = append(o.Policy.Keys, s.PublicKey())
	}
	return o
}

func wantClass(t *testing.T, err error, class trust.Class) {
	t.Helper()
	var e *trust.VerificationError
	if !errors.As(err, &e) || e.Class != class || e.Hint == "" {
		t.Errorf("%v, want class %s and a hint", err, class)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	wantClass(t, trust.Verify(t.Context(), b.p, b.options(b.s)), trust.Unsigned)
	b.sign(t, b.s)
	for name, keys := range map[string][]*sign.Signer{"its key": {b.s}, "one of two keys": {signbed.Signer(t, 1), b.s}} {
		if err := trust.Verify(t.Context(), b.p, b.options(keys...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantClass(t, trust.Verify(t.Context(), b.p, b.options(signbed.Signer(t, 1))), trust.WrongKey)

	for name, scope := range map[string]string{"registry": b.r.Host, "repository": b.r.Host + "/me/os"} {
		o := b.options(b.s)
		o.Policy.Scope = scope
		if err := trust.Verify(t.Context(), b.p, o); err != nil {
			t.Errorf("scope %s: %v", name, err)
		}
	}
}

func TestVerifyUncovered(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.sign(t, b.s)
	o := b.options(b.s)
	o.Policy.Scope = b.r.Host + "/somebody-else"
	wantClass(t, trust.Verify(t.Context(), b.p, o), trust.Uncovered)

	// What rejects everything asks for no signature either.
	o = trust.Options{Dir: t.TempDir(), Registry: b.o}
	if err := os.WriteFile(filepath.Join(o.Dir, "policy.json"), []byte(`{"default": [{"type": "reject"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	wantClass(t, trust.Verify(t.Context(), b.p, o), trust.Uncovered)
}

func TestVerifyDir(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.sign(t, b.s)
	dir := t.TempDir()
	if err := b.options(b.s).Policy.Write(dir, dir); err != nil {
		t.Fatal(err)
	}
	o := trust.Options{Dir: filepath.Join(dir, "containers"), Registry: b.o}
	if err := trust.Verify(t.Context(), b.p, o); err != nil {
		t.Error(err)
	}
	// Without registries.d, a client does not even look for signatures.
	if err := os.RemoveAll(filepath.Join(dir, "containers", "registries.d")); err != nil {
		t.Fatal(err)
	}
	wantClass(t, trust.Verify(t.Context(), b.p, o), trust.Unsigned)
}

// TestVerifyTampered has the registry return other bytes.
func TestVerifyTampered(t *testing.T) {
	t.Parallel()
	t.Run("manifest replaced", func(t *testing.T) {
		t.Parallel()
		b := newBed(t)
		b.sign(t, b.s)
		raw, mediaType := b.r.Manifest("me/os", b.p.Digest.String())
		var m imgspecv1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		m.Layers = m.Layers[:1]
		changed, _ := json.Marshal(m)
		b.r.Fail(t, testregistry.Fault{
			Method: "GET", Path: "/manifests/" + b.p.Digest.String(), Times: -1,
			Status: 200, Header: map[string][]string{"Content-Type": {mediaType}}, Body: changed,
		})
		wantClass(t, trust.Verify(t.Context(), b.p, b.options(b.s)), trust.Tampered)
	})
	t.Run("signature of another image", func(t *testing.T) {
		t.Parallel()
		b := newBed(t)
		b.sign(t, b.s)
		sig, sigType := b.r.Manifest("me/os", signbed.SignatureTag(b.p.Digest))
		evil, err := registry.Push(t.Context(), testregistry.NewImage(t, 2, 1, 1_000), b.p.Repository, b.o)
		if err != nil {
			t.Fatal(err)
		}
		b.r.PutManifest(t, "me/os", signbed.SignatureTag(evil.Digest), sigType, sig)
		wantClass(t, trust.Verify(t.Context(), evil, b.options(b.s)), trust.Tampered)
	})
	t.Run("payload changed", func(t *testing.T) {
		t.Parallel()
		b := newBed(t)
		b.sign(t, b.s)
		raw, _ := b.r.Manifest("me/os", signbed.SignatureTag(b.p.Digest))
		var m imgspecv1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		m.Layers[0].Annotations["dev.cosignproject.cosign/signature"] = "MEUCIQ=="
		changed, _ := json.Marshal(m)
		b.r.PutManifest(t, "me/os", signbed.SignatureTag(b.p.Digest), imgspecv1.MediaTypeImageManifest, changed)
		err := trust.Verify(t.Context(), b.p, b.options(b.s))
		var e *trust.VerificationError
		if !errors.As(err, &e) {
			t.Errorf("%v, want a refusal", err)
		}
	})
}

func TestVerifyWrongIdentity(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.sign(t, b.s)
	// The same image and its signature, copied to another repository.
	other, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 2, 1_000), b.r.Host+"/me/copy", b.o)
	if err != nil {
		t.Fatal(err)
	}
	if other.Digest != b.p.Digest {
		t.Fatalf("digests differ: %s, %s", other, b.p)
	}
	raw, mediaType := b.r.Manifest("me/os", signbed.SignatureTag(b.p.Digest))
	b.r.PutManifest(t, "me/copy", signbed.SignatureTag(b.p.Digest), mediaType, raw)
	wantClass(t, trust.Verify(t.Context(), other, b.options(b.s)), trust.WrongIdentity)
}

func TestVerifyRegistryFails(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.sign(t, b.s)
	missing := b.p
	missing.Digest = digest.FromString("not there")
	err := trust.Verify(t.Context(), missing, b.options(b.s))
	var e *registry.Error
	if !errors.As(err, &e) || e.Class != registry.Missing {
		t.Errorf("%v, want class %s", err, registry.Missing)
	}

	// A server error is no missing signature: it is tried again.
	b.r.Fail(t, testregistry.Fault{Method: "GET", Path: "/manifests/sha256-", Status: 503, Times: 2})
	if err := trust.Verify(t.Context(), b.p, b.options(b.s)); err != nil {
		t.Error(err)
	}
}

// TestVerifyWaitsForTheSignature: a registry may deny for a while that it has what
// was just signed.
func TestVerifyWaitsForTheSignature(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.sign(t, b.s)
	b.r.Fail(t, testregistry.Fault{Method: "GET", Path: "/blobs/", Status: 404, Times: 2})
	if err := trust.Verify(t.Context(), b.p, b.options(b.s)); err != nil {
		t.Error(err)
	}
}

// TestVerifyWorksInTempDir: there, the next run removes what a killed one left.
func TestVerifyWorksInTempDir(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	left := filepath.Join(b.o.TempDir, "bootkiln-registry-123")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	wantClass(t, trust.Verify(t.Context(), b.p, b.options(b.s)), trust.Unsigned)
	if all, err := os.ReadDir(b.o.TempDir); err != nil || len(all) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", all, err)
	}
}

// TestVerifyAuthor asks for an identity that a certificate names.
func TestVerifyAuthor(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s := fakesigstore.New(t)
	roots, err := sign.LoadRoots(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	keyless, err := sign.NewKeyless(t.Context(), sign.KeylessOptions{
		Fulcio: s.URL, Rekor: s.URL, TrustedRoot: s.Root, Now: time.Now,
		Token: sign.Token(func(name string) (string, bool) { v, ok := s.Environ()[name]; return v, ok }),
	})
	if err != nil {
		t.Fatal(err)
	}
	by, err := keyless.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verdict := func(p image.Pinned, by sign.Author) trust.Class {
		t.Helper()
		err := trust.VerifyAuthor(t.Context(), p, by, b.o)
		var refused *trust.VerificationError
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if err == nil {
			return ""
		}
		return refused.Class
	}
	if got := verdict(b.p, by); got != trust.Unsigned {
		t.Errorf("before it is signed the verdict is %q", got)
	}
	b.sign(t, b.s)
	if got := verdict(b.p, by); got != trust.WrongAuthor {
		t.Errorf("signed with a key the verdict is %q", got)
	}
	b.sign(t, keyless)
	if got := verdict(b.p, by); got != "" {
		t.Errorf("signed by the identity the verdict is %q", got)
	}
	for name, other := range map[string]sign.Identity{
		"subject": {Subject: by.Identity.Subject + "2", Issuer: by.Identity.Issuer},
		"issuer":  {Subject: by.Identity.Subject, Issuer: "https://issuer.example.org"},
	} {
		if got := verdict(b.p, sign.Author{Identity: other, Roots: roots}); got != trust.WrongAuthor {
			t.Errorf("of another %s the verdict is %q", name, got)
		}
	}
	key, err := b.s.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := verdict(b.p, key); got != "" {
		t.Errorf("for the key's holder the verdict is %q", got)
	}

	// The policy engine, too, leaves out what is not by the key.
	signatures, mediaType := b.r.Manifest("me/os", strings.Replace(b.p.Digest.String(), ":", "-", 1)+".sig")
	other, err := registry.Push(t.Context(), testregistry.NewImage(t, 7, 1, 100), b.r.Host+"/me/os", b.o)
	if err != nil {
		t.Fatal(err)
	}
	b.r.PutManifest(t, "me/os", strings.Replace(other.Digest.String(), ":", "-", 1)+".sig", mediaType, signatures)
	if got := verdict(other, by); got != trust.Tampered {
		t.Errorf("of a borrowed signature the verdict is %q", got)
	}
}

// TestVerifyIndex wants every image of an index signed, not only the index.
func TestVerifyIndex(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	raw, err := json.Marshal(imgspecv1.Index{MediaType: imgspecv1.MediaTypeImageIndex, Manifests: []imgspecv1.Descriptor{{
		MediaType: b.p.MediaType, Digest: b.p.Digest, Size: 1, Platform: &imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	index := image.Pinned{Repository: b.p.Repository, Digest: digest.FromBytes(raw), MediaType: imgspecv1.MediaTypeImageIndex}
	b.r.PutManifest(t, "me/os", index.Digest.String(), index.MediaType, raw)
	if err := b.s.Sign(t.Context(), index, b.o); err != nil {
		t.Fatal(err)
	}
	if err := trust.Verify(t.Context(), index, b.options(b.s)); err != nil {
		t.Fatal(err)
	}
	// As if somebody had put another image into an index that is signed.
	theirs := signbed.Signer(t, 1)
	if err := theirs.Sign(t.Context(), b.p, b.o); err != nil {
		t.Fatal(err)
	}
	tag := strings.Replace(b.p.Digest.String(), ":", "-", 1) + ".sig"
	signatures, mediaType := b.r.Manifest("me/os", tag)
	var m imgspecv1.Manifest
	if err := json.Unmarshal(signatures, &m); err != nil {
		t.Fatal(err)
	}
	m.Layers = m.Layers[1:]
	if signatures, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	b.r.PutManifest(t, "me/os", tag, mediaType, signatures)
	var refused *trust.VerificationError
	if err := trust.Verify(t.Context(), index, b.options(b.s)); !errors.As(err, &refused) || refused.Image.Digest != b.p.Digest {
		t.Errorf("the error is %v", err)
	}
}

func TestAuthors(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := t.TempDir()
	policy := trust.Policy{Scope: b.r.Host + "/me", Keys: [][]byte{b.s.PublicKey(), signbed.Signer(t, 1).PublicKey()}}
	if err := policy.Write(dir, dir); err != nil {
		t.Fatal(err)
	}
	authors, err := trust.Authors(filepath.Join(dir, "containers"), b.p.Repository)
	if err != nil {
		t.Fatal(err)
	}
	if len(authors) != 2 || !bytes.Equal(authors[0].Key, b.s.PublicKey()) || !strings.HasSuffix(authors[1].Name, "-me-.2.pub") {
		t.Errorf("the authors are %+v", authors)
	}
	if authors, err := trust.Authors(filepath.Join(dir, "containers"), "registry.example.org/me/os"); err != nil || len(authors) != 0 {
		t.Errorf("outside of the scope the authors are %+v, %v", authors, err)
	}
}
