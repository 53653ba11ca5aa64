// Package sign → puts a signature beside an image.Pinned in its registry, with
// a cosign key and in the form that containers/image, and so podman, skopeo and
// bootc, can read: a manifest under the tag sha256-HEX.sig, one layer a
// signature, each with the simple-signing payload of containers-signature(5).
// Newer bundles are not read by these clients. A key needs no transparency log;
// who signs without one ([NewKeyless]) does.
package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// Signer signs, and knows its own signatures again. It is safe for concurrent
// use.
type Signer struct {
	hand   hand
	public []byte
}

// hand is what makes signatures.
type hand interface {
	// author is whose signatures they are.
	author(ctx context.Context) (Author, error)
	// sign signs a message, and attest a statement.
	sign(ctx context.Context, message []byte) (oci.Signature, error)
	attest(ctx context.Context, predicateType string, statement []byte) (oci.Signature, error)
}

// PublicKey returns the public half of the key, PEM-encoded as in cosign.pub;
// nil for a signer without a key. The caller must not change it.
func (s *Signer) PublicKey() []byte { return s.public }

// Author returns whose signatures they are, for those who verify them. A signer
// without a key has itself certified for that; failures are a [*KeylessError].
func (s *Signer) Author(ctx context.Context) (Author, error) { return s.hand.author(ctx) }

// Sign signs the digest, for the identity that is its repository, and leaves
// the signatures of others in place. Of an index, every image in it is signed
// too, because clients ask for both. An image that carries a valid signature by
// this signer already is left as it is. The image must exist in the registry:
// otherwise, and for other failures there, the error is a [*registry.Error].
//
// Sign reads again afterwards and repeats itself when its signature was lost to
// another signer, but one that writes later still can overwrite it; verify
// before the tags.
func (s *Signer) Sign(ctx context.Context, p image.Pinned, o registry.Options) error {
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return err
	}
	defer session.Close()
	by, err := s.hand.author(ctx)
	if err != nil {
		return fmt.Errorf("signing %q: %w", p, err)
	}
	all, err := images(ctx, session, p, registry.Missing)
	if err != nil {
		return err
	}
	// The index last: whoever finds it signed finds its images signed.
	for _, p := range slices.Backward(all) {
		if err := s.signOne(ctx, session, p, by, o.Retry); err != nil {
			return err
		}
	}
	return nil
}

func (s *Signer) signOne(ctx context.Context, session *registry.Session, p image.Pinned, by Author, retry registry.Retry) error {
	return attach(ctx, session, p, retry, attachment{
		noun: "signature", op: "signing",
		present: func(entity oci.SignedEntity) (bool, error) { return signed(ctx, by, p, entity) },
		make:    func(ctx context.Context) (oci.Signature, error) { return s.sign(ctx, p) },
		add: func(_ context.Context, before oci.SignedEntity, made oci.Signature) (oci.SignedEntity, error) {
			return mutate.AttachSignatureToEntity(before, made)
		},
		write: ociremote.WriteSignatures,
	})
}

// sign makes the signature.
func (s *Signer) sign(ctx context.Context, p image.Pinned) (oci.Signature, error) {
	target, err := name.NewDigest(p.String())
	if err != nil {
		return nil, err
	}
	message, err := json.Marshal(payload.Cosign{Image: target, ClaimedIdentity: p.Repository})
	if err != nil {
		return nil, err
	}
	return s.hand.sign(ctx, message)
}

// signed reports whether one of the entity's signatures is by the author, and
// for this image under this identity.
func signed(ctx context.Context, by Author, p image.Pinned, entity oci.SignedEntity) (bool, error) {
	all, err := inMemory(entity.Signatures())
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(sig oci.Signature) bool {
		message, err := sig.Payload()
		if err != nil || by.Signed(ctx, sig) != nil {
			return false
		}
		var said payload.SimpleContainerImage
		if err := json.Unmarshal(message, &said); err != nil {
			return false // the author signs other things too
		}
		return said.Critical.Type == payload.CosignSignatureType &&
			said.Critical.Image.DockerManifestDigest == p.Digest.String() &&
			said.Critical.Identity.DockerReference == p.Repository
	}), nil
}

// keyed is the hand of who holds a key.
type keyed struct {
	key signature.SignerVerifier
	by  Author
}

func (k *keyed) author(context.Context) (Author, error) { return k.by, nil }

func (k *keyed) sign(ctx context.Context, message []byte) (oci.Signature, error) {
	sig, err := k.key.SignMessage(bytes.NewReader(message), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return static.NewSignature(message, base64.StdEncoding.EncodeToString(sig))
}

func (k *keyed) attest(ctx context.Context, predicateType string, statement []byte) (oci.Signature, error) {
	envelope, err := dsse.WrapSigner(k.key, types.IntotoPayloadType).SignMessage(bytes.NewReader(statement), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return newAttestation(envelope, predicateType)
}
