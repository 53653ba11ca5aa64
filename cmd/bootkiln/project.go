package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/recipes"
)

// project is a loaded recipe with the folder that it is in.
type project struct {
	recipe  *recipe.Recipe
	sources diag.Sources
	// rules are what the recipe says of the checks.
	rules check.Options
	// warnings are what the recipe can be used with.
	warnings diag.List
	// dir is the recipe's folder as a path, and fsys the same as a file system
	// that no symbolic link leads out of.
	dir  string
	fsys fs.FS
}

// use says what a recipe is read for.
type use int

const (
	validating use = iota
	building
	publishing
)

// loadProject reads a recipe and all that it includes. A recipe with problems
// is a [*recipeError]; warnings are shown, but to the one who validates, who
// gets them.
func (e *env) loadProject(file string, use use) (*project, error) {
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		file = filepath.Join(file, "recipe.yaml")
		_, err = os.Stat(file)
	}
	if err != nil {
		return nil, hinted(fmt.Errorf("reading recipe %q: %w", file, errors.Unwrap(err)),
			"name the recipe's file, or the folder that its recipe.yaml is in")
	}
	dir, name := filepath.Split(file)
	dir = filepath.Clean(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the recipe's folder %q: %w", dir, err)
	}
	p := &project{dir: dir, fsys: root.FS()}
	var problems diag.List
	p.recipe, p.sources, problems, err = recipe.Load(p.fsys, name, recipe.Options{
		Lookup: e.lookup, Bundles: recipes.Bundles, Display: filepath.ToSlash(dir),
		Unpublished: use != publishing,
		// Package recipe knows no rules.
		Inspect: func(r *recipe.Recipe) (unknown diag.List) {
			p.rules, unknown = rulesOf(r)
			return unknown
		},
	})
	if err != nil {
		return nil, err
	}
	if p.recipe != nil && use != validating { // which plans it; see rehearse
		problems = append(problems, onDistro(p.recipe)...)
		problems.Sort()
	}
	if err := problems.Err(); err != nil {
		return nil, &recipeError{err: err, sources: p.sources}
	}
	p.warnings = problems
	if use != validating {
		e.showProblems(problems, p.sources)
	}
	return p, nil
}

// onDistro returns what is wrong with a recipe on the distribution that it says
// its base is. Where it does not say, that is known once there is a base.
func onDistro(r *recipe.Recipe) diag.List {
	if !r.Base.Distro.IsSet() {
		return nil
	}
	d := plan.ParseDistro(r.Base.Distro.Value)
	_, problems := r.On(d.Names(), d.String())
	return problems
}

// rehearse adds the problems and warnings that planning finds, with no look at
// the base, and what would keep the image from being published: all that the
// recipe and its files alone can tell.
func (p *project) rehearse(ctx context.Context) error {
	r := p.recipe
	list := p.warnings
	if r.Base.Distro.IsSet() {
		o := plan.Options{Read: p.fsys, TrustFiles: trustFiles}
		if len(r.Platforms) > 0 {
			o.Platform = r.Platforms[0].Value // another machine than this may build it
		}
		_, problems, err := plan.New(ctx, r, o)
		if err != nil {
			return err
		}
		list = append(list, problems...)
	}
	base := plan.Base{Image: r.Base.Image.Value, Distro: plan.ParseDistro(r.Base.Distro.Value)}
	for _, d := range pipeline.Restricted(r, base) {
		d.Severity = diag.Warning // it can be built
		list.Add(d)
	}
	list.Sort()
	p.warnings = list
	return p.problem(list.Err())
}

// spare refuses to write over the recipe, or over what it includes.
func (p *project) spare(file string) error {
	target, err := os.Stat(file)
	if err != nil {
		return nil //nolint:nilerr // nothing is there to be written over
	}
	for name := range p.sources {
		if source, err := os.Stat(name); err == nil && os.SameFile(source, target) {
			return hinted(&usageError{fmt.Errorf("writing %q: it is the recipe", file)}, "name another file")
		}
	}
	return nil
}

// problem gives an error that is about the recipe the sources to quote from.
func (p *project) problem(err error) error {
	if err == nil {
		return nil
	}
	return &recipeError{err: err, sources: p.sources}
}

// input is what the pipeline is told of the project.
func (p *project) input(ctx context.Context, e *env, out string) (pipeline.Input, error) {
	in := pipeline.Input{Recipe: p.recipe, Warnings: p.warnings, Project: p.fsys, Out: out}
	var err error
	if in.Epoch, err = e.epoch(); err != nil {
		return in, err
	}
	in.Facts = e.facts(ctx, p.dir, in.Epoch)
	for _, l := range p.recipe.Labels {
		if l.Key.Value == "org.opencontainers.image.version" {
			in.Facts.Version = l.Value.Value
		}
	}
	return in, nil
}

// facts are what is known before an image is.
func (e *env) facts(ctx context.Context, dir string, epoch time.Time) pipeline.Facts {
	f := pipeline.Facts{Time: e.now()}
	if !epoch.IsZero() {
		f.Time = epoch
	}
	f.Git, f.GitBranch = gitFacts(ctx, dir, e.getenv)
	return f
}

// epoch reads SOURCE_DATE_EPOCH (reproducible-builds.org), zero where it is
// not set.
func (e *env) epoch() (time.Time, error) {
	v, ok := e.lookup("SOURCE_DATE_EPOCH")
	if !ok || v == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, hinted(fmt.Errorf("reading SOURCE_DATE_EPOCH: %q is no number of seconds", v),
			"set it to seconds since 1970, as 'git log -1 --format=%ct' prints them")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// writeJSON prints a value as indented JSON, in which a terminal obeys nothing.
func (e *env) writeJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding JSON: %w", err)
	}
	return e.write(append(diag.VisibleJSON(b), '\n'))
}

// hintedError is a failure of the world that the user can mend.
type hintedError struct {
	error
	hint string
}

func hinted(err error, hint string) error { return &hintedError{err, hint} }

func (e *hintedError) Unwrap() error { return e.error }

// asError is errors.As for use in an expression.
func asError[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}
