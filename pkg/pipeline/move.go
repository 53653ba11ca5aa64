package pipeline

import (
	"context"
	"errors"
	"slices"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// refusal is an error of a registry that may be about the login.
type refusal interface {
	error
	Refused() bool
}

// look reads what the target's tags name before anything is done, as far as they
// can be named yet, so that somebody else's publish in between is noticed. The
// right to write there is proved.
func (r *run) look(ctx context.Context, target recipe.Target, st progress.Stage) error {
	if r.Sign == nil {
		return nil // no tag is written
	}
	words := target.Tags
	if len(words) == 0 {
		for _, tag := range r.untagged {
			words = append(words, recipe.String{Value: tag})
		}
	}
	// Those that cannot be named are reported elsewhere.
	tags, _ := Tags(words, r.in.Facts)
	for _, tag := range tags {
		found, err := r.Find(ctx, target.To.Value, tag)
		if e, ok := errors.AsType[refusal](err); ok && e.Refused() {
			// Before the first publish there is nothing, and registries do not tell
			// everyone that from what one may not see.
			st.Infof("%s does not show its tags: it may not be there yet", target.To.Value)
			return nil
		}
		if err != nil {
			return err
		}
		r.seen[target.To.Value+":"+tag] = found.Digest
	}
	return nil
}

// isUnchanged reports whether a publish that was asked to write only what changed
// has nothing to write: the tag that moves with every build names this image, or
// one that differs from it in its age alone, and clients accept that.
func (r *run) isUnchanged(ctx context.Context, img image.Image, tags []string, done *Published) (bool, error) {
	if !r.in.IfChanged || len(tags) == 0 {
		return false, nil
	}
	floating := tags[len(tags)-1]
	now, err := r.Find(ctx, done.Target, floating)
	if err != nil || now.Digest == "" {
		return false, err
	}
	there, err := r.Config(ctx, now)
	if err != nil {
		// It may be no image, or not be whole; the push will tell what is wrong with
		// the registry.
		return false, ctx.Err()
	}
	ours, err := img.Config(ctx)
	if err != nil || !sameImage(there, ours) {
		return false, err
	}
	err = r.stage("verify", func(st progress.Stage) error {
		if err := r.Verify(ctx, now, nil); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			st.Warnf("%s:%s names this image already, but clients do not accept it: %v", now.Repository, floating, err)
			return nil
		}
		done.Pinned, done.Signed, done.Verified, done.Engine, done.Unchanged = now, true, true, r.Engine, true
		st.Infof("%s:%s names %s, which is this image: nothing is written", now.Repository, floating, now.Digest)
		return nil
	})
	return done.Unchanged, err
}

// tag points the tags at the image, the floating one last.
func (r *run) tag(ctx context.Context, img image.Image, tags []string, done *Published) error {
	if len(tags) == 0 {
		return nil
	}
	return r.stage("tag", func(st progress.Stage) error {
		for _, tag := range tags {
			kept, err := r.keeps(ctx, img, tag, done, st)
			if err != nil {
				return err
			}
			if kept {
				done.Kept = append(done.Kept, tag)
				continue
			}
			if err := r.Tag(ctx, done.Pinned, tag); err != nil {
				return err
			}
			done.Tags = append(done.Tags, tag)
			st.Infof("%s:%s", done.Repository, tag)
			if err := r.logTarget(done.Target, func(t *journal.Target) { t.Tags = slices.Clone(done.Tags) }); err != nil {
				return err
			}
		}
		if len(done.Tags) == 0 {
			return nil
		}
		// Once more, now that clients follow the tags: another signer may have
		// written over the signature.
		return r.Verify(ctx, done.Pinned, done.Attested)
	})
}

// keeps looks at what a tag names right before it is written: it warns of
// somebody else's publish, and reports whether what is there stays because it is
// newer.
func (r *run) keeps(ctx context.Context, img image.Image, tag string, done *Published, st progress.Stage) (bool, error) {
	now, err := r.Find(ctx, done.Repository, tag)
	if err != nil || now.Digest == done.Digest {
		return false, err
	}
	if before, looked := r.seen[done.Repository+":"+tag]; looked && before != now.Digest {
		st.Warnf("while this ran, somebody else published %s:%s: it named %s, and names %s now",
			done.Repository, tag, orNothing(before), orNothing(now.Digest))
	}
	if !r.in.IfNewer || now.Digest == "" {
		return false, nil
	}
	there, err := r.Config(ctx, now)
	if err != nil {
		return false, err
	}
	config, err := img.Config(ctx)
	if err != nil {
		return false, err
	}
	theirs, ours := created(there), created(config)
	if !theirs.After(ours) {
		return false, nil
	}
	st.Warnf("%s:%s stays as it is: %s was made at %s, and this image at %s", done.Repository, tag, now.Digest,
		theirs.UTC().Format("2006-01-02 15:04:05"), ours.UTC().Format("2006-01-02 15:04:05"))
	return true, nil
}

func orNothing(d digest.Digest) string {
	if d == "" {
		return "nothing"
	}
	return d.String()
}
