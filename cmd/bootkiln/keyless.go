package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/sign"
)

// The environment of signing without a key; the first two are cosign's.
const (
	fulcioVariable      = "COSIGN_FULCIO_URL"
	rekorVariable       = "COSIGN_REKOR_URL"
	trustedRootVariable = "SIGSTORE_TRUSTED_ROOT"
)

// keylessCaveat is what a signature without a key cannot do.
const keylessCaveat = "bootkiln: note: the policies of bootc and podman cannot ask for the identity of a workflow, so machines that " +
	"enforce one refuse this signature\n  hint: a key can sign beside it: 'bootkiln sign --key cosign.key', or in the recipe, " +
	"sign: {key: cosign.key, keyless: true}"

// keylessSigner returns a signer that signs as the job that it runs in, and
// says what that does not do unless a key signs as well.
func (e *env) keylessSigner(ctx context.Context, besideKey bool) (*sign.Signer, error) {
	s, err := sign.NewKeyless(ctx, sign.KeylessOptions{
		Fulcio: cmp.Or(e.getenv(fulcioVariable), sign.PublicFulcio),
		Rekor:  cmp.Or(e.getenv(rekorVariable), sign.PublicRekor),
		Token:  sign.Token(e.lookup), TrustedRoot: e.getenv(trustedRootVariable),
		// Not the clock of SOURCE_DATE_EPOCH: certificates live in the real time.
		Now: time.Now,
	})
	if err == nil && !besideKey {
		fmt.Fprintln(e.text(), keylessCaveat)
	}
	return s, err
}

// identityFlags name somebody whom certificates name, as cosign's do.
type identityFlags struct {
	subject, issuer, trustedRoot string
}

func (f *identityFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.subject, "certificate-identity", "", "the `identity` that the certificate of a signature without a key has")
	fl.StringVar(&f.issuer, "certificate-oidc-issuer", "", "who vouches for that identity, an https `address`")
	fl.StringVar(&f.trustedRoot, "trusted-root", "", "`file` with the authorities and logs of sigstore (default: fetched, or "+trustedRootVariable+")")
	cmd.MarkFlagsRequiredTogether("certificate-identity", "certificate-oidc-issuer")
}

// author returns the identity as an author.
func (f *identityFlags) author(e *env) (sign.Author, error) {
	roots, err := sign.LoadRoots(cmp.Or(f.trustedRoot, e.getenv(trustedRootVariable)))
	return sign.Author{Name: f.subject, Identity: sign.Identity{Subject: f.subject, Issuer: f.issuer}, Roots: roots}, err
}
