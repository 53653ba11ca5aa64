package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

type validateOptions struct {
	env    *env
	recipe string
	format formatFlag
}

func newValidateCmd(e *env) *cobra.Command {
	o := &validateOptions{env: e}
	cmd := &cobra.Command{
		Use:   "validate RECIPE",
		Short: "Look for problems in a recipe; needs no root and no network",
		Long: `Reads the recipe and all that it includes, and prints every problem with its
line, its column and how to mend it. A recipe that says what its base is, in
base.distro, is looked at as it is on that distribution.`,
		Example: `  bootkiln validate recipe.yaml
  bootkiln validate --format json recipe.yaml | jq '.[].message'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.recipe = args[0]
			return o.run(cmd.Context())
		},
	}
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

func (o *validateOptions) run(ctx context.Context) error {
	p, err := o.env.loadProject(o.recipe, validating)
	if err == nil {
		err = p.rehearse(ctx)
	}
	if o.format.value == formatJSON {
		if err != nil {
			return o.env.writeProblems(err)
		}
		return o.env.writeJSON(append(diag.List{}, p.warnings...))
	}
	if err != nil {
		return err
	}
	o.env.showProblems(p.warnings, p.sources)
	return o.env.printf("%s: %s is fine\n", o.recipe, p.recipe.Name.Value)
}
