package pipeline

import (
	"context"
	"strings"
	"time"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/provenance"
)

// Index publishes an index of images that are in the registry: Push makes it,
// by digest; it is signed, with each of its images, attested with what it was made
// of, accepted by the policy engine, and only then gets its tags, as an image does.
// What else there is to say is said of each image, by the run that made it. A target without tags gets
// "latest", but where the recipe is no file: there it gets none.
//
// img is one of the images, to be asked for what a tag may say of it; it is read
// for the version and the kernel alone, and where a tag asks for them.
func Index(ctx context.Context, in Input, img image.Image, s Services) (_ *Result, err error) {
	r := newRun(in, s)
	if in.Recipe.File != "" {
		r.untagged = []string{"latest"}
	}
	began := r.Now()
	r.saidOf = func(ctx context.Context, p image.Pinned) (statement, error) { return r.madeOf(ctx, p, began) }
	defer func() { err = r.finish(err) }()

	r.result.Image = img.Location()
	if err := r.preflight(ctx); err != nil {
		return r.result, err
	}
	facts := in.Facts
	facts.Digest = anyDigest
	if r.asksTheImage() {
		facts, err = r.facts(ctx, img)
	} else {
		err = r.nameable(facts)
	}
	if err != nil {
		return r.result, err
	}
	return r.result, r.publish(ctx, img, facts)
}

// madeOf says which images an index was made of.
func (r *run) madeOf(ctx context.Context, p image.Pinned, began time.Time) (statement, error) {
	images, err := r.Members(ctx, p)
	if err != nil {
		return statement{}, err
	}
	origin := r.in.Origin
	predicate, err := provenance.IndexPredicate(provenance.Index{
		Name: r.in.Recipe.Name.Value, Recipe: origin.File, RecipeDigest: origin.Recipe, Repository: p.Repository, Images: images,
		Source: origin.Source, Builder: origin.Builder, Invocation: origin.Invocation, Started: began, Finished: r.Now(),
	})
	return statement{provenance.PredicateType, predicate}, err
}

// asksTheImage reports whether a tag has a word that only the image can tell.
func (r *run) asksTheImage() bool {
	for _, target := range r.in.Recipe.Publish {
		for _, tag := range target.Tags {
			for _, word := range templateWord.FindAllStringSubmatch(tag.Value, -1) {
				versioned := strings.HasPrefix(word[1], "version") || word[1] == "major" || word[1] == "minor"
				if word[1] == "kernel" || versioned && r.in.Facts.Version == "" {
					return true
				}
			}
		}
	}
	return false
}
