package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// drawing is what plan and render have in common: the plan of a recipe, drawn
// up without building anything.
type drawing struct {
	env      *env
	globals  *globals
	recipe   string
	offline  bool
	registry registryFlags
	store    storeFlags
}

func (o *drawing) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.offline, "offline", false, "do not look the base up: it is not pinned, and base.distro must say what it is")
	o.registry.registerAccess(cmd)
	o.store.register(cmd)
}

// draw loads and plans the recipe.
func (o *drawing) draw(ctx context.Context) (_ *project, _ *plan.Plan, err error) {
	p, err := o.env.loadProject(o.recipe, building)
	if err != nil {
		return nil, nil, err
	}
	in, err := p.input(ctx, o.env, "")
	if err != nil {
		return nil, nil, err
	}
	s := pipeline.Services{TrustFiles: trustFiles}
	if !o.offline {
		s.ResolveBase = o.resolveBase
	}
	st := o.env.progress(o.globals).Stage("plan")
	drawn, err := pipeline.Plan(ctx, in, s, st)
	st.End(err)
	return p, drawn, p.problem(err)
}

// resolveBase looks the base up where that costs nothing: by its manifest in a
// registry, and in the store for the one who may open it.
func (o *drawing) resolveBase(ctx context.Context, base recipe.Base, st progress.Stage) (_ plan.BaseInfo, err error) {
	info, err := build.ResolveRemote(ctx, base, o.registry.access(o.env))
	if err != nil || info.Digest != "" {
		return info, err
	}
	if os.Geteuid() != 0 {
		if !base.Distro.IsSet() {
			return info, hinted(fmt.Errorf("looking into the base image %q: the image store is root's", base.Image.Value),
				"run it as root, or say base.distro in the recipe")
		}
		return info, nil
	}
	b, err := openStore(ctx, o.store.options(o.env, o.registry.access(o.env)))
	if err != nil {
		return plan.BaseInfo{}, err
	}
	defer closing(b, &err)
	return b.ResolveBase(ctx, base, nil, st)
}

// ask asks for the names that the plan installs.
func (o *drawing) ask(ctx context.Context, p *project, drawn *plan.Plan, b *build.Builder) error {
	if drawn.Query == nil {
		return nil
	}
	secrets, err := p.secrets(o.env)
	if err != nil {
		return err
	}
	baseKey, err := p.baseKey()
	if err != nil {
		return err
	}
	epoch, err := o.env.epoch()
	if err != nil {
		return err
	}
	var s pipeline.Services
	buildServices(&s, p, b, build.Options{NoCache: true, Secrets: secrets, Epoch: epoch}, baseKey)
	st := progress.Redact(o.env.progress(o.globals), secretTexts(secrets)).Stage("resolve")
	err = pipeline.Resolve(ctx, drawn, s, st)
	st.End(err)
	return p.problem(err)
}

// planOptions are those of the command plan.
type planOptions struct {
	drawing
	format  formatFlag
	asJSON  bool
	resolve bool
}

func newPlanCmd(e *env, g *globals) *cobra.Command {
	o := &planOptions{drawing: drawing{env: e, globals: g}}
	cmd := &cobra.Command{
		Use:   "plan RECIPE",
		Short: "Show what would be done, and which line of the recipe says so",
		Long: `Shows the steps of the build without building anything. With --resolve the
repositories are asked for the names of packages and groups that the recipe
has, as every build does first: that needs root, and the network. In JSON, a
recipe with problems is the array that 'validate --format json' prints.`,
		Example: `  bootkiln plan recipe.yaml
  bootkiln plan --resolve recipe.yaml
  bootkiln plan --json recipe.yaml | jq '.steps[].title'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.recipe = args[0]
			if o.asJSON {
				o.format.value = formatJSON
			}
			p, err := o.plan(cmd.Context())
			switch inJSON := o.format.value == formatJSON; {
			case err != nil && inJSON:
				return e.writeProblems(err)
			case err != nil:
				return err
			case inJSON:
				return e.writeJSON(p)
			}
			return e.writePlan(p)
		},
	}
	o.format.register(cmd, formatText, formatJSON)
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print the whole plan as JSON: short for --format json")
	cmd.Flags().BoolVar(&o.resolve, "resolve", false, "ask the repositories for all packages and groups")
	o.register(cmd)
	cmd.MarkFlagsMutuallyExclusive("resolve", "offline")
	cmd.MarkFlagsMutuallyExclusive("json", "format")
	return cmd
}

// plan draws up the plan, and asks for its names where that is wanted.
func (o *planOptions) plan(ctx context.Context) (_ *plan.Plan, err error) {
	var b *build.Builder
	if o.resolve {
		// First, since nothing else is of use without it.
		if b, err = openStore(ctx, o.store.options(o.env, o.registry.access(o.env))); err != nil {
			return nil, err
		}
		defer closing(b, &err)
	}
	project, p, err := o.draw(ctx)
	if err != nil || !o.resolve {
		return p, err
	}
	return p, o.ask(ctx, project, p, b)
}

func (e *env) writePlan(p *plan.Plan) error {
	if err := e.printf("%s on %s, with %s\n", p.Name, p.Base.Pinned, p.Base.PackageManager); err != nil {
		return err
	}
	for i, s := range p.Steps {
		if err := e.printf("%3d  %-12s %s  (%s)\n", i+1, s.Kind, s.Title, s.Origin[0]); err != nil {
			return err
		}
	}
	return nil
}
