package pipeline

import (
	"context"
	"errors"
	"fmt"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// PublishError says which targets have not got all that they should. The others
// have.
type PublishError struct {
	Failed []*TargetError
	// Of is how many targets there are.
	Of int
}

// TargetError is why one target failed.
type TargetError struct {
	// To is the target as the recipe has it.
	To  string
	Err error
}

// Error is what went wrong there; most say where.
func (e *TargetError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *TargetError) Unwrap() error { return e.Err }

// Error has a line for each of the targets.
func (e *PublishError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap returns the failures of the targets.
func (e *PublishError) Unwrap() []error {
	var all []error
	for _, f := range e.Failed {
		all = append(all, f)
	}
	return all
}

// publish brings the image to each target of the recipe, in order. One that
// fails keeps no other from being tried, and undoes nothing.
func (r *run) publish(ctx context.Context, img image.Image, facts Facts) error {
	targets := r.in.Recipe.Publish
	failed := &PublishError{Of: len(targets)}
	for _, target := range targets {
		done := Published{Target: target.To.Value, Tags: []string{}, Demanded: r.demands[target.To.Value]}
		err := r.publishTo(ctx, img, target, facts, &done)
		if err != nil {
			done.Error = err.Error()
			failed.Failed = append(failed.Failed, &TargetError{target.To.Value, err})
		}
		r.result.Published = append(r.result.Published, done)
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	r.result.Unchanged = unchanged(r.result.Published)
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// unchanged reports whether nothing was written that clients follow.
func unchanged(all []Published) bool {
	for _, p := range all {
		if !p.Unchanged {
			return false
		}
	}
	return len(all) > 0
}

// publishTo is the transaction of one target: the digest is pushed, signed,
// attested and accepted by the policy engine before the first tag names it.
func (r *run) publishTo(ctx context.Context, img image.Image, target recipe.Target, facts Facts, done *Published) error {
	if r.unready[done.Target] {
		if err := r.stage("preflight", func(st progress.Stage) error { return r.ready(ctx, target, st) }); err != nil {
			return err
		}
	}
	if target.IsPlace() {
		return r.place(ctx, img, target, facts, done)
	}
	tags, problems := r.tags(target, facts)
	if err := problems.Err(); err != nil {
		return err
	}
	if r.Sign == nil || r.in.NoTags {
		tags = nil
	}
	if same, err := r.isUnchanged(ctx, img, tags, done); err != nil || same {
		return err
	}
	if err := r.push(ctx, img, target, done); err != nil || r.Sign == nil {
		return err
	}
	facts.Digest = done.Digest.String()
	if len(tags) > 0 {
		if tags, problems = r.tags(target, facts); problems.HasErrors() {
			return problems.Err()
		}
	}
	if err := r.sign(ctx, done); err != nil {
		return err
	}
	if err := r.attest(ctx, done); err != nil {
		return err
	}
	if err := r.verify(ctx, done); err != nil {
		return err
	}
	return r.tag(ctx, img, tags, done)
}

// push uploads the image, unless the run that is resumed did, and the registry
// has it still.
func (r *run) push(ctx context.Context, img image.Image, target recipe.Target, done *Published) error {
	return r.stage("push", func(st progress.Stage) (err error) {
		if pushed := r.pushedBefore(done.Target); pushed != "" {
			if done.Pinned, err = r.Find(ctx, target.To.Value, pushed.String()); err != nil {
				return err
			}
			if done.Digest == pushed {
				st.Infof("%s is there already", done.Pinned)
				return nil
			}
		}
		if done.Pinned, err = r.Push(ctx, img, target.To.Value, st); err != nil {
			return err
		}
		st.Infof("%s", done.Pinned)
		return r.logTarget(done.Target, func(t *journal.Target) { *t = journal.Target{To: t.To, Digest: done.Digest} })
	})
}

func (r *run) pushedBefore(to string) digest.Digest {
	if r.journal == nil {
		return ""
	}
	return r.journal.Target(to).Digest
}

func (r *run) logTarget(to string, change func(*journal.Target)) error {
	if r.journal == nil {
		return nil
	}
	change(r.journal.Target(to))
	return r.log()
}

func (r *run) sign(ctx context.Context, done *Published) error {
	return r.stage("sign", func(progress.Stage) error {
		// One that is there already is left as it is.
		if err := r.Sign(ctx, done.Pinned); err != nil {
			return err
		}
		done.Signed = true
		return r.logTarget(done.Target, func(t *journal.Target) { t.Signed = true })
	})
}

// attest attaches what is said of the image.
func (r *run) attest(ctx context.Context, done *Published) error {
	return r.stage("attest", func(st progress.Stage) error {
		said := r.said
		if r.saidOf != nil {
			s, err := r.saidOf(ctx, done.Pinned)
			if err != nil {
				return err
			}
			said = []statement{s}
		}
		for _, s := range said {
			if err := r.Attest(ctx, done.Pinned, s.predicateType, s.predicate); err != nil {
				return err
			}
			done.Attested = append(done.Attested, s.predicateType)
			st.Infof("%s", s.predicateType)
		}
		return r.logTarget(done.Target, func(t *journal.Target) { t.Attested = true })
	})
}

func (r *run) verify(ctx context.Context, done *Published) error {
	return r.stage("verify", func(st progress.Stage) error {
		if err := r.Verify(ctx, done.Pinned, done.Attested); err != nil {
			return err
		}
		done.Verified, done.Engine = true, r.Engine
		st.Infof("%s accepts %s", r.Engine, done.Pinned)
		return r.logTarget(done.Target, func(t *journal.Target) { t.Verified = true })
	})
}

// place copies the image to a place that is no registry.
func (r *run) place(ctx context.Context, img image.Image, target recipe.Target, facts Facts, done *Published) error {
	to, name, problems := r.named(target, facts)
	if err := problems.Err(); err != nil {
		return err
	}
	return r.stage("place", func(st progress.Stage) (err error) {
		if done.Pinned, err = r.Place(ctx, img, to, name, st); err != nil {
			return fmt.Errorf("publishing to %q: %w", to, err)
		}
		done.Tags = append(done.Tags, name)
		st.Infof("%s:%s", done.Repository, name)
		return r.logTarget(done.Target, func(t *journal.Target) { t.Digest, t.Tags = done.Digest, done.Tags })
	})
}
