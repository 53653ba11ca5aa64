package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// bootFlag is --boot: a way in, as "boot --mode" has them, or off. It goes
// before what a recipe says.
type bootFlag struct{ value string }

var bootWords = append(slices.Clone(bootModes), pipeline.BootOff)

func (f *bootFlag) register(cmd *cobra.Command, byDefault string) {
	cmd.Flags().Var(f, "boot", fmt.Sprintf("how the image is booted before it goes on: %s (default: %s)", strings.Join(bootWords, ", "), byDefault))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("boot", cobra.FixedCompletions(bootWords, cobra.ShellCompDirectiveNoFileComp)))
}

func (f *bootFlag) String() string { return f.value }
func (f *bootFlag) Type() string   { return "mode" }

func (f *bootFlag) Set(v string) error {
	if !slices.Contains(bootWords, v) {
		return fmt.Errorf("unknown way to boot %q; known: %s", v, strings.Join(bootWords, ", "))
	}
	f.value = v
	return nil
}

// overrule puts the flag, where it is given, in the place of the recipe's word.
func (f *bootFlag) overrule(r *recipe.Recipe) {
	if f.value != "" {
		r.Boot.Mode = recipe.String{Value: f.value, Pos: argument}
	}
}
