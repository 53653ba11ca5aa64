// Package sign → puts a signature beside an image.Pinned in its registry, with
// a cosign key and in the form that containers/image, and so podman, skopeo and
// bootc, can read: a manifest under the tag sha256-HEX.sig, one layer a
// signature, each with the simple-signing payload of containers-signature(5).
// Newer bundles are not read by these clients. No transparency log is involved.
package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// Sign signs the digest, for the identity that is its repository, and leaves
// the signatures of others in place. An image that carries a valid signature by
// this key already is left as it is. The image must exist in the registry:
// otherwise, and for other failures there, the error is a [*registry.Error].
//
// Sign reads again afterwards and repeats itself when its signature was lost to
// another signer, but one that writes later still can overwrite it; verify
// before the tags.
func (s *Signer) Sign(ctx context.Context, p image.Pinned, o registry.Options) error {
	var made oci.Signature
	return s.attach(ctx, p, o, attachment{
		noun: "signature", op: "signing",
		present: func(entity oci.SignedEntity) (bool, error) { return s.signed(p, entity) },
		add: func(ctx context.Context, before oci.SignedEntity) (_ oci.SignedEntity, err error) {
			if made == nil {
				if made, err = s.sign(ctx, p); err != nil {
					return nil, err
				}
			}
			return mutate.AttachSignatureToEntity(before, made)
		},
		write: ociremote.WriteSignatures,
	})
}

// sign makes the signature.
func (s *Signer) sign(ctx context.Context, p image.Pinned) (oci.Signature, error) {
	target, err := name.NewDigest(p.String())
	if err != nil {
		return nil, fmt.Errorf("signing %q: %w", p, err)
	}
	message, err := json.Marshal(payload.Cosign{Image: target, ClaimedIdentity: p.Repository})
	if err != nil {
		return nil, fmt.Errorf("signing %q: %w", p, err)
	}
	sig, err := s.key.SignMessage(bytes.NewReader(message), options.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("signing %q: %w", p, err)
	}
	made, err := static.NewSignature(message, base64.StdEncoding.EncodeToString(sig))
	if err != nil {
		return nil, fmt.Errorf("signing %q: %w", p, err)
	}
	return made, nil
}

// signed reports whether one of the entity's signatures is by this key, and for
// this image under this identity.
func (s *Signer) signed(p image.Pinned, entity oci.SignedEntity) (bool, error) {
	all, err := entity.Signatures()
	if err != nil {
		return false, err
	}
	list, err := all.Get()
	if err != nil {
		return false, err
	}
	for _, sig := range list {
		ok, err := s.made(p, sig)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// made reports whether the key made the signature of the image. What cannot be
// read as a signature is none; an error is the registry's.
func (s *Signer) made(p image.Pinned, sig oci.Signature) (bool, error) {
	message, err := sig.Payload()
	if err != nil {
		return false, err
	}
	encoded, err := sig.Base64Signature()
	if err != nil {
		return false, nil // an annotation is missing: not a signature
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || s.key.VerifySignature(bytes.NewReader(raw), bytes.NewReader(message)) != nil {
		return false, nil // not by this key
	}
	var said payload.SimpleContainerImage
	if err := json.Unmarshal(message, &said); err != nil {
		return false, nil // the key signs other things too
	}
	return said.Critical.Type == payload.CosignSignatureType &&
		said.Critical.Image.DockerManifestDigest == p.Digest.String() &&
		said.Critical.Identity.DockerReference == p.Repository, nil
}
