package pipeline

import (
	"cmp"
	"context"
	"errors"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// anyDigest stands for the digest while it is not known; it is always well
// formed in a tag.
const anyDigest = "sha256:000000000000"

// preflight proves what would otherwise fail after the long build: that every
// repository can be written to, and that the tags can be named.
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
		for _, target := range r.in.Recipe.Publish {
			if err := r.Preflight(ctx, target.To.Value); err != nil {
				errs = append(errs, err)
				continue
			}
			st.Infof("%s can be written to", target.To.Value)
		}
		return errors.Join(errs...)
	})
}

// nameable reports the tags of all targets that cannot be.
func (r *run) nameable(facts Facts) error {
	var all diag.List
	for _, target := range r.in.Recipe.Publish {
		_, problems := r.tags(target, facts)
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

// facts are what the tags can say of the image, all but its digest. They are
// read once, because the image that is pushed may be one of packed layers.
func (r *run) facts(ctx context.Context, img image.Image) (Facts, error) {
	facts := r.in.Facts
	if err := facts.read(ctx, img); err != nil {
		return facts, err
	}
	facts.Digest = anyDigest
	return facts, r.nameable(facts)
}

// publish brings the image to each target of the recipe, in order.
func (r *run) publish(ctx context.Context, img image.Image, facts Facts) error {
	for _, target := range r.in.Recipe.Publish {
		if err := r.publishTo(ctx, img, target, facts); err != nil {
			return err
		}
	}
	return nil
}

// publishTo is the transaction of one target: the digest is pushed, signed and
// accepted by the policy engine before the first tag names it.
func (r *run) publishTo(ctx context.Context, img image.Image, target recipe.Target, facts Facts) error {
	done := Published{Tags: []string{}}
	defer func() {
		if done.Digest != "" {
			r.result.Published = append(r.result.Published, done)
		}
	}()

	err := r.stage("push", func(st progress.Stage) (err error) {
		done.Pinned, err = r.Push(ctx, img, target.To.Value, st)
		if err == nil {
			st.Infof("%s", done.Pinned)
		}
		return err
	})
	if err != nil {
		return err
	}

	if r.Sign == nil {
		return nil
	}

	err = r.stage("sign", func(progress.Stage) error {
		if err := r.Sign(ctx, done.Pinned); err != nil {
			return err
		}
		done.Signed = true
		return nil
	})
	if err != nil {
		return err
	}

	err = r.stage("verify", func(st progress.Stage) error {
		if err := r.Verify(ctx, done.Pinned); err != nil {
			return err
		}
		done.Verified = true
		st.Infof("the containers policy engine accepts %s", done.Pinned)
		return nil
	})
	if err != nil {
		return err
	}

	facts.Digest = done.Digest.String()
	tags, problems := r.tags(target, facts)
	if err := problems.Err(); err != nil || len(tags) == 0 {
		return err
	}
	return r.stage("tag", func(st progress.Stage) error {
		for _, tag := range tags {
			if err := r.Tag(ctx, done.Pinned, tag); err != nil {
				return err
			}
			done.Tags = append(done.Tags, tag)
			st.Infof("%s:%s", done.Repository, tag)
		}
		// Once more, now that clients follow the tags: another signer may have
		// written over the signature.
		return r.Verify(ctx, done.Pinned)
	})
}
