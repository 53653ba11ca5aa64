package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// baking is what build and publish have in common: an image made from a recipe.
type baking struct {
	env       *env
	globals   *globals
	recipe    string
	tag       string
	out       string
	isolation string
	noCache   bool
	cache     build.Cache
	// cachePrivate says that not everyone can pull from cache.To.
	cachePrivate bool
	boot         bootFlag
	registry     registryFlags
	store        storeFlags
	format       formatFlag

	// resume, ifChanged, ifNewer and noTags are publish's.
	resume, ifChanged, ifNewer, noTags bool
	// again are publish's flags that go on the command line of its --resume.
	again []string
}

func (o *baking) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&o.tag, "tag", "t", "", "`name` of the image in the store (default: localhost/NAME:latest)")
	fl.StringVar(&o.out, "out", "", "`folder` for the Containerfile, log, report and result (default: out/NAME)")
	fl.StringVar(&o.isolation, "isolation", string(build.IsolationAuto), "the `way` that steps run: oci, chroot, or auto, which is oci where a runtime works")
	fl.BoolVar(&o.noCache, "no-cache", false, "run every step again")
	fl.StringArrayVar(&o.cache.From, "cache-from", nil, "`repository` to take results of steps from, which another machine brought there")
	fl.StringArrayVar(&o.cache.To, "cache-to", nil, "`repository` to bring the results of steps to; a place of its own, not the image's")
	fl.BoolVar(&o.cachePrivate, "cache-private", false, "not everyone can pull from the repositories of --cache-to")
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("isolation",
		cobra.FixedCompletions([]string{"auto", "oci", "chroot"}, cobra.ShellCompDirectiveNoFileComp)))
}

// oven is all that a run of the pipeline needs, opened.
type oven struct {
	input    pipeline.Input
	services pipeline.Services
	closers  []func() error
}

func (v *oven) Close() error {
	var err error
	for i := len(v.closers) - 1; i >= 0; i-- {
		if cerr := v.closers[i](); err == nil {
			err = cerr
		}
	}
	return err
}

// open gets ready to build the project.
func (o *baking) open(ctx context.Context, p *project) (_ *oven, err error) {
	e := o.env
	v := &oven{}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	isolation, err := build.ParseIsolation(o.isolation)
	if err != nil {
		return nil, &usageError{err}
	}
	secrets, err := p.secrets(e)
	if err != nil {
		return nil, err
	}
	baseKey, err := p.baseKey()
	if err != nil {
		return nil, err
	}
	if o.out == "" {
		o.out = filepath.Join("out", p.recipe.Name.Value)
	}
	if o.tag == "" {
		o.tag = "localhost/" + p.recipe.Name.Value + ":latest"
	}
	// A refusal is said before the long build.
	for _, to := range o.cache.To {
		if err := registry.Preflight(ctx, to, o.registry.bare(e)); err != nil {
			return nil, err
		}
	}
	b, err := openStore(ctx, o.store.options(e, o.registry.access(e)))
	if err != nil {
		return nil, err
	}
	v.closers = append(v.closers, b.Close)
	var before *journal.Journal
	if o.resume {
		if before, err = journal.Read(o.out); err != nil {
			return nil, &pipeline.ResumeError{Err: err}
		}
	}
	claim, err := openOut(o.out, o.resume)
	if err != nil {
		return nil, err
	}
	v.closers = append(v.closers, claim.Close)
	log, err := os.OpenFile(filepath.Join(o.out, outLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing the build log: %w", err)
	}
	v.closers = append(v.closers, log.Close)

	if v.input, err = p.input(ctx, e, o.out); err != nil {
		return nil, err
	}
	if !o.cachePrivate {
		v.input.PublicCaches = o.cache.To
	}
	v.input.Resume, v.input.IfChanged, v.input.IfNewer = before, o.ifChanged, o.ifNewer
	v.services = pipeline.Services{
		Progress: progress.Redact(e.progress(o.globals), secretTexts(secrets)),
		Now:      e.now,
		Check:    checkService(p.rules, b.Base),
	}
	v.services.Reopen = reopen(b)
	buildServices(&v.services, p, b, build.Options{
		Tag: o.tag, Isolation: isolation, NoCache: o.noCache, Cache: o.cache, Secrets: secrets, Epoch: v.input.Epoch, Log: log,
	}, baseKey)
	return v, nil
}

func secretTexts(values map[string][]byte) []string {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return texts
}

func newBuildCmd(e *env, g *globals) *cobra.Command {
	o := &baking{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "build RECIPE",
		Short: "Build the image into the local store, and check it",
		Long: `Builds the image into the store that podman and bootc use too, and checks that
it can be deployed and boot; with --boot, boots it too. Needs root. Prints the
image's name.

With --cache-to, the result of each step is brought to a repository as well, and
with --cache-from taken from there where the store has none: so a machine that
starts empty, such as a CI runner, runs no step that another one ran. Secrets are in
no result, and in no name of one. Nothing there is signed: who can write to the
repository of --cache-from decides what is in the image. Both are in one registry,
whose login is one of 'bootkiln login'.`,
		Example: `  bootkiln build recipe.yaml
  bootkiln build --cache-from ghcr.io/me/os-cache --cache-to ghcr.io/me/os-cache recipe.yaml
  bootkiln build --boot auto recipe.yaml
  bootkiln build --no-cache --isolation chroot recipe.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.recipe = args[0]
			return o.run(cmd.Context())
		},
	}
	o.register(cmd)
	o.boot.register(cmd, "it is not")
	o.registry.registerAccess(cmd)
	return cmd
}

func (o *baking) run(ctx context.Context) (err error) {
	p, err := o.env.loadProject(o.recipe, building)
	if err != nil {
		return err
	}
	v, err := o.open(ctx, p)
	if err != nil {
		return err
	}
	defer closing(v, &err)
	if o.boot.value != "" && o.boot.value != pipeline.BootOff {
		options, err := o.registry.options(o.env)
		if err != nil {
			return err
		}
		o.boot.overrule(v.input.Recipe)
		bootServices(&v.services, options)
	}
	result, err := pipeline.Build(ctx, v.input, v.services)
	if err := o.conclude(p, result, err); err != nil || o.format.value == formatJSON {
		return err
	}
	return o.env.printf("%s\n", o.tag)
}

// conclude reports a run, also one that failed, and returns how it ended.
func (o *baking) conclude(p *project, result *pipeline.Result, err error) error {
	o.env.appendSummary(summary(result, err))
	if o.format.value == formatJSON {
		err = errors.Join(err, o.env.writeJSON(result))
	}
	return p.problem(err)
}
