package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

type signOptions struct {
	env       *env
	reference string
	key       string
	keyless   bool
	registry  registryFlags
}

func newSignCmd(e *env) *cobra.Command {
	o := &signOptions{env: e}
	cmd := &cobra.Command{
		Use:   "sign REF@DIGEST",
		Short: "Sign an image in a registry",
		Long: `Attaches a signature to an image in a registry, in the form that podman, skopeo
and bootc read, and reads it back as they do. The image is named by its digest:
what a tag names may have changed since you looked. Of an index, each image in it
is signed as well. An image that carries a signature by this key already is left
as it is.

With --keyless, the job of GitHub Actions that this runs in signs as itself:
sigstore's authority certifies a key of minutes, and its public log writes down when
it was used. The job needs the permission id-token: write; elsewhere,
SIGSTORE_ID_TOKEN has an identity token. COSIGN_FULCIO_URL, COSIGN_REKOR_URL and
SIGSTORE_TRUSTED_ROOT name another sigstore. bootc's and podman's policies cannot ask
for such an identity, so machines that enforce one need a key's signature.`,
		Example: `  bootkiln sign --key cosign.key ghcr.io/me/centos-kde@sha256:…
  bootkiln sign --keyless ghcr.io/me/centos-kde@sha256:…`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.key, "key", "cosign.key", "private `key`: a file, env://NAME, or the URI of a key service")
	cmd.Flags().BoolVar(&o.keyless, "keyless", false, "sign as the job of GitHub Actions that this is")
	cmd.MarkFlagsMutuallyExclusive("key", "keyless")
	o.registry.register(cmd)
	return cmd
}

func (o *signOptions) run(ctx context.Context) error {
	_, digest, err := splitReference(o.reference)
	if err != nil {
		return err
	}
	if digest == "" {
		return &usageError{errors.New("the image must be named by its digest, as REPOSITORY@sha256:…")}
	}
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	signer, err := o.signer(ctx)
	if err != nil {
		return err
	}
	p, err := registry.Resolve(ctx, o.reference, options)
	if err != nil {
		return err
	}
	if err := signer.Sign(ctx, p, options); err != nil {
		return err
	}
	by, err := signer.Author(ctx)
	if err != nil {
		return err
	}
	if err := trust.VerifyAuthor(ctx, p, by, options); err != nil {
		return err
	}
	return o.env.printf("%s\n", p)
}

func (o *signOptions) signer(ctx context.Context) (*sign.Signer, error) {
	if o.keyless {
		return o.env.keylessSigner(ctx, false)
	}
	return sign.LoadKey(ctx, o.key, o.env.keyPassword)
}
