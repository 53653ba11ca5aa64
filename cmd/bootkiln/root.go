package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// globals are the flags that every command has.
type globals struct {
	verbose, quiet bool
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, e *env, args []string) int {
	root := newRootCmd(e)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return e.conclude(ctx, cmd.CommandPath(), err)
}

func newRootCmd(e *env) *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "bootkiln",
		Short: "From a YAML recipe to a signed, booted, published bootc OS image",
		Long: `bootkiln builds bootc OS images from a YAML recipe, checks that they can boot,
pushes them by digest, signs them, verifies the signature as a client will, and
only then writes the tags.`,
		Example: `  bootkiln validate recipe.yaml
  bootkiln publish recipe.yaml`,
		Args: unknownCommand,
		// Without a command there is nothing to run; cobra checks the arguments of
		// those commands alone that run something.
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       readVersion().describe(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// Checked here and not by cobra, for which it is no usage error.
			if err := cmd.ValidateFlagGroups(); err != nil {
				return groupError(cmd, err)
			}
			if g.verbose {
				e.log = slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			build.RedirectLogs(e.log)
			return nil
		},
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagError)
	wrapUsage(root)
	root.SetVersionTemplate("bootkiln {{.Version}}\n")
	root.PersistentFlags().BoolVarP(&g.verbose, "verbose", "v", false, "log what the libraries do")
	root.PersistentFlags().BoolVarP(&g.quiet, "quiet", "q", false, "show nothing but results and problems")
	root.AddGroup(
		&cobra.Group{ID: "recipe", Title: "Recipes:"},
		&cobra.Group{ID: "image", Title: "Images:"},
		&cobra.Group{ID: "host", Title: "Keys, registries and this machine:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			c.Args = usageArgs(c.Args)
			root.AddCommand(c)
		}
	}
	add("recipe",
		newInitCmd(e, g), newValidateCmd(e), newPlanCmd(e, g), newRenderCmd(e, g), newBuildCmd(e, g), newPublishCmd(e, g), newSchemaCmd(e), newCiCmd(e))
	add("image",
		newCheckCmd(e, g), newExplainCmd(e), newBootCmd(e, g), newChunkCmd(e, g), newDiffCmd(e), newPushCmd(e, g), newSignCmd(e), newVerifyCmd(e, g), newPolicyCmd(e),
		newIndexCmd(e, g), newCopyCmd(e, g), newTagsCmd(e), newPruneCmd(e, g))
	add("host",
		newKeygenCmd(e), newLoginCmd(e), newLogoutCmd(e), newDoctorCmd(e), newVersionCmd(e))
	return root
}

// progress returns the reporter that fits where stderr goes.
func (e *env) progress(g *globals) progress.Reporter {
	return progress.Select(e.stderr, progress.SelectOptions{
		Terminal: e.stderrIsTerminal, Color: e.color(e.stderrIsTerminal), Quiet: g.quiet, Getenv: e.getenv,
	})
}
