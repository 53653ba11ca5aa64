package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/trust"
)

type policyOptions struct {
	env       *env
	reference string
	keys      []string
	scope     string
	to, etc   string
	replace   bool
	yes       bool
	format    formatFlag
}

func newPolicyCmd(e *env) *cobra.Command {
	o := &policyOptions{env: e}
	cmd := &cobra.Command{
		Use:   "policy REF",
		Short: "Make a machine accept an image only when it is signed",
		Long: `Says what has to be in a folder like /etc so that podman, skopeo and bootc accept
REF only with a signature by one of the keys, as a diff, and writes it with --yes:
policy.json, registries.d and the keys. What stands there stays. A policy.json that
accepts anything by default rejects by default afterwards, and accepts of each
transport what it accepted, because bootc refuses the other; demands that are there
are kept, and one for the same scope is not replaced without --replace.

On a workstation, --to is /etc. On a runner it is any folder: 'verify --policy
DIR/containers', 'skopeo --policy DIR/containers/policy.json --registries.d
DIR/containers/registries.d'. For the files of an image, --to is a folder of the
project and --etc is /etc; the recipe's word "trust" does that by itself.

Prints the command that makes a bootc machine follow the image.`,
		Example: `  bootkiln policy --key cosign.pub ghcr.io/me/centos-kde:latest
  sudo bootkiln policy --key cosign.pub --yes ghcr.io/me/centos-kde:latest
  bootkiln policy --key cosign.pub --to runner --yes ghcr.io/me/centos-kde
  bootkiln policy --key old.pub --key new.pub --scope ghcr.io/me --replace --yes ghcr.io/me/kde`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference = args[0]
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&o.keys, "key", nil, "`file` with a public key; a signature by one of several is enough")
	fl.StringVar(&o.scope, "scope", "", "`registry` or namespace whose images must all be signed (default: the repository)")
	fl.StringVar(&o.to, "to", "/etc", "`folder` that the files are for")
	fl.StringVar(&o.etc, "etc", "", "where that `folder` will be when the policy is read (default: where it is)")
	fl.BoolVar(&o.replace, "replace", false, "put the demand in the place of another for the same scope")
	fl.BoolVar(&o.yes, "yes", false, "write, instead of showing what would be written")
	cmd.MarkFlagsOneRequired("key")
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// policyResult is what policy prints in JSON.
type policyResult struct {
	// Scope is what the policy is about, and Folder where its files are.
	Scope  string `json:"scope"`
	Folder string `json:"folder"`
	// Changes are the files that are, or would be, written.
	Changes []policyChange `json:"changes"`
	Written bool           `json:"written"`
	// Switch is the command that makes a bootc machine follow the image.
	Switch string `json:"switch"`
}

type policyChange struct {
	Path string `json:"path"`
	// New says that there is no such file.
	New  bool   `json:"new"`
	Diff string `json:"diff"`
}

func (o *policyOptions) run(context.Context) error {
	repository, digest, err := splitReference(o.reference)
	if err != nil {
		return err
	}
	if digest != "" {
		return &usageError{errors.New("a policy is about what tags name: give REPOSITORY or REPOSITORY:TAG, without a digest")}
	}
	p := trust.Policy{Scope: repository}
	if o.scope != "" {
		p.Scope = o.scope
		if repository != p.Scope && !strings.HasPrefix(repository, p.Scope+"/") {
			return &usageError{fmt.Errorf("the scope %q does not cover %q", p.Scope, repository)}
		}
	}
	for _, file := range o.keys {
		key, err := readPublicKey(file)
		if err != nil {
			return hinted(err, "name the file with the public half, cosign.pub")
		}
		p.Keys = append(p.Keys, key)
	}
	folder, err := filepath.Abs(o.to)
	if err != nil {
		return fmt.Errorf("naming the folder %q: %w", o.to, err)
	}
	etc := o.etc
	if etc == "" {
		etc = folder
	}
	changes, err := p.Changes(folder, etc, o.replace)
	if err != nil {
		return err
	}
	tag := tagOf(o.reference)
	if tag == "" {
		tag = "latest"
	}
	r := &policyResult{
		Scope: p.Scope, Folder: folder, Changes: []policyChange{},
		Switch: "bootc switch --enforce-container-sigpolicy " + repository + ":" + tag,
	}
	for _, c := range changes {
		path := filepath.Join(folder, c.Path)
		before := path
		if c.Before == nil {
			before = "/dev/null"
		}
		r.Changes = append(r.Changes, policyChange{
			Path: path, New: c.Before == nil, Diff: string(diff.Diff(before, c.Before, path, c.Content)),
		})
	}
	if o.yes {
		if err := trust.Apply(folder, changes); err != nil {
			return err
		}
		r.Written = true
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(r)
	}
	return o.print(r)
}

func (o *policyOptions) print(r *policyResult) error {
	for _, c := range r.Changes {
		// The first line is the command that would show the same.
		_, text, _ := strings.Cut(c.Diff, "\n")
		if r.Written {
			text = c.Path + "\n"
		}
		if err := o.env.printf("%s", text); err != nil {
			return err
		}
	}
	switch {
	case len(r.Changes) == 0:
		if err := o.env.printf("nothing to write: %s demands it of %s already\n", r.Folder, r.Scope); err != nil {
			return err
		}
	case !r.Written:
		if err := o.env.printf("%d files would be written; --yes writes them\n", len(r.Changes)); err != nil {
			return err
		}
	}
	return o.env.printf("on a bootc machine: %s\n", r.Switch)
}
