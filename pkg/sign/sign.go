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
	"time"

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

// rounds is how often a signature that another signer overwrote is written
// again.
const rounds = 5

// Sign signs the digest, for the identity that is its repository, and leaves
// the signatures of others in place. An image that carries a valid signature by
// this key already is left as it is. The image must exist in the registry:
// otherwise, and for other failures there, the error is a [*registry.Error].
//
// Registries cannot append: signers read, add and write. Sign reads again
// afterwards and repeats itself when its signature was lost to another signer,
// but one that writes later still can overwrite it; verify before the tags.
func (s *Signer) Sign(ctx context.Context, p image.Pinned, o registry.Options) error {
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return err
	}
	defer session.Close()

	// A signature of what is not there would be worth nothing, and cosign does
	// not look. What was pushed a moment ago is not seen everywhere at once.
	if _, err := session.Resolve(ctx, p.Digest.String(), registry.Missing); err != nil {
		return err
	}
	target := session.Name().Digest(p.Digest.String())
	beside := func(ctx context.Context) (oci.SignedEntity, ociremote.Option) {
		remote := ociremote.WithRemoteOptions(session.Remote(ctx)...)
		return ociremote.SignedUnknown(target, remote), remote
	}
	signed := func() (yes bool, err error) {
		err = session.Do(ctx, "reading the signatures of", func(ctx context.Context) (err error) {
			entity, _ := beside(ctx)
			yes, err = s.signed(p, entity)
			return err
		})
		return yes, err
	}

	var made oci.Signature
	for range rounds {
		if done, err := signed(); err != nil || done {
			return err
		}
		if made == nil {
			if made, err = s.sign(ctx, p, target); err != nil {
				return err
			}
		}
		err = session.Do(ctx, "signing", func(ctx context.Context) error {
			before, remote := beside(ctx)
			entity, err := mutate.AttachSignatureToEntity(before, made)
			if err != nil {
				return err
			}
			return ociremote.WriteSignatures(session.Name(), entity, remote)
		}, registry.Missing)
		if err != nil {
			return err
		}
		if err := s.settle(ctx, o.Retry); err != nil {
			return err
		}
	}
	// What the last round wrote may stand.
	if done, err := signed(); err != nil || done {
		return err
	}
	return &registry.Error{
		Class: registry.Inconsistent, Registry: session.Name().RegistryStr(), Repository: p.Repository, Op: "signing",
		Err:  fmt.Errorf("the signature of %s was overwritten %d times", p.Digest, rounds),
		Hint: "other signers write to the same image: let one finish before the next begins",
	}
}

// settle gives another signer that has read the same signatures the time to
// write, so that its overwriting is seen.
func (s *Signer) settle(ctx context.Context, r registry.Retry) error {
	const pause = 500 * time.Millisecond
	if r.Sleep != nil {
		return r.Sleep(ctx, pause)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// sign makes the signature.
func (s *Signer) sign(ctx context.Context, p image.Pinned, target name.Digest) (oci.Signature, error) {
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
