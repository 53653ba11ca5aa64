package sign

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// Attestation is a statement about an image, by somebody who is trusted.
type Attestation struct {
	// PredicateType is the URI of what is said ("https://slsa.dev/provenance/v1").
	PredicateType string `json:"predicateType"`
	// Predicate is what is said, a JSON object.
	Predicate json.RawMessage `json:"predicate"`
}

// AttestationError says that an image lacks an attestation that it must have.
type AttestationError struct {
	Image image.Pinned
	// Missing are the types of what nobody trusted has said.
	Missing []string
	// Hint is what to do about it, a sentence for a user.
	Hint string
}

// Error names the types; the hint is apart.
func (e *AttestationError) Error() string {
	return fmt.Sprintf("verifying %q: it carries no attestation by an accepted key of %s", e.Image, strings.Join(e.Missing, " and "))
}

// Attestations returns what the holders of the public keys, in PEM, have said
// of the digest, verified by cosign's library, in the order of the registry.
// Statements by others, and those about other images, are left out. Where
// nothing is said of one of the types in demanded the error is an
// [*AttestationError]; failures of the registry are a [*registry.Error].
func Attestations(ctx context.Context, p image.Pinned, keys [][]byte, demanded []string, o registry.Options) ([]Attestation, error) {
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	var all []Attestation
	for _, key := range keys {
		public, err := cryptoutils.UnmarshalPEMToPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("verifying %q: reading a public key: %w", p, err)
		}
		verifier, err := signature.LoadVerifier(public, crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("verifying %q: using a public key: %w", p, err)
		}
		said, err := attestations(ctx, session, p, verifier)
		if err != nil {
			return nil, err
		}
		all = append(all, said...)
	}
	var missing []string
	for _, kind := range demanded {
		if !slices.ContainsFunc(all, func(a Attestation) bool { return a.PredicateType == kind }) {
			missing = append(missing, kind)
		}
	}
	if len(missing) > 0 {
		return all, &AttestationError{
			Image: p, Missing: missing,
			Hint: "publish it again; an image that was copied without its sha256-….att tag loses its attestations",
		}
	}
	return all, nil
}

// attestations are those by one key.
func attestations(ctx context.Context, session *registry.Session, p image.Pinned, verifier signature.Verifier) ([]Attestation, error) {
	var signed []oci.Signature
	err := session.Do(ctx, "reading the attestations of", func(ctx context.Context) error {
		var err error
		signed, _, err = cosign.VerifyImageAttestations(ctx, session.Name().Digest(p.Digest.String()), &cosign.CheckOpts{
			RegistryClientOpts: []ociremote.Option{ociremote.WithRemoteOptions(session.Remote(ctx)...)},
			ClaimVerifier:      cosign.IntotoSubjectClaimVerifier,
			SigVerifier:        verifier,
			// Nothing of bootkiln's depends on a transparency log.
			IgnoreTlog: true,
			IgnoreSCT:  true,
		})
		var none *cosign.ErrNoMatchingAttestations
		if errors.As(err, &none) {
			signed, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var list []Attestation
	for _, a := range signed {
		raw, err := a.Payload()
		if err != nil {
			return nil, fmt.Errorf("verifying %q: reading an attestation: %w", p, err)
		}
		text, err := open(raw)
		if err != nil {
			return nil, fmt.Errorf("verifying %q: reading an attestation: %w", p, err)
		}
		var s said
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("verifying %q: reading an attestation: %w", p, err)
		}
		list = append(list, Attestation{PredicateType: s.PredicateType, Predicate: s.Predicate})
	}
	return list, nil
}
