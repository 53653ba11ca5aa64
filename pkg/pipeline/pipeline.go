// Package pipeline is the order of the work: plan, build, check, boot, describe,
// chunk, push, sign, attest, verify, tag. It is the only package that knows every stage, and knows
// nothing else.
package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Input is what a run is about.
type Input struct {
	Recipe *recipe.Recipe
	// Warnings are what the recipe can be used with, for the result; nobody is
	// shown them again.
	Warnings diag.List
	// Project is the folder of the recipe; it is only read.
	Project fs.FS
	// Out is the folder for results; it exists.
	Out string
	// Facts are what is known of the build before it begins; Version, Digest
	// and Kernel are filled in along the way.
	Facts Facts
	// Epoch is SOURCE_DATE_EPOCH; zero where it is not set.
	Epoch time.Time
	// Origin is who makes the image, and from what.
	Origin Origin
	// Resume is the journal of the run that this one continues, nil for one that
	// begins anew. It is the run's from then on.
	Resume *journal.Journal
	// PublicCaches are the repositories that everyone may be able to pull from, and
	// that the build brings results of steps to.
	PublicCaches []string
	// NoTags writes no tag: the image is one of several platforms, whose index gets
	// the tags; see [Index].
	NoTags bool
	// IfChanged writes no signature and no tag where the tag that moves with every
	// build names the very same image already.
	IfChanged bool
	// IfNewer leaves a tag alone that names an image that was made later.
	IfNewer bool
}

// Services are the stages' doers. A stage gets the [progress.Stage] that it
// reports to; it must not End it.
type Services struct {
	// ResolveBase pins the base; nil where the recipe says all that is needed.
	ResolveBase func(ctx context.Context, base recipe.Base, st progress.Stage) (plan.BaseInfo, error)
	// TrustFiles writes signature policies for images; nil where no recipe has
	// trust. See [plan.Options].
	TrustFiles func(scope string, keys [][]byte) ([]plan.PolicyFile, error)
	// Preflight proves that a repository can be written to.
	Preflight func(ctx context.Context, repository string) error
	// PlaceReady proves the same of a place that is no registry, and Place copies
	// the image there under a name; to is as [recipe.Target] has it, its words
	// replaced.
	PlaceReady func(ctx context.Context, to, name string) error
	Place      func(ctx context.Context, img image.Image, to, name string, st progress.Stage) (image.Pinned, error)
	// Find returns what a tag or digest of a repository names now, the zero value
	// where that is nothing. Config reads the configuration of an image there.
	Find   func(ctx context.Context, repository, tagOrDigest string) (image.Pinned, error)
	Config func(ctx context.Context, p image.Pinned) (*imgspecv1.Image, error)
	// Resolve runs the query of a plan, and says which names nobody knows; nil
	// leaves it to the build to find out.
	Resolve func(ctx context.Context, query *containerfile.File, st progress.Stage) (diag.List, error)
	// Reopen opens the image of an earlier run, by its [image.Image.Location].
	Reopen func(ctx context.Context, location string) (image.Image, error)
	// Build makes the image in the store.
	Build func(ctx context.Context, f *containerfile.File, st progress.Stage) (image.Image, error)
	// Check runs the rules. base is the image that it is made from, as the plan
	// pinned it, "" for one that was not built here; repos are the recipe's,
	// some of which it keeps. The recipe's own assertions come from the recipe.
	Check func(ctx context.Context, img image.Image, base string, repos []recipe.Repo) (*check.Report, error)
	// BootReady proves that this machine has what booting needs, and Boot boots the
	// image; neither is called where the recipe's boot is off. Boot gets what the
	// recipe says.
	BootReady func(ctx context.Context) error
	Boot      func(ctx context.Context, img image.Image, o boot.Options) (*boot.Result, error)
	// Previous opens what a reference with a tag names in its registry now; it is
	// nil where there is nothing. Chunk cuts the image into layers, in the folder
	// dir. Neither is called where the recipe's chunk is off.
	Previous func(ctx context.Context, ref string) (image.Image, io.Closer, error)
	Chunk    func(ctx context.Context, img image.Image, dir string, o chunk.RewriteOptions) (image.Image, *chunk.Report, error)
	// Holds returns those of the blobs that a repository has; nil has all layers
	// written, whatever is in the registries.
	Holds func(ctx context.Context, repository string, blobs []digest.Digest) ([]digest.Digest, error)
	// Push uploads the image by digest; no tag is written.
	Push func(ctx context.Context, img image.Image, repository string, st progress.Stage) (image.Pinned, error)
	// Members returns the images of an index that was pushed; only [Index] asks.
	Members func(ctx context.Context, p image.Pinned) ([]provenance.Member, error)
	// Sign attaches a signature to the digest; nil leaves the image unsigned,
	// and then without a tag.
	Sign func(ctx context.Context, p image.Pinned) error
	// Attest attaches a signed statement to the digest, in the place of an earlier
	// one of the same type. It is nil where Sign is.
	Attest func(ctx context.Context, p image.Pinned, predicateType string, predicate []byte) error
	// Verify accepts the digest the way a client will, through the containers
	// policy engine, and demands attestations of the given types.
	Verify func(ctx context.Context, p image.Pinned, attested []string) error
	// Engine is whom Verify asks; it is not set where Sign is nil.
	Engine Engine
	// Tag points the tag at the digest, and reads it back.
	Tag func(ctx context.Context, p image.Pinned, tag string) error

	Progress progress.Reporter
	// Now is the clock that stages are timed with.
	Now func() time.Time
}

