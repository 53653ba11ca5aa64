package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/registry"
)

type pruneOptions struct {
	env        *env
	globals    *globals
	repository string
	keepLast   int
	keepWithin string
	keep       []string
	yes        bool
	registry   registryFlags
	format     formatFlag
}

func newPruneCmd(e *env, g *globals) *cobra.Command {
	o := &pruneOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "prune REPOSITORY",
		Short: "Delete images in a registry that no rule keeps",
		Long: `Says which images of a repository no rule keeps, and deletes them with --yes. An
image stays, with all its tags, when one of the rules keeps it: it is one of the
newest, it is young, or one of its tags fits a pattern. How old an image is, it says
itself; one that does not, or says 1970, stays. The images of an index that stays
do, and so do images without any tag, which may be on their way to one.

Each image goes before the signatures and attestations beside it; those that an
earlier run left alone go, too. Let no publish to the repository run meanwhile.

Not every registry deletes in this way. GHCR and Docker Hub do not; Distribution
(docker-registry) does where it is configured to.`,
		Example: `  bootkiln prune --keep-last 10 --keep latest registry.example.org/me/centos-kde
  bootkiln prune --keep-within 30d --keep 'stable*' --yes registry.example.org/me/centos-kde`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.repository = args[0]
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&o.keepLast, "keep-last", 0, "keep so many of the newest images")
	fl.StringVar(&o.keepWithin, "keep-within", "", "keep what was made within that `time`: 36h, 30d, 8w")
	fl.StringArrayVar(&o.keep, "keep", nil, "keep images with a tag of this `pattern`, as 'stable*'")
	fl.BoolVar(&o.yes, "yes", false, "delete, instead of saying what would go")
	cmd.MarkFlagsOneRequired("keep-last", "keep-within", "keep")
	o.registry.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// pruned is the report of a run.
type pruned struct {
	*registry.PrunePlan
	// Deleted says that the deletions were made.
	Deleted bool `json:"deleted"`
}

func (o *pruneOptions) run(ctx context.Context) error {
	repository, err := bareRepository(o.repository)
	if err != nil {
		return err
	}
	if err := checkPatterns(o.keep); err != nil {
		return err
	}
	rules := registry.Retention{KeepLast: o.keepLast, Keep: o.keep}
	if o.keepWithin != "" {
		age, err := parseAge(o.keepWithin)
		if err != nil {
			return &usageError{fmt.Errorf("option --keep-within: %w", err)}
		}
		rules.KeepSince = o.env.now().Add(-age)
	}
	if rules.KeepLast <= 0 && rules.KeepSince.IsZero() && len(rules.Keep) == 0 {
		return &usageError{errors.New("a prune that keeps nothing is none: --keep-last is at least 1")}
	}
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	st := o.env.progress(o.globals).Stage("prune")
	options.Progress = st
	plan, err := registry.PlanPrune(ctx, repository, rules, options)
	if err == nil && o.yes {
		err = registry.Prune(ctx, repository, plan, func(d registry.Deletion) { st.Infof("deleted %s", deletion(d)) }, options)
	}
	st.End(err)
	if err != nil {
		return err
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(pruned{plan, o.yes})
	}
	return o.write(plan)
}

func (o *pruneOptions) write(plan *registry.PrunePlan) error {
	var text strings.Builder
	for _, k := range plan.Kept {
		fmt.Fprintf(&text, "keep    %s %s%s: %s\n", shortDigest(k.Digest), strings.Join(k.Tags, ", "), madeOn(k.Created), k.Why)
	}
	word := "go      "
	if o.yes {
		word = "gone    "
	}
	for _, d := range plan.Deletions {
		fmt.Fprintf(&text, "%s%s\n", word, deletion(d))
	}
	switch {
	case len(plan.Deletions) == 0:
		text.WriteString("nothing to delete\n")
	case !o.yes:
		fmt.Fprintf(&text, "%d manifests would be deleted; --yes deletes them\n", len(plan.Deletions))
	}
	return o.env.write([]byte(text.String()))
}

// deletion is what goes, on one line.
func deletion(d registry.Deletion) string {
	text := shortDigest(d.Digest) + " " + d.What
	if d.Of != "" {
		text += " of " + shortDigest(d.Of)
	} else if len(d.Tags) > 0 {
		text += " " + strings.Join(d.Tags, ", ")
	}
	return text + madeOn(d.Created)
}

func madeOn(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " (" + t.UTC().Format("2006-01-02") + ")"
}

func shortDigest(d digest.Digest) string {
	hex := d.Encoded()
	return hex[:min(len(hex), 12)]
}

// parseAge reads a span of time, of hours and less as Go does, or of days or
// weeks.
func parseAge(text string) (time.Duration, error) {
	for unit, hours := range map[string]int{"d": 24, "w": 7 * 24} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.Atoi(number)
			if err != nil || n <= 0 || n > 100*365 {
				return 0, fmt.Errorf("%q is no number of days or weeks", text)
			}
			return time.Duration(n*hours) * time.Hour, nil
		}
	}
	age, err := time.ParseDuration(text)
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("%q is no time: 36h, 30d, 8w", text)
	}
	return age, nil
}
