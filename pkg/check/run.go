package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Options direct Run. The zero value runs every rule at its own severity.
type Options struct {
	// Skip are the IDs of rules not to run.
	Skip []string
	// Warn are the IDs of rules whose findings count as warnings at most, and
	// that keep no image from being published when they could not run. A rule
	// that is in Skip too is skipped.
	Warn []string
	// Error are the IDs of rules whose findings count as errors, and that keep
	// an image from being published when they could not run. A rule that is in
	// Skip too is skipped, and one that is in Warn too is an error.
	Error []string
	// Repos are the repositories of the image's recipe; those that it keeps
	// are no finding of rule third-party-repos.
	Repos []recipe.Repo
	// Base is the image that this one is made from: what it lets programs do
	// is no finding of rule added-privileges, which needs it. It may be nil; if
	// it cannot be opened, that rule could not run.
	Base image.Image
	// BaseError says why Base is nil although it is known which image it is:
	// the reason why rule added-privileges could not run.
	BaseError error
	// Repositories are the full names of where the image is published
	// ("ghcr.io/me/os"), from where machines will update: its own trust policy
	// must let them.
	Repositories []string
}

// maxFindings is how many findings of one rule are kept; the rest is counted.
// No image that somebody meant to make has as many: it bounds the memory that a
// hostile one takes.
const maxFindings = 100_000

// Run checks an image by all rules. Its error is about what kept it from
// looking at all: the options ([*UnknownRuleError]), the image's
// configuration, its root file system, or the context. What is wrong with the
// image, and rules that could not run, are in the report.
func Run(ctx context.Context, img image.Image, o Options) (*Report, error) {
	return run(ctx, img, Rules(), o)
}

func run(ctx context.Context, img image.Image, rules []Rule, o Options) (_ *Report, err error) {
	if err := checkIDs(rules, o); err != nil {
		return nil, err
	}
	config, err := img.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking %q: %w", img.Location(), err)
	}
	root, err := img.Root(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking %q: %w", img.Location(), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()

	e := &engine{target: newTarget(ctx, img.Location(), root, config)}
	e.target.repos, e.target.repositories = o.Repos, o.Repositories
	e.target.baseErr = o.BaseError
	if o.Base != nil {
		base, err := o.Base.Root(ctx)
		if err != nil {
			e.target.baseErr = fmt.Errorf("opening base image %q: %w", o.Base.Location(), err)
		} else {
			e.target.base = base
		}
	}
	defer func() {
		if e.target.base != nil {
			err = errors.Join(err, e.target.base.Close())
		}
	}()
	for _, r := range rules {
		e.runs = append(e.runs, &ruleRun{Rule: r, skipped: slices.Contains(o.Skip, r.ID), severity: o.severity(r)})
	}
	// Unpacking an initramfs takes one processor as long as the walk takes
	// another. A rule belongs to one of the two.
	var both sync.WaitGroup
	both.Go(func() { e.walk(ctx) })
	both.Go(func() {
		for _, r := range e.runs {
			if r.Run != nil && !r.skipped && ctx.Err() == nil {
				r.guard(func() ([]Finding, error) { return r.Run(ctx, e.target) })
			}
		}
	})
	both.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("checking %q: %w", img.Location(), err)
	}
	return newReport(img.Location(), e.runs), nil
}

// severity is that of a rule's findings.
func (o Options) severity(r Rule) diag.Severity {
	switch {
	case slices.Contains(o.Error, r.ID):
		return diag.Error
	case slices.Contains(o.Warn, r.ID):
		return max(diag.Warning, r.Severity)
	}
	return r.Severity
}

func checkIDs(rules []Rule, o Options) error {
	ids := make([]string, len(rules))
	for i, r := range rules {
		ids[i] = r.ID
	}
	var errs []error
	for _, id := range slices.Concat(o.Skip, o.Warn, o.Error) {
		if !slices.Contains(ids, id) {
			errs = append(errs, &UnknownRuleError{ID: id, Near: diag.Nearest(id, ids)})
		}
	}
	return errors.Join(errs...)
}

type engine struct {
	target *Target
	runs   []*ruleRun
}

// walk calls the Visit functions.
func (e *engine) walk(ctx context.Context) {
	var visitors []*ruleRun
	for _, r := range e.runs {
		if r.Visit != nil && !r.skipped {
			visitors = append(visitors, r)
		}
	}
	if len(visitors) == 0 {
		return
	}
	err := fs.WalkDir(e.target.Root, ".", func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if err != nil {
			// What is in this folder is not seen: no visitor may say "passed".
			for _, r := range visitors {
				r.fail(err)
			}
			return nil
		}
		for _, r := range visitors {
			if r.panicked {
				continue
			}
			r.guard(func() ([]Finding, error) { return r.Visit(e.target, File{Name: name, Info: info}) })
		}
		return nil
	})
	if err != nil {
		for _, r := range visitors {
			r.fail(err)
		}
	}
}

// ruleRun is what a rule said so far. Only one goroutine uses it.
type ruleRun struct {
	Rule
	skipped  bool
	severity diag.Severity // after the options; that of the Rule is its own

	findings      []Finding
	count         int
	err           error // the first
	notApplicable NotApplicable
	panicked      bool
}

// guard calls a rule, and keeps what it found and how it failed.
func (r *ruleRun) guard(call func() ([]Finding, error)) {
	defer func() {
		if p := recover(); p != nil {
			r.panicked = true
			r.fail(&PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	findings, err := call()
	for _, f := range findings {
		if r.count++; len(r.findings) == maxFindings {
			continue
		}
		f.Rule, f.Severity = r.ID, r.severity
		if f.Hint == "" {
			f.Hint = r.Hint
		}
		r.findings = append(r.findings, f)
	}
	if err != nil {
		r.fail(err)
	}
}

func (r *ruleRun) fail(err error) {
	var na NotApplicable
	switch {
	case errors.As(err, &na):
		r.notApplicable = na
	case r.err == nil:
		r.err = err
	}
}

// PanicError is the failure of a rule that panicked, which is a mistake in the
// rule.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("the rule panicked: %v", e.Value) }
