package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// kernelArg is an argument of kargs.d.
type kernelArg struct {
	text string
	file string // that has it, as package image names it
	// for the image's own architecture, unlike those that bootc leaves out.
	applies bool
	// only are the architectures that the file names.
	only []string
}

func (a *assertions) kernelArgs() error {
	t := a.tests
	if len(t.KernelArgsPresent)+len(t.KernelArgsAbsent) == 0 {
		return nil
	}
	args, err := kernelArgs(a.target)
	if err != nil {
		return err
	}
	for _, want := range t.KernelArgsPresent {
		a.kernelArgPresent(args, want)
	}
	for _, not := range t.KernelArgsAbsent {
		for _, arg := range args {
			if arg.applies && arg.is(not.Value) {
				a.fail(not.Pos, "tests.kernel-args.absent", "kernel-arg-present", "take it off kernel.args, or remove the file, which may be of the base",
					"the kernel argument %q is in %q", arg.text, "/"+arg.file)
			}
		}
	}
	return nil
}

func (a *assertions) kernelArgPresent(args []kernelArg, want recipe.String) {
	hint := "add it to kernel.args"
	var known []string
	for _, arg := range args {
		switch {
		case !arg.applies && arg.is(want.Value):
			hint = fmt.Sprintf("%q has it for %s alone", "/"+arg.file, strings.Join(arg.only, ", "))
		case arg.applies && arg.is(want.Value):
			return
		case arg.applies && sameParameter(arg.text, want.Value):
			hint = fmt.Sprintf("%q has %q", "/"+arg.file, arg.text)
		case arg.applies:
			known = append(known, arg.text)
		}
	}
	a.fail(want.Pos, "tests.kernel-args.present", "kernel-arg-absent", orNear(hint, want.Value, known, "which is there"),
		"the image does not bring the kernel argument %q", want.Value)
}

// is reports whether the argument is the one that a test means: a word without
// a value stands for the parameter with any.
func (k kernelArg) is(want string) bool {
	if !strings.Contains(want, "=") {
		return sameParameter(k.text, want)
	}
	_, has, _ := strings.Cut(k.text, "=")
	_, value, _ := strings.Cut(want, "=")
	return sameParameter(k.text, want) && has == value
}

// sameParameter compares names as the kernel does, to which dashes and
// underscores are the same.
func sameParameter(x, y string) bool {
	name := func(arg string) string {
		name, _, _ := strings.Cut(arg, "=")
		return strings.ReplaceAll(name, "-", "_")
	}
	return name(x) == name(y)
}

// kernelArgs lists what kargs.d has. Files that bootc cannot read are left to
// rule kargs-d.
func kernelArgs(t *Target) ([]kernelArg, error) {
	var args []kernelArg
	var failed error
	_, err := eachKargs(t, func(name string, k kargsFile, err error) []Finding {
		if err != nil || failed != nil {
			return nil
		}
		applies := len(k.MatchArchitectures) == 0
		if !applies {
			var arch string
			arch, failed = t.architecture()
			applies = slices.Contains(k.MatchArchitectures, rustArchitectures[arch])
		}
		for _, text := range k.Kargs {
			for _, arg := range strings.Fields(text) {
				args = append(args, kernelArg{text: arg, file: name, applies: applies, only: k.MatchArchitectures})
			}
		}
		return nil
	})
	if none := NotApplicable(""); errors.As(err, &none) {
		err = nil // there is no kargs.d
	}
	return args, errors.Join(err, failed)
}
