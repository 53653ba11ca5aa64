package pipeline

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// LayoutDir is the folder of the chunked image in the output folder, and
// ChunkName the file that says how it was cut.
const (
	LayoutDir = "layout"
	ChunkName = "chunk.json"
)

// ChunkOff is the mode of [recipe.Chunk] that keeps the layers of the build.
const ChunkOff = "off"

// chunk cuts the image into the layers that are published, next to those that
// machines have now. With "off" it returns the image as it was built.
func (r *run) chunk(ctx context.Context, img image.Image, facts Facts) (chunked image.Image, err error) {
	words := r.in.Recipe.Chunk
	if words.Mode.Value == ChunkOff {
		// That of an earlier run has another image.
		return img, chunk.Clear(ctx, filepath.Join(r.in.Out, LayoutDir))
	}
	err = r.stage("chunk", func(st progress.Stage) (err error) {
		if r.passed("chunk", r.chunkWords()) && (r.leaves() || r.isWhole()) {
			st.Infof("cut already")
			r.result.Chunks = &chunk.Report{}
			if err := r.left(ChunkName, r.result.Chunks); err != nil {
				return err
			}
			chunked, err = r.Reopen(ctx, r.layout())
			return err
		}
		if r.whole {
			st.Warnf("a registry lacks layers that were left out: all are written")
		}
		previous, trusted, closer, err := r.previous(ctx, facts, st)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closer.Close()) }()
		var held map[digest.Digest]bool
		if trusted {
			if held, err = r.held(ctx, previous, st); err != nil {
				return err
			}
		}
		var report *chunk.Report
		chunked, report, err = r.Chunk(ctx, img, filepath.Join(r.in.Out, LayoutDir), chunk.RewriteOptions{
			Options:  chunk.Options{Layers: words.Layers, Largest: words.Largest},
			Previous: previous,
			Held:     held,
			Stage:    st,
		})
		var full *chunk.BudgetError
		if errors.As(err, &full) {
			return r.misfit(full)
		}
		if err != nil {
			return err
		}
		r.result.Chunks = report
		st.Infof("%s", report.Summary())
		if report.Update != nil {
			for _, line := range report.Update.Lines() {
				st.Infof("%s", line)
			}
		}
		for _, note := range report.Notes {
			st.Infof("%s", note)
		}
		return r.cut(report)
	})
	return chunked, err
}

// misfit is a problem of the recipe: what it says of layers is too little.
func (r *run) misfit(full *chunk.BudgetError) error {
	words, word := r.in.Recipe.Chunk, "chunk"
	at := words.Pos
	switch {
	case words.LargestPos.IsValid():
		at, word = words.LargestPos, "chunk.largest"
	case !at.IsValid():
		at = r.in.Recipe.Name.Pos
	}
	return diag.List{{
		Pos: at, Path: word, Code: "layers-too-small", Message: full.Error(),
		Hint: "allow larger ones with chunk.largest, or more with chunk.layers; 'bootkiln publish --resume' then cuts the image that is built",
	}}.Err()
}

// cut notes how the image was cut. What was pushed before is another image now.
func (r *run) cut(report *chunk.Report) error {
	if r.journal != nil {
		r.journal.Targets = []journal.Target{}
	}
	if err := r.keep(ChunkName, report); err != nil {
		return err
	}
	return r.pass("chunk", r.chunkWords(), ChunkName, filepath.Join(LayoutDir, "index.json"))
}

// chunkWords are what the cut depends on beside the image.
func (r *run) chunkWords() digest.Digest { return wordsOf(r.in.Recipe.Chunk) }

// layout is where the cut image is.
func (r *run) layout() string { return "oci:" + filepath.Join(r.in.Out, LayoutDir) }

// previous opens the image that machines have now: what the tag of the first
// registry names that moves with every build, which is the last to be written. It
// is nil where there is none. One that cannot be read costs the machines a larger
// update, and is no reason not to give them one. trusted says that it is this
// publish's own work; then it is what was verified, whatever becomes of the tag.
func (r *run) previous(ctx context.Context, facts Facts, st progress.Stage) (_ image.Image, trusted bool, _ io.Closer, _ error) {
	nobody := io.NopCloser(nil)
	first := slices.IndexFunc(r.in.Recipe.Publish, func(t recipe.Target) bool { return !t.IsPlace() })
	if first < 0 {
		return nil, false, nobody, nil
	}
	target := r.in.Recipe.Publish[first]
	tags, problems := r.tags(target, facts)
	if err := problems.Err(); err != nil || len(tags) == 0 {
		return nil, false, nobody, err
	}
	tag := tags[len(tags)-1]
	ref := target.To.Value + ":" + tag
	signed, err := r.trusted(ctx, target.To.Value, tag)
	if err != nil {
		return nil, false, nil, err
	}
	if signed.Digest != "" {
		ref = signed.String()
	}
	previous, closer, err := r.Previous(ctx, ref)
	switch {
	case ctx.Err() != nil:
		return nil, false, nil, ctx.Err()
	case err != nil:
		st.Warnf("%s cannot be read, so that its layers cannot be kept: %v", ref, err)
	case previous == nil:
		st.Infof("%s is not there yet: this is its first layout", ref)
	default:
		st.Infof("machines have %s: its layers are kept where they can be", ref)
	}
	if closer == nil {
		closer = nobody
	}
	return previous, signed.Digest != "" && previous != nil, closer, nil
}
