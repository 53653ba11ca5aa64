package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

type indexOptions struct {
	env      *env
	globals  *globals
	recipe   string
	tags     []string
	signBy   string
	registry registryFlags
	format   formatFlag
}

func newIndexCmd(e *env, g *globals) *cobra.Command {
	o := &indexOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "index REPOSITORY[:TAG] DIGEST… | --recipe RECIPE RESULT…",
		Short: "Bring the images of several platforms together: make, sign, verify and tag an index",
		Long: `Makes one index of images that are in a repository, one for each platform, pushed
there by different machines: by digest first; then it is signed, and each of its
images that is not signed with this key yet; the containers policy engine has to
accept all of them, and only then the index gets its tags. Without --sign-by it gets
no tag. The same images make the same index. Prints REPOSITORY@DIGEST.

With --recipe, repositories, tags and key are those of the recipe, and the images
those in files result.json, which 'bootkiln publish --no-tags' wrote on the machine
of each platform. There has to be one for each of the recipe's platforms.`,
		Example: `  bootkiln index --sign-by cosign.key ghcr.io/me/os:latest sha256:… sha256:…
  bootkiln index --recipe recipe.yaml amd64/result.json arm64/result.json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.recipe != "" {
				return o.ofRecipe(cmd.Context(), args)
			}
			return o.ofDigests(cmd.Context(), args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.recipe, "recipe", "", "recipe that says where the index goes, its tags and what to sign with")
	fl.StringArrayVarP(&o.tags, "tag", "t", nil, "a further tag; {date}, {git}, {version} and others as in a recipe")
	fl.StringVar(&o.signBy, "sign-by", "", "private key: a file, env://NAME, or the URI of a key service")
	cmd.MarkFlagsMutuallyExclusive("recipe", "tag")
	cmd.MarkFlagsMutuallyExclusive("recipe", "sign-by")
	o.registry.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// ofDigests makes the index that the command line says.
func (o *indexOptions) ofDigests(ctx context.Context, args []string) error {
	repository, d, err := splitReference(strings.TrimPrefix(args[0], "docker://"))
	if err != nil {
		return err
	}
	if d != "" || len(args) == 1 {
		return hinted(&usageError{errors.New("an index is made in a repository, of images by their digests")},
			"as in: bootkiln index ghcr.io/me/os:latest sha256:… sha256:…")
	}
	target := recipe.Target{To: recipe.String{Value: repository, Pos: argument}}
	if tag := tagOf(args[0]); tag != "" {
		o.tags = append(o.tags, tag)
	}
	for _, t := range o.tags {
		target.Tags = append(target.Tags, recipe.String{Value: t, Pos: argument})
	}
	if len(o.tags) > 0 && o.signBy == "" {
		return hinted(&usageError{fmt.Errorf("tag %q would name an unsigned index", o.tags[0])}, "give --sign-by KEY, or make it without a tag")
	}
	var members []digest.Digest
	for _, arg := range args[1:] {
		d, err := memberOf(repository, arg)
		if err != nil {
			return err
		}
		members = append(members, d)
	}
	var signers []*sign.Signer
	if o.signBy != "" {
		signer, err := sign.LoadKey(ctx, o.signBy, o.env.keyPassword)
		if err != nil {
			return err
		}
		signers = append(signers, signer)
	}
	epoch, err := o.env.epoch()
	if err != nil {
		return err
	}
	in := pipeline.Input{
		Recipe: &recipe.Recipe{
			Name:    recipe.String{Value: path.Base(repository), Pos: argument},
			Publish: []recipe.Target{target},
		},
		Facts: o.env.facts(ctx, ".", epoch), Origin: o.env.originHere(),
	}
	result, err := o.run(ctx, in, map[string][]digest.Digest{repository: members}, signers)
	if err != nil {
		return usageOf(err)
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(result)
	}
	return o.env.printf("%s\n", result.Published[0].Pinned)
}

// memberOf reads what names an image: its digest, with or without the
// repository.
func memberOf(repository, arg string) (digest.Digest, error) {
	text := arg
	if name, d, ok := strings.Cut(arg, "@"); ok {
		if full, _, err := splitReference(name); err != nil || full != repository {
			return "", hinted(&usageError{fmt.Errorf("%q is in another repository than the index", arg)}, "bring it there first: 'bootkiln copy'")
		}
		text = d
	}
	d, err := digest.Parse(text)
	if err != nil {
		return "", hinted(&usageError{fmt.Errorf("%q is no digest", arg)}, "an index names images by digests, as sha256:…, because what a tag names may change")
	}
	return d, nil
}

// ofRecipe makes the indexes of a recipe's targets.
func (o *indexOptions) ofRecipe(ctx context.Context, files []string) error {
	e := o.env
	p, err := e.loadProject(o.recipe, publishing)
	if err != nil {
		return err
	}
	if err := p.publishable(); err != nil {
		return err
	}
	// A place that is no registry has what its own machine brought there.
	p.recipe.Publish = slices.DeleteFunc(p.recipe.Publish, recipe.Target.IsPlace)
	members := map[string][]digest.Digest{}
	for _, file := range files {
		if err := readResult(file, p.recipe.Name.Value, members); err != nil {
			return err
		}
	}
	for _, t := range p.recipe.Publish {
		if got, want := len(members[t.To.Value]), max(len(p.recipe.Platforms), 1); got != want {
			return hinted(fmt.Errorf("making the index of %q: there are images of %d platforms, and the recipe is for %d", t.To.Value, got, want),
				"name the result.json of each platform, as 'bootkiln publish --no-tags' wrote it there")
		}
	}
	signers, err := p.loadSigners(ctx, e)
	if err != nil {
		return err
	}
	in, err := p.input(ctx, e, "")
	if err != nil {
		return err
	}
	in.Origin = e.origin(ctx, p)
	result, err := o.run(ctx, in, members, signers)
	if err != nil {
		return p.problem(err)
	}
	if o.format.value == formatJSON {
		return e.writeJSON(result)
	}
	return e.writeResult(result)
}

// readResult adds what a publish brought to each target.
func readResult(file, name string, members map[string][]digest.Digest) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading result %q: %w", file, errors.Unwrap(err))
	}
	var r pipeline.Result
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("reading result %q: %w", file, err)
	}
	if r.Name != name {
		return fmt.Errorf("reading result %q: it is of the image %q, and the recipe is of %q", file, r.Name, name)
	}
	if r.Error != "" {
		return fmt.Errorf("reading result %q: that publish failed: %s", file, r.Error)
	}
	for _, p := range r.Published {
		members[p.Target] = append(members[p.Target], p.Digest)
	}
	return nil
}

// run publishes the indexes; members are the images, by target.
func (o *indexOptions) run(ctx context.Context, in pipeline.Input, members map[string][]digest.Digest, signers []*sign.Signer) (_ *pipeline.Result, err error) {
	options, err := o.registry.options(o.env)
	if err != nil {
		return nil, err
	}
	if len(in.Recipe.Publish) == 0 {
		return nil, &usageError{errors.New("no target of the recipe is in a registry")}
	}
	first := in.Recipe.Publish[0].To.Value
	img, closer, err := registry.OpenImage(ctx, first+"@"+members[first][0].String(), options, image.LayerOptions{TempDir: options.TempDir})
	if err != nil {
		return nil, err
	}
	defer closing(closer, &err)
	s := pipeline.Services{Progress: o.env.progress(o.globals), Now: o.env.now}
	publishServices(&s, options, signers...)
	s.Push = func(ctx context.Context, _ image.Image, repository string, st progress.Stage) (image.Pinned, error) {
		options := options
		options.Progress = st
		return registry.PushIndex(ctx, repository, members[repository], options)
	}
	s.Members = func(ctx context.Context, p image.Pinned) ([]provenance.Member, error) {
		platforms, err := registry.Platforms(ctx, p, options)
		var list []provenance.Member
		for _, m := range platforms {
			list = append(list, provenance.Member{Platform: m.Name, Digest: m.Digest})
		}
		return list, err
	}
	return pipeline.Index(ctx, in, img, s)
}
