package sign

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/oci"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// Attestation is a statement about an image, by somebody who is trusted.
type Attestation struct {
	// By is the name of the author.
	By string `json:"by"`
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

// Attestations returns what the authors have said of the digest, verified by
// cosign's library, in the order of the registry. Statements by others, and
// those about other images, are left out. Where nothing is said of one of the
// types in demanded the error is an [*AttestationError]; failures of the
// registry are a [*registry.Error].
func Attestations(ctx context.Context, p image.Pinned, authors []Author, demanded []string, o registry.Options) ([]Attestation, error) {
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	about, err := v1.NewHash(p.Digest.String())
	if err != nil {
		return nil, fmt.Errorf("verifying %q: %w", p, err)
	}
	signed, err := read(ctx, session, p, "reading the attestations of", oci.SignedEntity.Attestations)
	if err != nil {
		return nil, err
	}
	var all []Attestation
	for _, a := range signed {
		i := slices.IndexFunc(authors, func(by Author) bool { return by.attested(ctx, a, about) == nil })
		if i < 0 {
			continue
		}
		var s said
		raw, err := a.Payload()
		if err == nil {
			if raw, err = open(raw); err == nil {
				err = json.Unmarshal(raw, &s)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("verifying %q: reading an attestation: %w", p, err)
		}
		all = append(all, Attestation{By: authors[i].Name, PredicateType: s.PredicateType, Predicate: s.Predicate})
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
