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
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/options"

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
	var made oci.Signature
	return s.attach(ctx, p, o, attachment{
		noun: "attestation", op: "attesting",
		present: func(entity oci.SignedEntity) (bool, error) { return s.attested(entity, text) },
		add: func(ctx context.Context, before oci.SignedEntity) (_ oci.SignedEntity, err error) {
			if made == nil {
				if made, err = s.envelope(ctx, predicateType, text); err != nil {
					return nil, fmt.Errorf("attesting %q: %w", p, err)
				}
			}
			return mutate.AttachAttestationToEntity(before, made, mutate.WithReplaceOp(replacing{s, predicateType}))
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

// envelope signs the statement.
func (s *Signer) envelope(ctx context.Context, predicateType string, text []byte) (oci.Signature, error) {
	signed, err := dsse.WrapSigner(s.key, types.IntotoPayloadType).SignMessage(bytes.NewReader(text), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return static.NewAttestation(signed, static.WithLayerMediaType(types.DssePayloadType),
		static.WithAnnotations(map[string]string{"predicateType": predicateType}))
}

// attested reports whether one of the entity's attestations is by this key and
// says just this.
func (s *Signer) attested(entity oci.SignedEntity, text []byte) (bool, error) {
	all, err := entity.Attestations()
	if err != nil {
		return false, err
	}
	list, err := all.Get()
	if err != nil {
		return false, err
	}
	for _, a := range list {
		own, err := s.own(a)
		if err != nil {
			return false, err
		}
		if own != nil && bytes.Equal(own, text) {
			return true, nil
		}
	}
	return false, nil
}

// own returns the statement of an attestation by this key, nil for any other.
// An error is the registry's.
func (s *Signer) own(a oci.Signature) ([]byte, error) {
	raw, err := a.Payload()
	if err != nil {
		return nil, err
	}
	if dsse.WrapVerifier(s.key).VerifySignature(bytes.NewReader(raw), nil) != nil {
		return nil, nil
	}
	text, err := open(raw)
	if err != nil {
		return nil, nil // the key signs other things too
	}
	return text, nil
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

// replacing keeps of the old attestations what the signer has not said of this
// type. It is a mutate.ReplaceOp; cosign's own replaces what others said, too,
// and prints.
type replacing struct {
	signer        *Signer
	predicateType string
}

// Replace implements mutate.ReplaceOp.
func (r replacing) Replace(old oci.Signatures, made oci.Signature) (oci.Signatures, error) {
	list, err := old.Get()
	if err != nil {
		return nil, err
	}
	kept := replaced{Signatures: old}
	for _, a := range list {
		own, err := r.signer.own(a)
		if err != nil {
			return nil, err
		}
		var before said
		if own != nil && json.Unmarshal(own, &before) == nil && before.PredicateType == r.predicateType {
			continue
		}
		kept.list = append(kept.list, a)
	}
	kept.list = append(kept.list, made)
	return kept, nil
}

// replaced is a list of attestations that no image holds yet.
type replaced struct {
	oci.Signatures
	list []oci.Signature
}

// Get returns the list.
func (r replaced) Get() ([]oci.Signature, error) { return r.list, nil }
