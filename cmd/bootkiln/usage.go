package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// helpWidth is how many columns the help takes.
const helpWidth = 100

// wrapUsage has the descriptions of flags broken at helpWidth, and no line that a
// command with commands could be used without any: that prints its help.
func wrapUsage(root *cobra.Command) {
	root.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages |", fmt.Sprintf(".FlagUsagesWrapped %d |", helpWidth),
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}",
	).Replace(root.UsageTemplate()))
}

// flagError makes a wrong flag a usage error, with the flag that was likely
// meant.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{err}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := diag.Nearest(unknown.GetSpecifiedName(), known); near != "" {
		return hinted(usage, fmt.Sprintf("did you mean --%s?", near))
	}
	return usage
}

// flagGroups are the sentences of cobra about flags that belong, or do not
// belong, together, and what to say instead.
var flagGroups = []struct {
	said       *regexp.Regexp
	why, hint  string
	everyOther string
}{
	{regexp.MustCompile(`none of the others can be; \[(.+)\] were all set$`), "%s exclude each other", "leave one of them out", " and "},
	{regexp.MustCompile(`^at least one of the flags in the group \[(.+)\] is required$`), "%s has to be given", "", " or "},
	{regexp.MustCompile(`^if any flags in the group \[(.+)\] are set they must all be set`), "%s belong together", "give both, or none", " and "},
}

// groupError makes flags that do not go together a usage error.
func groupError(cmd *cobra.Command, err error) error {
	for _, g := range flagGroups {
		m := g.said.FindStringSubmatch(err.Error())
		if m == nil {
			continue
		}
		names := strings.Fields(m[1])
		for i, name := range names {
			names[i] = "--" + name
		}
		usage := &usageError{fmt.Errorf(g.why, strings.Join(names, g.everyOther))}
		hint := g.hint
		if hint == "" {
			hint = "as in: " + strings.TrimSpace(strings.Split(cmd.Example, "\n")[0])
		}
		return hinted(usage, hint)
	}
	return &usageError{err}
}

// unknownCommand is the check of the root's arguments: what is no command's name
// ends up there.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	usage := &usageError{fmt.Errorf("unknown command %q", args[0])}
	var known []string
	for _, c := range root.Commands() {
		known = append(known, c.Name())
	}
	if near := diag.Nearest(args[0], known); near != "" {
		return hinted(usage, fmt.Sprintf("did you mean %q?", near))
	}
	return usage
}

// usageArgs makes a wrong number of arguments a usage error, which shows what
// the command takes.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		err := fmt.Errorf("wrong number of arguments for %q: %d", cmd.CommandPath(), len(args))
		return hinted(&usageError{err},
			"it is used as: "+cmd.UseLine())
	}
}
