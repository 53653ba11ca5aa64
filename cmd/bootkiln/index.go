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
	signing  signFlags
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
	fl.StringVar(&o.recipe, "recipe", "", "`recipe` that says where the index goes, its tags and what to sign with")
	fl.StringArrayVarP(&o.tags, "tag", "t", nil, tagWords)
	o.signing.register(cmd)
	cmd.MarkFlagsMutuallyExclusive("recipe", "tag")
	cmd.MarkFlagsMutuallyExclusive("recipe", "sign-by")
	cmd.MarkFlagsMutuallyExclusive("recipe", "keyless")
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
	if target.Tags, err = tagTemplates(o.tags); err != nil {
		return err
	}
	if len(o.tags) > 0 && !o.signing.given() {
		return hinted(&usageError{fmt.Errorf("tag %q would name an unsigned index", o.tags[0])}, "give --sign-by KEY or --keyless, or make it without a tag")
	}
	var images []pipeline.Published
	for _, arg := range args[1:] {
		d, err := memberOf(repository, arg)
		if err != nil {
			return err
		}
		images = append(images, pipeline.Published{Pinned: image.Pinned{Repository: repository, Digest: d}})
	}
	signers, err := o.signing.signers(ctx, o.env)
	if err != nil {
		return err
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
	result, err := o.run(ctx, in, members{repository: images}, signers)
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
	images := members{}
	for _, file := range files {
		if err := images.read(file, p.recipe.Name.Value); err != nil {
			return err
		}
	}
	for _, t := range p.recipe.Publish {
		if got, want := len(images[t.To.Value]), max(len(p.recipe.Platforms), 1); got != want {
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
	result, err := o.run(ctx, in, images, signers)
	if err != nil {
		return p.problem(err)
	}
	if o.format.value == formatJSON {
		return e.writeJSON(result)
	}
	return e.writeResult(result)
}

// members are the images of each target, as they were published.
type members map[string][]pipeline.Published

// read adds what a publish of the image called name brought to each target.
func (m members) read(file, name string) error {
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
		m[p.Target] = append(m[p.Target], p)
	}
	return nil
}

// digests are those of a target's images.
func (m members) digests(target string) (list []digest.Digest) {
	for _, p := range m[target] {
		list = append(list, p.Digest)
	}
	return list
}

// attested returns nil where all that was said of a target's images, when they
// were published, is there and said by each of the signers.
func (m members) attested(ctx context.Context, target string, signers []*sign.Signer, o registry.Options) error {
	for _, p := range m[target] {
		for _, s := range signers {
			author, err := s.Author(ctx)
			if err != nil {
				return err
			}
			if _, err := sign.Attestations(ctx, p.Pinned, []sign.Author{author}, p.Attested, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// run publishes the indexes of the images.
func (o *indexOptions) run(ctx context.Context, in pipeline.Input, images members, signers []*sign.Signer) (_ *pipeline.Result, err error) {
	options, err := o.registry.options(o.env, repositoriesOf(in.Recipe)...)
	if err != nil {
		return nil, err
	}
	if len(in.Recipe.Publish) == 0 {
		return nil, &usageError{errors.New("no target of the recipe is in a registry")}
	}
	first := in.Recipe.Publish[0].To.Value
	img, closer, err := registry.OpenImage(ctx, first+"@"+images[first][0].Digest.String(), options, image.LayerOptions{TempDir: options.TempDir})
	if err != nil {
		return nil, err
	}
	defer closing(closer, &err)
	s := pipeline.Services{Progress: o.env.progress(o.globals), Now: o.env.now}
	publishServices(&s, options, signers...)
	s.Push = func(ctx context.Context, _ image.Image, repository string, st progress.Stage) (image.Pinned, error) {
		options := options
		options.Progress = st
		p, err := registry.PushIndex(ctx, repository, images.digests(repository), options)
		if err != nil {
			return p, err
		}
		return p, asked(ctx, p, in.Recipe.Platforms, options)
	}
	if verify := s.Verify; verify != nil {
		s.Verify = func(ctx context.Context, p image.Pinned, types []string) error {
			if err := verify(ctx, p, types); err != nil {
				return err
			}
			return images.attested(ctx, p.Repository, signers, options)
		}
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

// asked returns nil where an index is for the platforms that a recipe asks for,
// or the recipe asks for none.
func asked(ctx context.Context, p image.Pinned, platforms []recipe.String, o registry.Options) error {
	if len(platforms) == 0 {
		return nil
	}
	made, err := registry.Platforms(ctx, p, o)
	if err != nil {
		return err
	}
	for _, want := range platforms {
		if !slices.ContainsFunc(made, func(m registry.Platform) bool { return m.Name == want.Value }) {
			return hinted(fmt.Errorf("making the index of %q: there is no image for %s", p.Repository, want.Value),
				"name the result.json of each platform, as 'bootkiln publish --no-tags' wrote it there")
		}
	}
	return nil
}
