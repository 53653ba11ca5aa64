package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/dustin/go-humanize"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

func newPublishCmd(e *env, g *globals) *cobra.Command {
	o := &baking{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "publish RECIPE",
		Short: "Build, check, boot, push, sign, verify and tag: the whole way",
		Long: `Takes a recipe all the way: it is built, checked, booted in a virtual machine
(see 'bootkiln boot'), cut into layers (see 'bootkiln chunk'), pushed by digest,
signed, accepted by the containers policy engine, and only then tagged, the
floating tag last. Whatever fails on the way, no tag names an unsigned image.
Needs root, and QEMU unless --boot is off.

What the image is made of (SPDX) and how it came to be (SLSA provenance) is attached
to it as well. A target may be a place that is no registry, such as
"oci-archive:FILE"; nothing is signed there. Before the build
each target is asked whether it can be written to, and one that cannot ends the run;
a registry that is down, beside one that is not, is asked again when there is an image.
From then on, a target that fails keeps no other from being published, and the exit
status and result.json say what stands where.

The output folder has a journal. With --resume, a publish that was cut off goes on
from there: what was built, checked, booted and cut stays, and nothing is sent that
the registry has. The targets, tags and key of the recipe may be others by then;
where anything else that goes into the image has changed, it says so and ends.

With --if-changed, nothing is written where the tag that moves with every build
names this very image already, or one that differs from it in its age alone. With
--if-newer, a tag stays that names an image which was made later than this one. Both
are exit status 0, and result.json says so ("unchanged", "kept").`,
		Example: `  bootkiln publish recipe.yaml
  bootkiln publish --resume recipe.yaml
  bootkiln publish --if-changed recipe.yaml
  COSIGN_PASSWORD=… bootkiln publish --format json recipe.yaml | jq -r '.published[].digest'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipe,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.recipe, o.again = args[0], repeated(cmd.Flags())
			return o.publish(cmd.Context())
		},
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&o.resume, "resume", false, "go on where the last publish of this recipe ended")
	registerConditions(cmd, &o.ifChanged, &o.ifNewer)
	cmd.Flags().BoolVar(&o.noTags, "no-tags", false, "write no tag: the image is of one of several platforms, see 'bootkiln index'")
	o.boot.register(cmd, "as the recipe says")
	o.registry.register(cmd)
	return cmd
}

// registerConditions registers what keeps a publish from writing tags.
func registerConditions(cmd *cobra.Command, ifChanged, ifNewer *bool) {
	cmd.Flags().BoolVar(ifChanged, "if-changed", false, "write nothing where the tag names this image already")
	cmd.Flags().BoolVar(ifNewer, "if-newer", false, "leave a tag alone that names a newer image")
}

func (o *baking) publish(ctx context.Context) (err error) {
	e := o.env
	p, err := e.loadProject(o.recipe, publishing)
	if err != nil {
		return err
	}
	if err := p.publishable(); err != nil {
		return err
	}
	if err := p.onePlatform(o.noTags); err != nil {
		return err
	}
	options, err := o.registry.options(e, repositoriesOf(p.recipe)...)
	if err != nil {
		return err
	}
	var signers []*sign.Signer
	if p.needsKey() {
		if signers, err = p.loadSigners(ctx, e); err != nil {
			return err
		}
	}
	v, err := o.open(ctx, p)
	if err != nil {
		return err
	}
	defer closing(v, &err)
	o.boot.overrule(v.input.Recipe)
	bootServices(&v.services, options)
	chunkServices(&v.services, options, e.layerCache())
	options.MountFrom, options.Uploads = p.mountable(), journal.OpenUploads(v.input.Out)
	publishServices(&v.services, options, signers...)
	placeServices(&v.services, o.store.prefix(), p.recipe.Name.Value)
	v.input.Origin = e.origin(ctx, p)
	v.input.NoTags = o.noTags
	result, err := pipeline.Run(ctx, v.input, v.services)
	if err := o.conclude(p, result, err); err != nil || o.format.value == formatJSON {
		return o.resumable(err, v.input.Out)
	}
	return e.writeResult(result)
}

// resumable adds to an error how to go on, where out has the journal of a built
// image.
func (o *baking) resumable(err error, out string) error {
	if _, missing := os.Stat(filepath.Join(out, outJournal)); err == nil || missing != nil {
		return err
	}
	return &resumableError{err, strings.Join(slices.Concat([]string{"bootkiln publish --resume"}, o.again, []string{shellWord(o.recipe)}), " ")}
}

// resumedFlags are those without which a publish would be resumed from another
// folder or store, reach no registry, or do more than was asked for. Passwords are
// not repeated.
var resumedFlags = []string{
	"out", "tag", "root", "runroot", "storage-driver", "authfile", "cert-dir", "tls-verify", "boot", "no-tags", "if-changed", "if-newer",
}

// repeated returns those of resumedFlags that were given, as they are written.
func repeated(flags *pflag.FlagSet) (given []string) {
	for _, name := range resumedFlags {
		f := flags.Lookup(name)
		switch {
		case !f.Changed:
		case f.Value.Type() == "bool" && f.Value.String() == "true":
			given = append(given, "--"+name)
		case f.Value.Type() == "bool":
			given = append(given, "--"+name+"="+f.Value.String())
		default:
			given = append(given, "--"+name, shellWord(f.Value.String()))
		}
	}
	return given
}

// shellWord is the text as a word for a shell.
func shellWord(text string) string {
	plain := text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@%_-+=:,./", r)
	})
	if plain {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// publishable reports what publish needs of a recipe and build does not.
func (p *project) publishable() error {
	var problems diag.List
	at := diag.Pos{File: p.recipe.Name.Pos.File}
	if len(p.recipe.Publish) == 0 {
		problems.Add(diag.Diagnostic{
			Pos: at, Path: "publish", Code: "missing-key", Message: `the recipe does not say where the image goes: "publish" is missing`,
			Hint: "add it, as in\npublish:\n  - {to: ghcr.io/me/" + p.recipe.Name.Value + ", tags: [latest]}",
		})
	}
	if (p.needsKey() || len(p.recipe.Publish) == 0) && !p.recipe.Sign.Pos.IsValid() {
		problems.Add(diag.Diagnostic{
			Pos: at, Path: "sign", Code: "missing-key", Message: `the recipe does not say what to sign with: "sign" is missing`,
			Hint: "make a key with 'bootkiln keygen' and add\nsign: {key: cosign.key}",
		})
	}
	return p.problem(problems.Err())
}

// onePlatform refuses to give the tags of an image for several platforms to that
// of one.
func (p *project) onePlatform(noTags bool) error {
	platforms := p.recipe.Platforms
	if noTags || len(platforms) < 2 {
		return nil
	}
	return p.problem(diag.List{{
		Pos: platforms[1].Pos, Path: "platforms[1]", Code: "several-platforms",
		Message: fmt.Sprintf("the image is for %d platforms, and the tags would name that of this machine alone", len(platforms)),
		Hint:    "publish --no-tags on a machine of each, and then bring them together with 'bootkiln index --recipe'",
	}}.Err())
}

// mountable are the repositories that may hold layers of the image already: that
// of its base, and those that it goes to.
func (p *project) mountable() []string {
	var names []string
	if base, _, err := splitReference(strings.TrimPrefix(p.recipe.Base.Image.Value, "docker://")); err == nil {
		names = append(names, base)
	}
	return append(names, repositoriesOf(p.recipe)...)
}

// repositoriesOf are those that the image of a recipe goes to.
func repositoriesOf(r *recipe.Recipe) (names []string) {
	for _, t := range r.Publish {
		if !t.IsPlace() {
			names = append(names, t.To.Value)
		}
	}
	return names
}

// needsKey reports whether the image goes to a registry, where it is signed.
func (p *project) needsKey() bool {
	return slices.ContainsFunc(p.recipe.Publish, func(t recipe.Target) bool { return !t.IsPlace() })
}

// writeResult prints what stands where now.
func (e *env) writeResult(r *pipeline.Result) error {
	for _, p := range r.Published {
		if p.Digest == "" {
			continue // why, has been said
		}
		for _, tag := range p.Tags {
			if err := e.printf("%s:%s\n", p.Repository, tag); err != nil {
				return err
			}
		}
		if len(p.Tags) == 0 {
			if err := e.printf("%s\n", p.Repository); err != nil {
				return err
			}
		}
		if err := e.printf("  digest    %s\n  size      %s\n", p.Digest, sizeOf(p)); err != nil {
			return err
		}
		if p.Unchanged {
			if err := e.printf("  unchanged there already: no tag was written\n"); err != nil {
				return err
			}
		}
		if len(p.Kept) > 0 {
			if err := e.printf("  kept      %s: what is there is newer\n", strings.Join(p.Kept, ", ")); err != nil {
				return err
			}
		}
		if err := e.writeSwitch(p); err != nil {
			return err
		}
	}
	if len(r.OptionalUnavailable) > 0 {
		if err := e.printf("  optional  without %s\n", diag.Printable(strings.Join(r.OptionalUnavailable, ", "))); err != nil {
			return err
		}
	}
	if r.Chunks != nil && r.Chunks.Update != nil {
		if err := e.printf("  update    %s\n", updateOf(r.Chunks.Update)); err != nil {
			return err
		}
	}
	var stages []string
	for _, s := range r.Stages {
		stages = append(stages, fmt.Sprintf("%s %.1f s", s.Name, s.Seconds))
	}
	return e.printf("  time      %s (%.1f s)\n", strings.Join(stages, ", "), r.Seconds())
}

// writeSwitch prints how a machine comes to follow what was published, and, where
// the image would take its updates unsigned, how to change that.
func (e *env) writeSwitch(p pipeline.Published) error {
	command := switchCommand(p)
	if command == "" {
		return nil
	}
	if err := e.printf("  machines  %s\n", command); err != nil || p.Demanded {
		return err
	}
	return e.printf("            the image itself demands no signature of its updates: add to the recipe\n"+
		"            trust: {keys: [cosign.pub], scope: %s}\n", p.Repository)
}

// switchCommand is what to run on a machine, "" for what no machine can follow.
func switchCommand(p pipeline.Published) string {
	if p.Engine != pipeline.PolicyEngine || len(p.Tags) == 0 {
		return ""
	}
	return "bootc switch --enforce-container-sigpolicy " + p.Repository + ":" + p.Tags[len(p.Tags)-1]
}

// sizeOf is how large what was published is. An index has no layers of its own.
func sizeOf(p pipeline.Published) string {
	if p.MediaType == imgspecv1.MediaTypeImageIndex {
		return "an index of images"
	}
	return fmt.Sprintf("%s in %s", humanize.Bytes(uint64(p.Size)), count(p.Layers, "layer"))
}

// updateOf is what the image costs a machine that has the one before.
func updateOf(p *chunk.Prediction) string {
	return fmt.Sprintf("%s in %s of %d, for machines with the previous image", humanize.Bytes(uint64(p.Bytes)), count(p.Layers-p.Reused, "layer"), p.Layers)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// summary is the result as Markdown.
func summary(r *pipeline.Result, failure error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", r.Name)
	if failure != nil {
		b.WriteString("It failed:\n\n")
		for line := range strings.SplitSeq(failure.Error(), "\n") {
			// Indented, because no line can end such a block as it could a fence.
			b.WriteString("    " + diag.Printable(line) + "\n")
		}
	}
	for _, p := range r.Published {
		// The blank line ends the list of the target before.
		if p.Digest == "" {
			fmt.Fprintf(&b, "\nNothing came to `%s`.\n", p.Target)
			continue
		}
		fmt.Fprintf(&b, "\n`%s@%s`, %s\n\n", p.Repository, p.Digest, sizeOf(p))
		for _, tag := range p.Tags {
			fmt.Fprintf(&b, "* `%s:%s`\n", p.Repository, tag)
		}
		if p.Unchanged {
			b.WriteString("\nIt was there already.\n")
		}
		if command := switchCommand(p); command != "" {
			fmt.Fprintf(&b, "\n    %s\n", command)
		}
	}
	if r.Chunks != nil && r.Chunks.Update != nil {
		fmt.Fprintf(&b, "\nThe update: %s.\n", updateOf(r.Chunks.Update))
	}
	if len(r.OptionalUnavailable) > 0 {
		b.WriteString("\nOptional packages that could not be installed:\n\n")
		for _, name := range r.OptionalUnavailable {
			b.WriteString("    " + diag.Printable(name) + "\n")
		}
	}
	b.WriteString("\n| stage | seconds |\n|---|---:|\n")
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "| %s | %.1f |\n", s.Name, s.Seconds)
	}
	return b.String()
}
