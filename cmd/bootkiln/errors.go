package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// The exit statuses: each says whose problem it is.
const (
	exitDone        = 0
	exitEnvironment = 1   // this machine, or bootkiln itself
	exitUsage       = 2   // the command line
	exitRecipe      = 3   // the recipe, or a step of it
	exitImage       = 4   // the image failed a check, a test or its verification
	exitRegistry    = 5   // the registry, or a service that signs, refused or could not be reached
	exitInterrupted = 130 // Ctrl-C or SIGTERM
)

// usageError is a command line that asks for something that does not exist.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// recipeError is a [diag.ListError] with the sources to quote from.
type recipeError struct {
	err     error
	sources diag.Sources
}

func (e *recipeError) Error() string { return e.err.Error() }
func (e *recipeError) Unwrap() error { return e.err }

// silentError ends the program with the status of an error that has been
// printed in another way.
type silentError struct{ error }

func (e *silentError) Unwrap() error { return e.error }

func silenced(err error) error {
	if err == nil {
		return nil
	}
	return &silentError{err}
}

// hintOf returns how to mend an error, "" where it does not say.
func hintOf(err error) string {
	if h, ok := asError[*hintedError](err); ok {
		return h.hint
	}
	if k, ok := asError[*sign.KeyError](err); ok {
		return k.Hint
	}
	var mendable interface{ MendHint() string }
	if errors.As(err, &mendable) {
		return mendable.MendHint()
	}
	return ""
}

// reportTargets prints why some targets failed, each for itself. A registry
// among them decides the exit status.
func (e *env) reportTargets(ctx context.Context, command string, err *pipeline.PublishError) int {
	status := exitDone
	var names []string
	for _, failed := range err.Failed {
		if s := e.report(ctx, command, failed.Err); status == exitDone || s == exitRegistry {
			status = s
		}
		names = append(names, failed.To)
	}
	if err.Of > 1 {
		e.print(fmt.Errorf("%d of %d targets failed: %s", len(err.Failed), err.Of, strings.Join(names, ", ")),
			"the others stand, as result.json says")
	}
	return status
}

// resumableError is what ended a publish whose image is built.
type resumableError struct {
	error
	command string // that goes on from there
}

func (e *resumableError) Unwrap() error { return e.error }

// conclude reports an error, and says how to go on where the image is not to
// blame for it. It returns the exit status.
func (e *env) conclude(ctx context.Context, command string, err error) int {
	status := e.report(ctx, command, err)
	r, ok := asError[*resumableError](err)
	if ok && (status == exitInterrupted || status == exitRegistry || status == exitEnvironment) {
		fmt.Fprintf(e.text(), "  the image is built: '%s' goes on from there\n", diag.Printable(r.command))
	}
	return status
}

// report prints what went wrong with a command ("bootkiln push"), and how to
// mend it, to stderr, and returns the exit status.
func (e *env) report(ctx context.Context, command string, err error) int {
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil {
		fmt.Fprintln(e.stderr, "bootkiln: interrupted; what was under way on this machine has been taken down")
		return exitInterrupted
	}
	var (
		usage        *usageError
		problems     *diag.ListError
		step         *build.StepError
		failedCheck  *check.FailedError
		failedTest   *pipeline.TestError
		failedBoot   *boot.FailedError
		verification *trust.VerificationError
		unattested   *sign.AttestationError
		refused      *registry.Error
		pull         *build.PullError
		service      *sign.KeylessError
		publish      *pipeline.PublishError
		resume       *pipeline.ResumeError
	)
	switch {
	case errors.As(err, &publish):
		return e.reportTargets(ctx, command, publish)
	case errors.As(err, &resume):
		e.print(err, hintOf(err))
		return exitUsage
	case errors.As(err, &usage):
		e.print(err, hintOf(err))
		fmt.Fprintf(e.stderr, "  run '%s --help' for how to use it\n", command)
		return exitUsage
	case errors.As(err, &problems):
		if _, printed := asError[*silentError](err); !printed {
			e.printProblems(err, problems.List)
		}
		return exitRecipe
	case errors.As(err, &step):
		e.printStep(err, step)
		return exitRecipe
	case errors.As(err, &failedCheck), errors.As(err, &failedTest):
		e.printFailure(err, failedCheck, failedTest)
		return exitImage
	case errors.As(err, &failedBoot):
		if _, printed := asError[*silentError](err); !printed {
			fmt.Fprint(e.text(), failedBoot.Result.Text())
		}
		e.print(failedBoot, "")
		return exitImage
	case errors.As(err, &verification):
		e.print(err, verification.Hint)
		return exitImage
	case errors.As(err, &unattested):
		e.print(err, unattested.Hint)
		return exitImage
	case errors.As(err, &refused):
		e.print(err, refused.Hint)
		return exitRegistry
	case errors.As(err, &service) && (service.Class == sign.ServiceRefused || service.Class == sign.ServiceDown):
		e.print(err, service.Hint)
		return exitRegistry
	case errors.As(err, &pull):
		e.printPull(err, pull)
		switch {
		case pull.Refused:
			return exitImage
		case strings.HasPrefix(pull.Image, "containers-storage:"):
			return exitRecipe // no registry was asked: it names what is not there
		}
		return exitRegistry
	}
	e.print(err, hintOf(err))
	return exitEnvironment
}
