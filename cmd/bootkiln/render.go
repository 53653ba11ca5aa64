package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
)

type renderOptions struct {
	drawing
	out, context string
}

func newRenderCmd(e *env, g *globals) *cobra.Command {
	o := &renderOptions{drawing: drawing{env: e, globals: g}}
	cmd := &cobra.Command{
		Use:   "render RECIPE",
		Short: "Print the Containerfile that a recipe becomes",
		Long: `Prints the Containerfile that a recipe becomes. With --context the files that
it takes are laid out as well, so that buildah or podman can build it.`,
		Example: `  bootkiln render recipe.yaml
  bootkiln render --context out/context -o out/Containerfile recipe.yaml
  buildah build -f out/Containerfile out/context`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.recipe = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "`file` to write instead of standard output")
	cmd.Flags().StringVar(&o.context, "context", "", "new or empty `folder` to lay the build context out in")
	o.register(cmd)
	return cmd
}

func (o *renderOptions) run(ctx context.Context) error {
	project, p, err := o.draw(ctx)
	if err != nil {
		return err
	}
	f, err := containerfile.Render(p)
	if err != nil {
		return err
	}
	if o.context != "" {
		if err := emptyFolder(o.context); err != nil {
			return err
		}
		if err := f.WriteContext(o.context, project.fsys); err != nil {
			return err
		}
	}
	if o.out == "" {
		return o.env.write(f.Text)
	}
	if err := project.spare(o.out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return fmt.Errorf("writing the Containerfile: %w", err)
	}
	if err := os.WriteFile(o.out, f.Text, 0o644); err != nil {
		return fmt.Errorf("writing the Containerfile: %w", err)
	}
	return nil
}

// emptyFolder makes a folder; one that holds something is left alone.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the build context: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("making the build context: %w", err)
	}
	if len(entries) > 0 {
		return hinted(fmt.Errorf("making the build context %q: %w", dir, errors.New("the folder is not empty")),
			"name a new folder, or empty this one")
	}
	return nil
}
