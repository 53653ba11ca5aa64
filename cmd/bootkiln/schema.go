package main

import (
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func newSchemaCmd(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of recipes, for editors",
		Long: `Prints the JSON Schema (draft 2020-12) of recipes. It is made from the table
that the parser itself walks. An editor with a YAML language server uses it by
the recipe's first line: # yaml-language-server: $schema=recipe.schema.json`,
		Example: `  bootkiln schema > recipe.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return e.write(recipe.Schema())
		},
	}
}
