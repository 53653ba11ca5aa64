package main

import (
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func newSchemaCmd(e *env) *cobra.Command {
	markdown := false
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of recipes, for editors, or the reference, for people",
		Long: `Prints the JSON Schema (draft 2020-12) of recipes, or with --markdown the
reference of all words. Both are made from the table that the parser itself
walks. An editor with a YAML language server uses the schema by the recipe's
first line: # yaml-language-server: $schema=recipe.schema.json`,
		Example: `  bootkiln schema > recipe.schema.json
  bootkiln schema --markdown > reference.md`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if markdown {
				return e.write(recipe.Reference())
			}
			return e.write(recipe.Schema())
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "print the reference of the recipe's words as Markdown")
	return c
}
