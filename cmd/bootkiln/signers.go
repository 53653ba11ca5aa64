package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/sign"
)

// signFlags say who signs what a command brings to a registry.
type signFlags struct {
	key     string
	keyless bool
}

func (f *signFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.key, "sign-by", "", "private `key` to sign with: a file, env://NAME, or the URI of a key service")
	cmd.Flags().BoolVar(&f.keyless, "keyless", false, "sign as the job of GitHub Actions that this is; with --sign-by, both sign")
}

// given reports whether anybody signs.
func (f *signFlags) given() bool { return f.key != "" || f.keyless }

// signers returns those that sign: the key first, which machines accept.
func (f *signFlags) signers(ctx context.Context, e *env) (list []*sign.Signer, err error) {
	if f.key != "" {
		s, err := sign.LoadKey(ctx, f.key, e.keyPassword)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if f.keyless {
		s, err := e.keylessSigner(ctx, len(list) > 0)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}
