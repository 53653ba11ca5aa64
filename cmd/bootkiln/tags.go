package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/registry"
)

type tagsOptions struct {
	env        *env
	repository string
	all, long  bool
	registry   registryFlags
	format     formatFlag
}

func newTagsCmd(e *env) *cobra.Command {
	o := &tagsOptions{env: e}
	cmd := &cobra.Command{
		Use:   "tags REPOSITORY",
		Short: "List the tags of a repository in a registry",
		Long: `Lists the tags of a repository, sorted, each with the digest that it names and
whether that is signed and attested: whether there is a signature, not whose it is;
ask 'bootkiln verify'. The tags of signatures and attestations themselves are left
out without --all.

It takes a request for each tag, of a kind that Docker Hub does not count as a pull.
With --long there are some more for each image, which it does, and the list also
has when the image was made, its size in the registry and its platforms.`,
		Example: `  bootkiln tags ghcr.io/me/centos-kde
  bootkiln tags --long --format json ghcr.io/me/centos-kde | jq -r '.[] | select(.signed | not).tag'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.repository = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "list the tags of signatures and attestations, too")
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "also when it was made, size and platforms")
	o.registry.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

func (o *tagsOptions) run(ctx context.Context) error {
	repository, err := bareRepository(o.repository)
	if err != nil {
		return err
	}
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	list, err := registry.Tags(ctx, repository, registry.TagOptions{Attachments: o.all, Details: o.long}, options)
	if err != nil {
		return err
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(list)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\t%s", t.Tag, t.Digest, standing(t))
		if t.Details != nil {
			made := "-"
			if !t.Created.IsZero() {
				made = t.Created.UTC().Format("2006-01-02 15:04")
			}
			fmt.Fprintf(w, "\t%s\t%s\t%s", made, humanize.Bytes(uint64(t.Size)), strings.Join(t.Platforms, ","))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // into memory
	return o.env.write([]byte(text.String()))
}

// standing is what is beside an image, in words.
func standing(t registry.Tagged) string {
	switch {
	case t.Of != "":
		return "of " + t.Of.String()
	case t.Signed && t.Attested:
		return "signed, attested"
	case t.Signed:
		return "signed"
	}
	return "unsigned"
}

// bareRepository reads a repository's name, which has neither tag nor digest.
func bareRepository(name string) (string, error) {
	name = strings.TrimPrefix(name, "docker://")
	repository, digest, err := splitReference(name)
	if err != nil {
		return "", err
	}
	if digest != "" || tagOf(name) != "" {
		return "", hinted(&usageError{errors.New("a repository has neither tag nor digest")}, fmt.Sprintf("give %q", repository))
	}
	return repository, nil
}
