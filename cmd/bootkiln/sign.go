package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

type signOptions struct {
	env       *env
	reference string
	key       string
	registry  registryFlags
}

func newSignCmd(e *env) *cobra.Command {
	o := &signOptions{env: e}
	cmd := &cobra.Command{
		Use:   "sign REF@DIGEST",
		Short: "Sign an image in a registry",
		Long: `Attaches a signature to an image in a registry, in the form that podman, skopeo
and bootc read. The image is named by its digest: what a tag names may have
changed since you looked. An image that carries a signature by this key already
is left as it is.`,
		Example:           `  bootkiln sign --key cosign.key ghcr.io/me/centos-kde@sha256:…`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.key, "key", "cosign.key", "private key: a file, env://NAME, or the URI of a key service")
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
	signer, err := sign.LoadKey(ctx, o.key, o.env.keyPassword)
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
	return o.env.printf("%s\n", p)
}
