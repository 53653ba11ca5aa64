package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/trust"
)

type verifyOptions struct {
	env       *env
	reference string
	keys      []string
	policy    string
	registry  registryFlags
	format    formatFlag
}

func newVerifyCmd(e *env) *cobra.Command {
	o := &verifyOptions{env: e}
	cmd := &cobra.Command{
		Use:   "verify REF",
		Short: "Ask the containers policy engine whether an image would be accepted",
		Long: `Resolves REF to a digest and asks the policy engine of containers/image, the one
in podman, skopeo and bootc, whether it may run: with the given public keys, or
with the policy of a folder such as /etc/containers. Prints the digest that was
accepted. An image that is refused is exit status 4.`,
		Example: `  bootkiln verify --key cosign.pub ghcr.io/me/centos-kde:latest
  bootkiln verify --policy /etc/containers ghcr.io/me/centos-kde:latest`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVar(&o.keys, "key", nil, "file with a public key; a signature by one of several is enough")
	cmd.Flags().StringVar(&o.policy, "policy", "", "folder with policy.json and registries.d to be used as they stand")
	cmd.MarkFlagsMutuallyExclusive("key", "policy")
	cmd.MarkFlagsOneRequired("key", "policy")
	o.registry.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

func (o *verifyOptions) run(ctx context.Context) error {
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	repository, _, err := splitReference(o.reference)
	if err != nil {
		return err
	}
	t := trust.Options{Dir: o.policy, Registry: options}
	if o.policy == "" {
		t.Policy.Scope = repository
		for _, file := range o.keys {
			key, err := readPublicKey(file)
			if err != nil {
				return hinted(err, "name the file with the public half, cosign.pub")
			}
			t.Policy.Keys = append(t.Policy.Keys, key)
		}
	}
	p, err := trust.VerifyReference(ctx, o.reference, t)
	if err != nil {
		return err
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(p)
	}
	return o.env.printf("%s\n", p)
}

func readPublicKey(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading public key %q: %w", file, errors.Unwrap(err))
	}
	switch block, _ := pem.Decode(key); {
	case block == nil:
		return nil, fmt.Errorf("reading public key %q: it is not in PEM", file)
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("reading public key %q: it is a %q", file, block.Type)
	}
	return key, nil
}
