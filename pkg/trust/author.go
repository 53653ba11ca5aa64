package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sigstore/sigstore/pkg/signature/payload"
	"go.podman.io/image/v5/signature"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// VerifyAuthor is [Verify] for who signed. The signatures of somebody with a key
// are put to the policy engine. Those of a certificate's identity, which no
// policy can ask for unless it is a mail address, are verified by cosign's
// library.
func VerifyAuthor(ctx context.Context, p image.Pinned, by sign.Author, o registry.Options) error {
	if by.Key != nil {
		return Verify(ctx, p, Options{Policy: Policy{Scope: p.Repository, Keys: [][]byte{by.Key}}, Registry: o})
	}
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return err
	}
	defer session.Close()
	return each(ctx, p, o, func(p image.Pinned) error { return signedBy(ctx, session, p, by) })
}

func signedBy(ctx context.Context, session *registry.Session, p image.Pinned, by sign.Author) error {
	all, err := sign.Signatures(ctx, session, p)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return refuse(Unsigned, p, errors.New("there is no signature beside it"))
	}
	class, reasons := WrongAuthor, []error(nil)
	for _, s := range all {
		if err := by.Signed(ctx, s); err != nil {
			reasons = append(reasons, err)
			continue
		}
		text, err := s.Payload()
		var said payload.SimpleContainerImage
		if err == nil {
			err = json.Unmarshal(text, &said)
		}
		switch {
		case err != nil || said.Critical.Type != payload.CosignSignatureType:
			class, reasons = Invalid, append(reasons, fmt.Errorf("the signature says nothing of an image: %w", err))
		case said.Critical.Image.DockerManifestDigest != p.Digest.String():
			class, reasons = Tampered, append(reasons, fmt.Errorf("the signature is of %s", said.Critical.Image.DockerManifestDigest))
		case said.Critical.Identity.DockerReference != p.Repository:
			class, reasons = WrongIdentity, append(reasons, fmt.Errorf("it was signed as %q", said.Critical.Identity.DockerReference))
		default:
			return nil
		}
	}
	return refuse(class, p, errors.Join(reasons...))
}

// Authors returns whose signatures the policy in a folder of policy.json and
// registries.d accepts for a repository: the holders of its keys. Identities,
// and keys of GnuPG, are left out.
func Authors(dir, repository string) ([]sign.Author, error) {
	policy, err := signature.NewPolicyFromFile(filepath.Join(dir, "policy.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the signature policy: %w", err)
	}
	ref, err := dockerReference(image.Pinned{Repository: repository, Digest: "sha256:" + anyHex})
	if err != nil {
		return nil, fmt.Errorf("reading the signature policy for %q: %w", repository, err)
	}
	requirements, _ := requirementsOf(policy, ref)
	var authors []sign.Author
	for _, r := range requirements {
		b, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		var known requirement
		if err := json.Unmarshal(b, &known); err != nil {
			return nil, err
		}
		if known.Type != "sigstoreSigned" {
			continue
		}
		for _, path := range append(slices.Clone(known.KeyPaths), known.KeyPath) {
			if path == "" {
				continue
			}
			key, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("reading a key of the signature policy: %w", err)
			}
			authors = append(authors, sign.Author{Name: path, Key: key})
		}
		for _, key := range append(slices.Clone(known.KeyDatas), known.KeyData) {
			if len(key) > 0 {
				authors = append(authors, sign.Author{Name: "a key in policy.json", Key: key})
			}
		}
	}
	return authors, nil
}

// anyHex is a digest, where none matters.
const anyHex = "0000000000000000000000000000000000000000000000000000000000000000"
