package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/check"
)

func newExplainCmd(e *env) *cobra.Command {
	var format formatFlag
	cmd := &cobra.Command{
		Use:   "explain RULE",
		Short: "Say what a rule of 'bootkiln check' is about",
		Long: `Prints what a rule asks of an image, what an image that breaks it means for the
machine that boots it, how to mend it, and where the rule is from.
'bootkiln check --list' prints the rules.`,
		Example: `  bootkiln explain initramfs-prepare-root`,
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return noCompletion(cmd, args, begun)
			}
			return completeRule(cmd, args, begun)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			rules := check.Rules()
			i := slices.IndexFunc(rules, func(r check.Rule) bool { return r.ID == args[0] })
			if i < 0 {
				return hinted(&usageError{fmt.Errorf("there is no rule %q", args[0])}, nearRule(args[0], ruleIDs()))
			}
			if format.value == formatJSON {
				return e.writeJSON(rules[i])
			}
			return e.write([]byte(explain(rules[i])))
		},
	}
	format.register(cmd, formatText, formatJSON)
	return cmd
}

// explain is the documentation of a rule, for people.
func explain(r check.Rule) string {
	severity := r.Severity.String()
	if r.Required {
		severity += ", of every image that is published: no recipe can make an exception"
	}
	return fmt.Sprintf("%s: %s\n  severity: %s\n  means: %s\n  mend: %s\n  source: %s\n",
		r.ID, r.Summary, severity, r.Doc, r.Hint, r.Source)
}
