package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

type checkOptions struct {
	env      *env
	globals  *globals
	image    string
	rootfs   string
	base     string
	rules    check.Options
	list     bool
	registry registryFlags
	store    storeFlags
	format   formatFlag
}

func newCheckCmd(e *env, g *globals) *cobra.Command {
	o := &checkOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "check IMAGE | --rootfs DIR | --list",
		Short: "Say from the image alone whether it will deploy and boot",
		Long: `Applies every rule to an image of the local store (needs root), in a registry
(docker://REPOSITORY:TAG), in an OCI layout (oci:DIR), in an archive
(oci-archive:FILE, docker-archive:FILE), or to a folder that holds a root file
system. Only the store needs root; of a registry, each layer is read once and
nothing is kept. No rule hides another. An image that fails is exit status 4.

A rule's findings count by its severity, and only errors fail an image; --skip,
--warn and --error make exceptions. 'bootkiln explain RULE' says what a rule is
about. Formats: json for programs, sarif (2.1.0) for code scanning, junit for
the test reports of a CI service, github for the log of a workflow's step, with
an annotation for each rule.`,
		Example: `  bootkiln check localhost/centos-kde
  bootkiln check --format json oci:out/layout
  bootkiln check docker://ghcr.io/me/centos-kde:latest
  bootkiln check --rootfs /mnt/image --skip label-bootc
  bootkiln check --format sarif localhost/centos-kde > check.sarif
  bootkiln check --list`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.list && !slices.Contains([]string{formatText, formatJSON}, o.format.value):
				return &usageError{fmt.Errorf("the list of rules is no report: it has no format %q; known: text, json", o.format.value)}
			case o.list && (len(args) > 0 || o.rootfs != ""), o.rootfs != "" && len(args) > 0:
				return &usageError{errors.New("give an image, or --rootfs, or --list, and one of them only")}
			case !o.list && o.rootfs == "" && len(args) == 0:
				return &usageError{errors.New("nothing to check: give an image, or --rootfs DIR")}
			case o.list:
				return o.writeRules()
			case len(args) > 0:
				o.image = args[0]
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.rootfs, "rootfs", "", "`folder` that holds a root file system")
	cmd.Flags().StringVar(&o.base, "base", "", "`image` that it is made from: rights that programs have there are no finding")
	cmd.Flags().StringArrayVar(&o.rules.Repositories, "published", nil, "`repository` that machines update from (default: that of an image in a registry)")
	cmd.Flags().StringArrayVar(&o.rules.Skip, "skip", nil, "`rule` not to apply")
	cmd.Flags().StringArrayVar(&o.rules.Warn, "warn", nil, "`rule` whose findings are warnings")
	cmd.Flags().StringArrayVar(&o.rules.Error, "error", nil, "`rule` whose findings are errors")
	cmd.Flags().BoolVar(&o.list, "list", false, "print the rules")
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON, formatSARIF, formatJUnit, formatGitHub)
	for _, name := range []string{"skip", "warn", "error"} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(name, completeRule))
	}
	return cmd
}

func completeRule(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	for _, r := range check.Rules() {
		ids = append(ids, r.ID+"\t"+r.Summary)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (o *checkOptions) run(ctx context.Context) (err error) {
	if err := usableRules(o.rules); err != nil {
		return err
	}
	// Whoever checks what is in a registry may install it from there, if nothing
	// else is said.
	if name, ok := strings.CutPrefix(o.image, "docker://"); ok && len(o.rules.Repositories) == 0 {
		if repository, _, err := splitReference(name); err == nil { // else it cannot be opened either
			o.rules.Repositories = []string{repository}
		}
	}
	options, err := o.registry.options(o.env, remote(o.image), remote(o.base))
	if err != nil {
		return err
	}
	var img image.Image
	var closer io.Closer = io.NopCloser(nil)
	shared := &image.SharedLayers{} // most layers of an image are those of its base
	if o.rootfs != "" {
		img, err = image.OpenDir(o.rootfs)
	} else {
		img, closer, err = openImage(ctx, o.image, o.store.options(o.env, nil), options, shared)
	}
	if err != nil {
		return err
	}
	defer closing(closer, &err)
	if o.base != "" {
		base, closer, err := openImage(ctx, o.base, o.store.options(o.env, nil), options, shared)
		if err != nil {
			return err
		}
		defer closer.Close()
		o.rules.Base = base
	}
	report, err := check.Run(ctx, img, o.rules)
	if err != nil {
		return err
	}
	return errors.Join(o.write(report), silenced(report.Err()))
}

func (o *checkOptions) write(report *check.Report) error {
	var text bytes.Buffer
	forPeople := io.Writer(&text)
	if o.format.value == formatGitHub || o.env.onActions() {
		// What the image has for names must not become a command to the runner.
		forPeople = progress.Inert(&text)
	}
	var err error
	switch o.format.value {
	case formatJSON:
		return o.env.writeJSON(report)
	case formatSARIF:
		err = report.WriteSARIF(&text, readVersion().Version)
	case formatJUnit:
		err = report.WriteJUnit(&text)
	case formatGitHub:
		// The log has all of it, because GitHub shows ten annotations of a kind.
		err = report.WriteText(forPeople)
		progress.Annotate(&text, report.Problems())
	default:
		err = report.WriteText(forPeople)
	}
	if err != nil {
		return err
	}
	return o.env.write(text.Bytes())
}

func (o *checkOptions) writeRules() error {
	rows := check.Rules()
	if o.format.value == formatJSON {
		return o.env.writeJSON(rows)
	}
	for _, r := range rows {
		if err := o.env.printf("%-24s %-8s %s\n", r.ID, r.Severity, r.Summary); err != nil {
			return err
		}
	}
	return nil
}
