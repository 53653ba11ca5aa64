package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// A nightly build on a new machine has no layers of earlier runs. Those that the
// registries have and that did not change are left there: they are in the
// manifest and not in the layout. Three things have to be so:
//
//   - nobody else gets the layout: each target is a registry, and each of them
//     has the layer;
//   - the image that it is from carries the signature of this publish. What a
//     layer unpacks to is said by that image's configuration, which nobody checks
//     here; without the signature, whoever may write to the registry could have
//     another layer signed;
//   - its archive has the digest that this run's image gives.
//
// A registry may lose one until it is pushed to. Then all are written after all.
//
// Stale layers, which have files of earlier images in them beside the image's own,
// are read from the registry all the same: nothing but their bytes can say that
// they are right.

// leaves reports whether layers may be left where they are.
func (r *run) leaves() bool {
	return !r.whole && r.Holds != nil && r.Verify != nil && !slices.ContainsFunc(r.in.Recipe.Publish, recipe.Target.IsPlace)
}

// trusted returns what a tag names, by digest, where it is this publish's own
// work; the zero value where that is not known.
func (r *run) trusted(ctx context.Context, repository, tag string) (image.Pinned, error) {
	if !r.leaves() {
		return image.Pinned{}, nil
	}
	p, err := r.Find(ctx, repository, tag)
	if err != nil || p.Digest == "" {
		return image.Pinned{}, ctx.Err()
	}
	if err := r.Verify(ctx, p, nil); err != nil {
		return image.Pinned{}, ctx.Err()
	}
	return p, nil
}

// held returns the layers of the previous image that every target has.
func (r *run) held(ctx context.Context, previous image.Image, st progress.Stage) (map[digest.Digest]bool, error) {
	layered, ok := previous.(image.Layered)
	if !ok {
		return nil, nil
	}
	var left []digest.Digest
	for _, l := range layered.Layers() {
		left = append(left, l.Digest)
	}
	for _, target := range r.in.Recipe.Publish {
		held, err := r.Holds(ctx, target.To.Value, left)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			st.Infof("all layers are written, because %s does not say which it has: %v", target.To.Value, err)
			return nil, nil
		}
		left = held
	}
	list := map[digest.Digest]bool{}
	for _, d := range left {
		list[d] = true
	}
	return list, nil
}

// lost reports whether a target wanted a layer that was left out of the layout.
func (r *run) lost(ctx context.Context, err error) bool {
	return r.result.Chunks != nil && r.result.Chunks.Held > 0 && ctx.Err() == nil && errors.Is(err, fs.ErrNotExist)
}

// isWhole reports whether the layout of the run that is resumed has all layers.
func (r *run) isWhole() bool {
	report := chunk.Report{}
	return r.left(ChunkName, &report) == nil && report.Held == 0
}

// distribute cuts the image into layers and publishes them.
func (r *run) distribute(ctx context.Context, img image.Image, facts Facts) error {
	chunked, err := r.chunk(ctx, img, facts)
	if err != nil {
		return err
	}
	if err = r.publish(ctx, chunked, facts); !r.lost(ctx, err) {
		return err
	}
	r.whole = true
	r.result.Published = []Published{}
	if chunked, err = r.chunk(ctx, img, facts); err != nil {
		return err
	}
	return r.publish(ctx, chunked, facts)
}
