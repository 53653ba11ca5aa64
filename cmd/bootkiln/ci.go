package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/scaffold"
)

// ciGitHub is the one service that a workflow can be written for.
const ciGitHub = "github"

func newCiCmd(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ci",
		Short:   "Print a workflow that builds and publishes a recipe",
		Example: `  bootkiln ci github recipe.yaml`,
		Args:    cobra.ArbitraryArgs, // for RunE to name the command that was likely meant
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := unknownCommand(cmd, args); err != nil {
				return err
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newCiGitHubCmd(e))
	return cmd
}

type ciGitHubOptions struct {
	env    *env
	recipe string
	branch string
}

func newCiGitHubCmd(e *env) *cobra.Command {
	o := &ciGitHubOptions{env: e}
	cmd := &cobra.Command{
		Use:   "github [RECIPE]",
		Short: "Print a workflow for GitHub Actions",
		Long: `Prints a workflow that builds the image for pull requests, and publishes it every
night and on each push to the branch. It goes to .github/workflows/image.yml; the
recipe (default: recipe.yaml) is named from the repository's top folder.

Its first lines name the secrets that it takes. A recipe that needs something that
no runner has is refused, at the line that says so.

The runner builds this program from source, in the version that prints the
workflow, where that is one that others can have: a release, or one that the go
command itself fetched. A program that was built from a working tree prints a
workflow with the newest one.`,
		Example: `  bootkiln ci github > .github/workflows/image.yml
  bootkiln ci github --branch stable images/desktop/recipe.yaml`,
		Args:              usageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeRecipe,
		RunE: func(_ *cobra.Command, args []string) error {
			o.recipe = scaffold.RecipeFile
			if len(args) > 0 {
				o.recipe = args[0]
			}
			return o.run()
		},
	}
	cmd.Flags().StringVar(&o.branch, "branch", "main", "the `branch` that is published")
	return cmd
}

func (o *ciGitHubOptions) run() error {
	w := scaffold.Workflow{Version: installable(), Branch: o.branch}
	if !branchName.MatchString(w.Branch) {
		return &usageError{fmt.Errorf("option --branch: %q is no name of a branch", w.Branch)}
	}
	runner := o.env.onRunner(&w.Variables)
	p, err := runner.loadProject(o.recipe, validating)
	if err != nil {
		return err
	}
	w.Recipe = filepath.ToSlash(p.recipe.File)
	if !filepath.IsLocal(w.Recipe) {
		return hinted(&usageError{fmt.Errorf("reading recipe %q: it is not below this folder", o.recipe)},
			"go to the repository's top folder, and name the recipe from there")
	}
	if err := p.publishable(); err != nil {
		return err
	}
	text, problems := scaffold.GitHub(p.recipe, w)
	if err := problems.Err(); err != nil {
		return p.problem(err)
	}
	o.env.showProblems(append(p.warnings, problems...), p.sources)
	return o.env.write(text)
}

// branchName is stricter than git: it has no character that a workflow would
// take for a pattern or for the end of a text.
var branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// onRunner is the world as a runner sees it, where a variable that the recipe
// asks for is always set; the names of those go to asked. What a value stands
// for is not known here, so it is its own name, unless this machine has one.
func (e *env) onRunner(asked *[]string) *env {
	runner := *e
	runner.lookup = func(name string) (string, bool) {
		*asked = append(*asked, name)
		if v := e.getenv(name); v != "" {
			return v, true
		}
		return strings.ToLower(strings.Trim(name, "_")), true
	}
	return &runner
}

// installable is the version of this program for others to build, as the go
// command takes it behind "@"; "" where it has none: it was built from a working
// tree, whose commit may be nowhere else.
func installable() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return installableAs(info.Main.Version, info.Main.Sum)
}

var (
	release = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?$`)
	// pseudo are versions made of a commit's time and name
	// (https://go.dev/ref/mod#pseudo-versions).
	pseudo = regexp.MustCompile(`[.-][0-9]{14}-[0-9a-f]{12}$`)
)

// installableAs is installable for a module's version and checksum: what has a
// checksum came from where everyone can have it.
func installableAs(version, sum string) string {
	if release.MatchString(version) && (sum != "" || !pseudo.MatchString(version)) {
		return version
	}
	return ""
}
