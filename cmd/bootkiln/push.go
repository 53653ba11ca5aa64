package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

type pushOptions struct {
	env       *env
	globals   *globals
	image     string
	reference string
	targetFlags
	skip      []string
	ifChanged bool
	ifNewer   bool
	boot      bootFlag
	registry  registryFlags
	store     storeFlags
	format    formatFlag
}

func newPushCmd(e *env, g *globals) *cobra.Command {
	o := &pushOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "push IMAGE REF",
		Short: "Publish an image that exists: check, boot, push, sign, verify, tag",
		Long: `Brings an image of the local store, of an OCI layout (oci:DIR), of an archive, or
of a registry (docker://REPOSITORY:TAG) to a registry: it is checked and booted,
pushed by digest, signed, accepted by the containers policy engine, and only then
tagged, with the tag of REF and each --tag. What it is made of (SPDX) is attached
to it. Without --sign-by or --keyless it gets no tag, because no tag ever names an
unsigned image. Prints REPOSITORY@DIGEST.

Images of Red Hat Enterprise Linux, which its licence forbids to pass on to the
public, go nowhere without --private, but to this machine.`,
		Example: `  bootkiln push --sign-by cosign.key localhost/centos-kde ghcr.io/me/centos-kde:latest
  bootkiln push oci:out/layout ghcr.io/me/centos-kde`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image, o.reference = args[0], args[1]
			return o.run(cmd.Context())
		},
	}
	o.targetFlags.register(cmd, tagWords, "REF")
	cmd.Flags().StringArrayVar(&o.skip, "skip", nil, "`rule` of 'bootkiln check' not to apply")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("skip", completeRule))
	registerConditions(cmd, &o.ifChanged, &o.ifNewer)
	o.boot.register(cmd, pipeline.BootAuto)
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

func (o *pushOptions) run(ctx context.Context) (err error) {
	e := o.env
	if isLocal(o.reference) {
		return hinted(&usageError{fmt.Errorf("%q is in no registry", o.reference)}, "bring it there with 'bootkiln copy'")
	}
	repository, digest, err := splitReference(o.reference)
	if err != nil {
		return err
	}
	if digest != "" {
		return &usageError{errors.New("the digest of an image follows from the image: give a repository, or REPOSITORY:TAG")}
	}
	tags := o.tags
	if tag := tagOf(o.reference); tag != "" {
		tags = append(tags, tag)
	}
	templates, err := tagTemplates(tags)
	if err != nil {
		return err
	}
	if len(tags) > 0 && !o.signing.given() {
		return hinted(&usageError{fmt.Errorf("tag %q would name an unsigned image", tags[0])},
			"give --sign-by KEY or --keyless, or push without a tag")
	}
	rules := check.Options{Skip: o.skip, Repositories: []string{repository}}
	if err := usableRules(rules); err != nil {
		return err
	}
	if i := slices.IndexFunc(o.skip, required); i >= 0 {
		return hinted(&usageError{fmt.Errorf("the rule %q holds for every image that is published", o.skip[i])},
			"mend the image instead: without this it does not start")
	}
	options, err := o.registry.options(e, remote(o.image), o.reference)
	if err != nil {
		return err
	}
	signers, err := o.signing.signers(ctx, e)
	if err != nil {
		return err
	}
	epoch, err := e.epoch()
	if err != nil {
		return err
	}
	img, closer, err := openImage(ctx, o.image, o.store.options(e, o.registry.access(e)), options, nil)
	if err != nil {
		return err
	}
	defer closing(closer, &err)

	target := recipe.Target{To: recipe.String{Value: repository, Pos: argument}, Tags: templates}
	if o.private {
		target.Private = recipe.String{Value: "true", Pos: argument}
	}
	in := pipeline.Input{
		Recipe: &recipe.Recipe{
			Name:    recipe.String{Value: path.Base(repository), Pos: argument},
			Publish: []recipe.Target{target},
		},
		Facts:  e.facts(ctx, ".", epoch),
		Origin: pipeline.Origin{Tool: tool()}, IfChanged: o.ifChanged, IfNewer: o.ifNewer,
	}
	s := pipeline.Services{
		Progress: e.progress(o.globals), Now: e.now,
		Check: checkService(rules, nil),
	}
	o.boot.overrule(in.Recipe)
	bootServices(&s, options)
	publishServices(&s, options, signers...)
	result, err := pipeline.Push(ctx, in, img, s)
	if err != nil {
		return usageOf(err)
	}
	if o.format.value == formatJSON {
		return e.writeJSON(result)
	}
	return e.printf("%s\n", result.Published[0].Pinned)
}

// usageOf makes problems with the target a usage error: here it comes from the
// command line.
func usageOf(err error) error {
	problems, ok := asError[*diag.ListError](err)
	if !ok {
		return err
	}
	var messages, hints []string
	for _, d := range problems.List {
		messages = append(messages, d.Message)
		if d.Code == pipeline.CodeRestricted {
			d.Hint = "its licence forbids to pass it on to the public; give --private where only you and your organization can pull from it"
		}
		if d.Hint != "" && !slices.Contains(hints, d.Hint) {
			hints = append(hints, d.Hint)
		}
	}
	return hinted(&usageError{errors.New(strings.Join(messages, "; "))}, strings.Join(hints, "\n"))
}

// argument is the place of what the command line says.
var argument = diag.Pos{File: "the command line"}
