package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// CodeChanged is that of a problem with a recipe that is not the one that the
// image of the run to be resumed was built from.
const CodeChanged = "changed-recipe"

// ResumeError says that a run cannot be resumed, whatever the recipe says.
type ResumeError struct{ Err error }

// Error says why.
func (e *ResumeError) Error() string { return "resuming the publish: " + e.Err.Error() }

// Unwrap returns why.
func (e *ResumeError) Unwrap() error { return e.Err }

// MendHint says what to do.
func (e *ResumeError) MendHint() string { return "publish without --resume, which begins anew" }

// begin starts the journal, or takes up the one of the run to be resumed: then
// the base is what it was, and tags are named by what was known at the build.
func (r *run) begin() error {
	if r.in.Resume == nil {
		r.journal = journal.New()
		r.rememberBase()
		return nil
	}
	r.journal = r.in.Resume
	b := r.journal.Build
	if b == nil {
		return &ResumeError{errors.New("the run before ended before there was an image")}
	}
	r.in.Epoch = b.Facts.Epoch
	r.in.Facts.Time, r.in.Facts.Git, r.in.Facts.GitBranch = b.Facts.Time, b.Facts.Git, b.Facts.GitBranch
	r.base = b.Base
	if b.Base.Image != r.in.Recipe.Base.Image.Value {
		return changed(r.in.Recipe.Base.Image.Pos, fmt.Sprintf("the image was built on %q", b.Base.Image))
	}
	if r.ResolveBase != nil {
		r.ResolveBase = func(context.Context, recipe.Base, progress.Stage) (plan.BaseInfo, error) {
			return plan.BaseInfo{Digest: b.Base.Digest, ImageID: b.Base.ID, Architecture: b.Base.Architecture, Distro: b.Base.Distro}, nil
		}
	}
	return nil
}

// rememberBase keeps what the base is found to be.
func (r *run) rememberBase() {
	r.base = journal.Base{Image: r.in.Recipe.Base.Image.Value}
	resolve := r.ResolveBase
	if resolve == nil {
		return
	}
	r.ResolveBase = func(ctx context.Context, base recipe.Base, st progress.Stage) (plan.BaseInfo, error) {
		info, err := resolve(ctx, base, st)
		r.base.Digest, r.base.ID, r.base.Architecture, r.base.Distro = info.Digest, info.ImageID, info.Architecture, info.Distro
		return info, err
	}
}

func changed(pos diag.Pos, why string) error {
	return diag.List{{
		Pos: pos, Code: CodeChanged,
		Message: "the recipe is not the one that the image was built from, so that its publish cannot be resumed: " + why,
		Hint:    "publish without --resume, which builds it anew; or take the change back",
	}}.Err()
}

// sameText reports, at its place in the recipe, what is to be built otherwise than
// in the run that is resumed. Where the image goes is no part of that.
func (r *run) sameText(f *containerfile.File) error {
	if r.in.Resume == nil || r.journal.Build.Containerfile == digest.Digest(f.Digest()) {
		return nil
	}
	before, err := os.ReadFile(filepath.Join(r.in.Out, "Containerfile"))
	if err != nil || digest.FromBytes(before) != r.journal.Build.Containerfile {
		return changed(r.in.Recipe.Name.Pos, "something in it changed")
	}
	had, has := bytes.Split(before, []byte("\n")), bytes.Split(f.Text, []byte("\n"))
	at := 0
	for at < min(len(had), len(has)) && bytes.Equal(had[at], has[at]) {
		at++
	}
	pos, why := f.Origin(at+1), "this is where they begin to differ"
	if !pos.IsValid() {
		pos, why = r.in.Recipe.Name.Pos, "something was taken out, or a file of the project changed"
	}
	return changed(pos, why)
}

// reopen opens the image that was built, or, where that is gone, its layers as
// they were cut.
func (r *run) reopen(ctx context.Context) (image.Image, error) {
	img, err := r.Reopen(ctx, r.journal.Build.Image)
	if err == nil {
		return img, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r.passed("chunk", r.chunkWords()) && r.isWhole() {
		if chunked, cerr := r.Reopen(ctx, r.layout()); cerr == nil {
			return chunked, nil
		}
	}
	return nil, &ResumeError{fmt.Errorf("the image that was built is gone: %w", err)}
}
