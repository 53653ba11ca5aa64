package check

import (
	"context"
	"errors"
	"fmt"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Assertions looks for what a recipe's "tests" say of the finished image. Each
// one that does not hold is an error at its line of the recipe; the error is
// about an image that cannot be read.
//
// What is not there fails no test that is about how it has to be when it is: a
// group of the same version of which no package is installed holds, since a
// bundle may name one for a desktop that the recipe leaves out; so does a unit
// that must not be enabled and does not exist.
func Assertions(ctx context.Context, img image.Image, tests recipe.Tests) (_ diag.List, err error) {
	config, err := img.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("testing %q: %w", img.Location(), err)
	}
	root, err := img.Root(ctx)
	if err != nil {
		return nil, fmt.Errorf("testing %q: %w", img.Location(), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	a := &assertions{ctx: ctx, root: root, target: newTarget(ctx, img.Location(), root, config), tests: tests}
	for _, test := range []func() error{a.packages, a.units, a.files, a.users, a.kernelArgs, a.size} {
		if err := test(); err != nil {
			return nil, fmt.Errorf("testing %q: %w", img.Location(), err)
		}
	}
	a.list.Sort()
	return a.list, nil
}

type assertions struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Assertions
	root   image.Root
	target *Target
	tests  recipe.Tests
	list   diag.List

	// loaded are the accounts once something asked for them; see accounts.
	loaded *accounts
}

func (a *assertions) fail(at diag.Pos, where, code, hint, format string, args ...any) {
	a.list.Add(diag.Diagnostic{Pos: at, Path: where, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// orNear appends to a hint the name that was probably meant, if one is near.
func orNear(hint, name string, known []string, what string) string {
	if near := diag.Nearest(name, known); near != "" {
		return orMeant(hint, near, what)
	}
	return hint
}

func orMeant(hint, near, what string) string {
	return fmt.Sprintf("%s, or did you mean %q, %s?", hint, near, what)
}
