package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// Attest attaches a signed statement about the digest: an in-toto statement of
// the predicate, a JSON object, whose type is a URI
// (https://slsa.dev/provenance/v1). It is written as cosign version 2 does, in
// a DSSE envelope under the tag sha256-HEX.att, and takes the place of what this
// key said before of the same type. Statements by other keys and of other types
// stay. One that is there already is left as it is. Errors are those of
// [Signer.Sign].
func (s *Signer) Attest(ctx context.Context, p image.Pinned, predicateType string, predicate []byte, o registry.Options) error {
	text, err := statement(p, predicateType, predicate)
	if err != nil {
		return fmt.Errorf("attesting %q: %w", p, err)
	}
	by, err := s.hand.author(ctx)
	if err != nil {
		return fmt.Errorf("attesting %q: %w", p, err)
	}
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return err
	}
	defer session.Close()
	return attach(ctx, session, p, o.Retry, attachment{
		noun: "attestation", op: "attesting",
		present: func(entity oci.SignedEntity) (bool, error) { return saysSo(ctx, by, entity, text) },
		make:    func(ctx context.Context) (oci.Signature, error) { return s.hand.attest(ctx, predicateType, text) },
		add: func(ctx context.Context, before oci.SignedEntity, made oci.Signature) (oci.SignedEntity, error) {
			return mutate.AttachAttestationToEntity(before, made, mutate.WithReplaceOp(replacing{ctx, by, predicateType}))
		},
		write: ociremote.WriteAttestations,
	})
}

// said is an in-toto statement, in the version that cosign writes and finds
// (https://github.com/in-toto/attestation/tree/v0.1.0/spec), with its predicate
// as it was written.
type said struct {
	Type          string          `json:"_type"`
	PredicateType string          `json:"predicateType"`
	Subject       []subject       `json:"subject"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

func statement(p image.Pinned, predicateType string, predicate []byte) ([]byte, error) {
	return json.Marshal(said{
		Type:          "https://in-toto.io/Statement/v0.1",
		PredicateType: predicateType,
		Subject: []subject{{
			Name: p.Repository, Digest: map[string]string{p.Digest.Algorithm().String(): p.Digest.Encoded()},
		}},
		Predicate: predicate,
	})
}

// newAttestation wraps a DSSE envelope.
func newAttestation(envelope []byte, predicateType string, with ...static.Option) (oci.Signature, error) {
	return static.NewAttestation(envelope, append(with, static.WithLayerMediaType(types.DssePayloadType),
		static.WithAnnotations(map[string]string{"predicateType": predicateType}))...)
}

// saysSo reports whether one of the entity's attestations is by the author and
// says just this.
func saysSo(ctx context.Context, by Author, entity oci.SignedEntity, text []byte) (bool, error) {
	all, err := inMemory(entity.Attestations())
	if err != nil {
		return false, err
	}
	for _, a := range all {
		if own := statementBy(ctx, by, a); own != nil && bytes.Equal(own, text) {
			return true, nil
		}
	}
	return false, nil
}

// statementBy returns the statement of an attestation by the author, which is in
// memory; nil for any other.
func statementBy(ctx context.Context, by Author, a oci.Signature) []byte {
	raw, err := a.Payload()
	if err != nil || by.attested(ctx, a, none) != nil {
		return nil
	}
	text, err := open(raw)
	if err != nil {
		return nil // the author signs other things too
	}
	return text
}

// open returns the statement in a DSSE envelope, whose signature its caller
// has verified.
func open(raw []byte) ([]byte, error) {
	var envelope struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return nil, err
	}
	if envelope.PayloadType != types.IntotoPayloadType {
		return nil, fmt.Errorf("its payload is %q and no in-toto statement", envelope.PayloadType)
	}
	return envelope.Payload, nil
}

// replacing keeps of the old attestations what the author has not said of this
// type. It is a mutate.ReplaceOp; cosign's own replaces what others said, too,
// and prints.
type replacing struct {
	ctx           context.Context //nolint:containedctx // the interface of cosign's passes none
	by            Author
	predicateType string
}

// Replace implements mutate.ReplaceOp.
func (r replacing) Replace(old oci.Signatures, made oci.Signature) (oci.Signatures, error) {
	before, err := inMemory(old, nil)
	if err != nil {
		return nil, err
	}
	kept := list{Signatures: old}
	for _, a := range before {
		var s said
		if own := statementBy(r.ctx, r.by, a); own != nil && json.Unmarshal(own, &s) == nil && s.PredicateType == r.predicateType {
			continue
		}
		kept.attestations = append(kept.attestations, a)
	}
	kept.attestations = append(kept.attestations, made)
	return kept, nil
}