// Run takes a recipe all the way to signed tags; a target without tags gets
// "latest". The result is returned, and
// written to the output folder, whether the run went well or not: it says how
// far it came. Problems of the recipe are a [*diag.ListError]; an image that
// must not be published is a [*check.FailedError], a [*TestError], or both, or a
// [*boot.FailedError]. Targets that failed, while others may have all that they
// should, are a [*PublishError]. A run that cannot be resumed is a [*ResumeError],
// or a problem of the recipe, of [CodeChanged]. A target that the image's licence keeps it from is a problem of the recipe, of
// [CodeRestricted].
func Run(ctx context.Context, in Input, s Services) (_ *Result, err error) {
	r := newRun(in, s)
	r.untagged = []string{"latest"}
	defer func() { err = r.finish(err) }()

	if err := r.begin(); err != nil {
		return r.result, err
	}
	f, err := r.plan(ctx)
	if err != nil {
		return r.result, err
	}
	if err := errors.Join(r.guardBase(r.planned.Base), r.guardCache(r.planned.Base)); err != nil {
		return r.result, err
	}
	if err := errors.Join(r.bootable(ctx), r.preflight(ctx)); err != nil {
		return r.result, err
	}
	if err := r.resolve(ctx); err != nil {
		return r.result, err
	}
	img, err := r.build(ctx, f)
	if err != nil {
		return r.result, err
	}
	if err := r.guardImage(ctx, img); err != nil {
		return r.result, err
	}
	if err := r.check(ctx, img); err != nil {
		return r.result, err
	}
	if err := r.boot(ctx, img); err != nil {
		return r.result, err
	}
	facts, err := r.facts(ctx, img)
	if err != nil {
		return r.result, err
	}
	if err := r.describe(ctx, img); err != nil {
		return r.result, err
	}
	return r.result, r.distribute(ctx, img, facts)
}

// Build is the first half of [Run]: an image in the store that passed its
// checks, and where there is a service for it, boots.
func Build(ctx context.Context, in Input, s Services) (_ *Result, err error) {
	r := newRun(in, s)
	defer func() { err = r.finish(err) }()

	f, err := r.plan(ctx)
	if err != nil {
		return r.result, err
	}
	if err := r.guardCache(r.planned.Base); err != nil {
		return r.result, err
	}
	if r.Boot != nil {
		if err := r.bootable(ctx); err != nil {
			return r.result, err
		}
	}
	if err := r.resolve(ctx); err != nil {
		return r.result, err
	}
	img, err := r.build(ctx, f)
	if err != nil {
		return r.result, err
	}
	if err := r.check(ctx, img); err != nil || r.Boot == nil {
		return r.result, err
	}
	return r.result, r.boot(ctx, img)
}

// Push is the second half of [Run], for an image that exists: it goes by
// digest to each target of the recipe in [Input], is signed and verified there,
// and only then gets its tags. A target without tags gets none.
func Push(ctx context.Context, in Input, img image.Image, s Services) (_ *Result, err error) {
	r := newRun(in, s)
	defer func() { err = r.finish(err) }()

	r.result.Image = img.Location()
	if err := r.guardImage(ctx, img); err != nil {
		return r.result, err
	}
	if err := errors.Join(r.bootable(ctx), r.preflight(ctx)); err != nil {
		return r.result, err
	}
	if err := r.check(ctx, img); err != nil {
		return r.result, err
	}
	if err := r.boot(ctx, img); err != nil {
		return r.result, err
	}
	facts, err := r.facts(ctx, img)
	if err != nil {
		return r.result, err
	}
	if err := r.describe(ctx, img); err != nil {
		return r.result, err
	}
	return r.result, r.publish(ctx, img, facts)
}

type run struct {
	Services
	in     Input
	result *Result
	// planned is what is built.
	planned *plan.Plan
	// report is what the checks found.
	report *check.Report
	// untagged are the tags of a target that names none.
	untagged []string
	// journal is nil where nothing is resumed: of an image that was not built here.
	journal *journal.Journal
	// base is what the base was found to be.
	base journal.Base
	// said is what is said of the image.
	said []statement
	// saidOf says something of what was pushed to one place; nil for an image, of
	// which all is said before.
	saidOf func(ctx context.Context, p image.Pinned) (statement, error)
	// seen is what tags named at the beginning, by reference.
	seen map[string]digest.Digest
	// demands are the repositories of which the image's own policy demands
	// signatures.
	demands map[string]bool
	// whole has all layers written, those too that the registries have.
	whole bool
	// unready are the targets that could not be written to before the build.
	unready map[string]bool
}

func newRun(in Input, s Services) *run {
	return &run{Services: s, in: in, result: newResult(in), seen: map[string]digest.Digest{}, demands: map[string]bool{}, unready: map[string]bool{}}
}

func newResult(in Input) *Result {
	return &Result{
		Name: in.Recipe.Name.Value, Recipe: in.Recipe.File, Problems: slices.Clone(in.Warnings),
		Published: []Published{}, Stages: []StageTime{},
	}
}

// finish writes the result, also of a run that failed.
func (r *run) finish(err error) error {
	if err != nil {
		r.result.Error = err.Error()
	}
	var problems *diag.ListError
	if errors.As(err, &problems) {
		r.result.Problems = append(r.result.Problems, problems.List...)
	}
	r.result.Problems.Sort() // the list of an error may be there already
	return errors.Join(err, r.keep("result.json", r.result))
}

// stage runs one stage, timed and shown.
func (r *run) stage(name string, do func(progress.Stage) error) error {
	st, start := r.Progress.Stage(name), r.Now()
	err := do(st)
	r.result.timed(name, r.Now().Sub(start))
	st.End(err)
	return err
}

// keep writes a report to the output folder, where there is one.
func (r *run) keep(name string, report any) error {
	if r.in.Out == "" {
		return nil
	}
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %q: %w", name, err)
	}
	return writeFile(filepath.Join(r.in.Out, name), append(b, '\n'))
}
