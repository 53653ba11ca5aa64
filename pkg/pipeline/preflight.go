package pipeline

import (
	"cmp"
	"context"
	"errors"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// anyDigest stands for the digest while it is not known; it is always well
// formed in a tag.
const anyDigest = "sha256:000000000000"

// passing is an error of a registry that may be over by the time that there is
// an image.
type passing interface {
	error
	Passing() bool
}

// preflight proves what would otherwise fail after the long build: that every
// target can be written to, and that the tags can be named. A registry that is
// down, beside one that is ready, is asked again when there is an image, for a
// mirror shall keep no night's image from the others; so is each target of a run
// that is resumed, where there is no build to be saved.
func (r *run) preflight(ctx context.Context) error {
	return r.stage("preflight", func(st progress.Stage) error {
		// What only the built image can tell is taken to be known.
		known := r.in.Facts
		known.Version = cmp.Or(known.Version, "0.0")
		known.Kernel, known.Digest = "0", anyDigest
		if err := r.nameable(known); err != nil {
			return err
		}
		var errs []error
		ready, final := r.in.Resume != nil, false
		for _, target := range r.in.Recipe.Publish {
			err := r.ready(ctx, target, st)
			if err == nil {
				ready = true
				st.Infof("%s can be written to", target.To.Value)
				continue
			}
			errs = append(errs, err)
			p, ok := errors.AsType[passing](err)
			if ctx.Err() != nil || r.in.Resume == nil && !(ok && p.Passing()) {
				final = true
				continue
			}
			r.unready[target.To.Value] = true
		}
		if final || !ready {
			return errors.Join(errs...)
		}
		for _, err := range errs {
			st.Warnf("it is asked again when there is an image: %v", err)
		}
		return nil
	})
}

// ready proves that one target can be written to.
func (r *run) ready(ctx context.Context, target recipe.Target, st progress.Stage) error {
	if !target.IsPlace() {
		if err := r.Preflight(ctx, target.To.Value); err != nil {
			return err
		}
		return r.look(ctx, target, st)
	}
	to, name, problems := r.named(target, r.in.Facts)
	if len(problems) > 0 {
		return nil // the image has to tell where this is
	}
	return r.PlaceReady(ctx, to, name)
}

// nameable reports the tags of all targets that cannot be.
func (r *run) nameable(facts Facts) error {
	var all diag.List
	for _, target := range r.in.Recipe.Publish {
		var problems diag.List
		if target.IsPlace() {
			_, _, problems = r.named(target, facts)
		} else {
			_, problems = r.tags(target, facts)
		}
		all = append(all, problems...)
	}
	return all.Err()
}

func (r *run) tags(target recipe.Target, facts Facts) ([]string, diag.List) {
	if len(target.Tags) == 0 {
		return r.untagged, nil
	}
	return Tags(target.Tags, facts)
}

// named returns where a place is, and what the image is called there. It is
// named before there is a digest.
func (r *run) named(target recipe.Target, facts Facts) (to, name string, problems diag.List) {
	facts.Digest = ""
	to, problems = facts.fill("place", target.To)
	if len(target.Tags) == 0 {
		return to, "latest", problems
	}
	tags, more := Tags(target.Tags, facts)
	if len(tags) > 0 {
		name = tags[0]
	}
	return to, name, append(problems, more...)
}

// facts are what the tags can say of the image, all but its digest, and whether
// its own policy demands signatures. They are read once, because the image that
// is pushed may be one of packed layers.
func (r *run) facts(ctx context.Context, img image.Image) (_ Facts, err error) {
	facts := r.in.Facts
	root, err := img.Root(ctx)
	if err != nil {
		return facts, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := facts.read(root); err != nil {
		return facts, err
	}
	for _, target := range r.in.Recipe.Publish {
		if target.IsPlace() {
			continue
		}
		demands, err := check.DemandsSignature(root, target.To.Value)
		if err != nil {
			return facts, err
		}
		r.demands[target.To.Value] = demands
	}
	facts.Digest = anyDigest
	return facts, r.nameable(facts)
}
