package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/sign"
)

type keygenOptions struct {
	env    *env
	dir    string
	prefix string
}

func newKeygenCmd(e *env) *cobra.Command {
	o := &keygenOptions{env: e}
	cmd := &cobra.Command{
		Use:   "keygen [DIR]",
		Short: "Make a key pair to sign images with",
		Long: `Makes cosign.key, encrypted with a password, and cosign.pub, as 'cosign
generate-key-pair' does. The password is read from COSIGN_PASSWORD, or the file that
COSIGN_PASSWORD_FILE names, else asked for. Existing files are never replaced.`,
		Example: `  bootkiln keygen
  COSIGN_PASSWORD=… bootkiln keygen keys`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) > 0 {
				o.dir = args[0]
			}
			return o.run()
		},
	}
	cmd.Flags().StringVar(&o.prefix, "prefix", "cosign", "`name` of the files, without .key and .pub")
	return cmd
}

func (o *keygenOptions) run() error {
	password, err := o.env.newPassword()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("making the folder for the keys: %w", err)
	}
	private, public, err := sign.GenerateKeys(o.dir, o.prefix, password)
	if err != nil {
		return err
	}
	return o.env.printf("%s\n%s\n", private, public)
}
