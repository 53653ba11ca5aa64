package sign_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

const (
	spdx = "https://spdx.dev/Document"
	slsa = "https://slsa.dev/provenance/v1"
)

func attTag(d digest.Digest) string { return strings.Replace(d.String(), ":", "-", 1) + ".att" }

func attest(t *testing.T, s *sign.Signer, p image.Pinned, kind, predicate string, o registry.Options) {
	t.Helper()
	if err := s.Attest(t.Context(), p, kind, []byte(predicate), o); err != nil {
		t.Fatal(err)
	}
}

// said returns what the key's attestations say, as "type predicate".
func said(t *testing.T, s *sign.Signer, p image.Pinned, o registry.Options) []string {
	t.Helper()
	list, err := sign.Attestations(t.Context(), p, []sign.Author{author(t, s)}, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, a.PredicateType+" "+string(a.Predicate))
	}
	slices.Sort(out)
	return out
}

func TestAttest(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	s, other := signbed.Signer(t, 0), signbed.Signer(t, 1)

	if got := said(t, s, p, o); got != nil {
		t.Errorf("an image without attestations has %q", got)
	}
	attest(t, s, p, spdx, `{"a":1}`, o)
	attest(t, s, p, slsa, `{"b":2}`, o)
	attest(t, other, p, slsa, `{"b":3}`, o)
	if got, want := said(t, s, p, o), []string{slsa + ` {"b":2}`, spdx + ` {"a":1}`}; !slices.Equal(got, want) {
		t.Errorf("the attestations are %q, not %q", got, want)
	}
	if got, want := said(t, other, p, o), []string{slsa + ` {"b":3}`}; !slices.Equal(got, want) {
		t.Errorf("the other's attestations are %q, not %q", got, want)
	}
	if got := said(t, signbed.Signer(t, 2), p, o); got != nil {
		t.Errorf("a key that said nothing has said %q", got)
	}

	// What is said again in other words takes the place of what was said.
	attest(t, s, p, slsa, `{"b":4}`, o)
	if got, want := said(t, s, p, o), []string{slsa + ` {"b":4}`, spdx + ` {"a":1}`}; !slices.Equal(got, want) {
		t.Errorf("the attestations are %q, not %q", got, want)
	}
	if got := said(t, other, p, o); len(got) != 1 {
		t.Errorf("the other's attestation was not kept: %q", got)
	}

	before, _ := r.Manifest("me/os", attTag(p.Digest))
	var m imgspecv1.Manifest
	if err := json.Unmarshal(before, &m); err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		if l.MediaType != "application/vnd.dsse.envelope.v1+json" || l.Annotations["predicateType"] == "" {
			t.Errorf("a layer is %+v", l)
		}
	}
	r.Forget()
	attest(t, s, p, slsa, `{"b":4}`, o)
	if after, _ := r.Manifest("me/os", attTag(p.Digest)); !bytes.Equal(after, before) || r.Count("PUT", "") != 0 {
		t.Errorf("saying the same again wrote something:\n%s\n%s", before, after)
	}
}

// A statement about another image counts for nothing, although the key is good.
func TestAttestationOfAnother(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	s := signbed.Signer(t, 0)
	attest(t, s, p, spdx, `{}`, o)
	raw, mediaType := r.Manifest("me/os", attTag(p.Digest))
	another, err := registry.Push(t.Context(), testregistry.NewImage(t, 9, 1, 100), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	r.PutManifest(t, "me/os", attTag(another.Digest), mediaType, raw)
	_, err = sign.Attestations(t.Context(), another, []sign.Author{author(t, s)}, []string{spdx, slsa}, o)
	var lacks *sign.AttestationError
	if !errors.As(err, &lacks) || !slices.Equal(lacks.Missing, []string{spdx, slsa}) {
		t.Errorf("the error is %v", err)
	}
}

func TestAttestMissingImage(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	p.Digest = digest.FromString("nothing")
	var missing *registry.Error
	if err := signbed.Signer(t, 0).Attest(t.Context(), p, spdx, []byte(`{}`), o); !errors.As(err, &missing) || missing.Class != registry.Missing {
		t.Errorf("the error is %v", err)
	}
	if err := signbed.Signer(t, 0).Attest(t.Context(), p, spdx, []byte(`{`), o); err == nil || !strings.HasPrefix(err.Error(), "attesting ") {
		t.Errorf("a predicate that is no JSON is accepted: %v", err)
	}
}

func author(t *testing.T, s *sign.Signer) sign.Author {
	t.Helper()
	a, err := s.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
