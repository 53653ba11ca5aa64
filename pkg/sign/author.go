package sign

import (
	"context"
	"crypto"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Identity is whom a certificate of Fulcio's names.
type Identity struct {
	// Subject is the certificate's subject alternative name: for GitHub Actions
	// the URI of the workflow, for a person the mail address.
	Subject string `json:"subject"`
	// Issuer is the URI of the OIDC provider that vouches for the subject.
	Issuer string `json:"issuer"`
}

// Author is somebody whose signatures count: the holder of a key, or an
// identity that certificates name.
type Author struct {
	// Name says in a report who it is: the file of the key, or the subject.
	Name string
	// Key is a public key in PEM; nil for an identity.
	Key []byte
	// Identity and Roots are of an author without a key.
	Identity Identity
	Roots    *Roots
}

// Roots are the authorities and logs of a sigstore instance.
type Roots struct{ material root.TrustedMaterial }

// LoadRoots reads a trusted_root.json. "" gets that of the public instance, or
// of the one that TUF_MIRROR names, through TUF and cosign's cache.
func LoadRoots(file string) (*Roots, error) {
	if file == "" {
		material, err := cosign.TrustedRoot()
		if err != nil {
			return nil, &KeylessError{
				Class: ServiceDown, Op: "fetching sigstore's trusted root", Err: err,
				Hint: "tuf-repo-cdn.sigstore.dev must be reachable; or give the file with --trusted-root or SIGSTORE_TRUSTED_ROOT",
			}
		}
		return &Roots{material}, nil
	}
	material, err := root.NewTrustedRootFromPath(file)
	if err != nil {
		return nil, fmt.Errorf("reading the trusted root %q: %w", file, err)
	}
	return &Roots{material}, nil
}

// CheckOpts are what cosign's verifiers take to accept this author, and no
// other. Nothing is looked up online: what a certificate needs of the
// transparency log is kept beside its signature, and a key needs nothing of it.
func (a Author) CheckOpts() (*cosign.CheckOpts, error) {
	if a.Key == nil {
		return &cosign.CheckOpts{
			TrustedMaterial: a.Roots.material, Offline: true,
			Identities: []cosign.Identity{{Subject: a.Identity.Subject, Issuer: a.Identity.Issuer}},
		}, nil
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(a.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the public key %q: %w", a.Name, err)
	}
	verifier, err := signature.LoadVerifier(public, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("using the public key %q: %w", a.Name, err)
	}
	return &cosign.CheckOpts{SigVerifier: verifier, IgnoreTlog: true, IgnoreSCT: true}, nil
}

// Signed returns nil where the author made the signature, which must be in
// memory, whatever it says.
func (a Author) Signed(ctx context.Context, sig oci.Signature) error {
	o, err := a.CheckOpts()
	if err != nil {
		return err
	}
	_, err = cosign.VerifyImageSignature(ctx, sig, v1.Hash{}, o)
	return err
}

// attested returns nil where the author made the attestation, which must be in
// memory, and it is about the digest; of a zero digest, about whatever.
func (a Author) attested(ctx context.Context, attestation oci.Signature, about v1.Hash) error {
	o, err := a.CheckOpts()
	if err != nil {
		return err
	}
	if about != (v1.Hash{}) {
		o.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
	}
	_, _, err = cosign.VerifyImageAttestation(ctx, list{attestations: []oci.Signature{attestation}}, about, o)
	return err
}

// list holds attestations that no image holds (yet).
type list struct {
	oci.Signatures
	attestations []oci.Signature
}

// Get returns them.
func (l list) Get() ([]oci.Signature, error) { return l.attestations, nil }
