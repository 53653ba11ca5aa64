package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// readable are the layers of an image that can be kept as they are: those that
// were made as this run makes layers, by diff ID.
func readable(img image.Layered, config *imgspecv1.Image) map[string]int {
	places := map[string]int{}
	layers := img.Layers()
	if len(config.History) != len(layers) || len(config.RootFS.DiffIDs) != len(layers) {
		return nil
	}
	for at, l := range layers {
		if config.History[at].CreatedBy == createdBy && l.MediaType == imgspecv1.MediaTypeImageLayerZstd && l.Digest.Algorithm() == digest.SHA256 {
			places[config.RootFS.DiffIDs[at].String()] = at
		}
	}
	return places
}

// stay takes over the stale layers of a plan, and proves them. It returns those
// that it cannot take, by diff ID, with the reason; then nothing is as it has
// to be, and the plan is to be made without them.
func (w *writer) stay(ctx context.Context, had previous, jobs []*job) (map[string]error, error) {
	layer := make([]int, len(w.archive.tree.entries))
	places := map[*job]int{}
	var stale []*job
	for at, j := range jobs {
		for _, it := range j.items {
			if !it.plain {
				layer[it.entry] = at + 1
			}
		}
		if j.stale() {
			places[j] = at + 1
			stale = append(stale, j)
			j.size = had.layers.Layers()[had.readable[j.layer.DiffID]].Size // until it is known
		}
	}
	if len(stale) == 0 {
		return nil, nil
	}
	var mu sync.Mutex
	refused := map[string]error{}
	err := w.each(ctx, "layers that stay", stale, func(ctx context.Context, t *tools, j *job) error {
		err := w.stayOne(ctx, t, had, j, layer, places[j])
		if err == nil || ctx.Err() != nil || isFull(err) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		refused[j.layer.DiffID] = err
		return nil
	})
	if err != nil {
		return nil, err
	}
	kinds := map[string]bool{}
	for _, j := range stale {
		for _, name := range slices.Sorted(maps.Keys(j.absent)) {
			isDir, known := kinds[name]
			switch {
			case known && isDir != j.absent[name]:
				refused[j.layer.DiffID] = &DifferenceError{Name: name, What: "it is a directory in one layer and not in another"}
			case len(path.Base(name)) > mostName-len(whiteout):
				refused[j.layer.DiffID] = &DifferenceError{Name: name, What: "its name is too long to be removed"}
			}
			kinds[name] = j.absent[name]
		}
	}
	for _, j := range stale {
		if len(refused) == 0 {
			if err := w.proof.accept(j.found, nil); err != nil {
				return nil, err
			}
			continue
		}
		err := os.Remove(blobPath(w.out.dir, had.layers.Layers()[had.readable[j.layer.DiffID]].Digest))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return refused, nil
}

// mostName is how long a name may be in Linux.
const mostName = 255

// stayOne takes over one layer, which comes out of the cache, a previous layout
// on this machine or the place where the previous image is. Nobody is trusted:
// what is in it is compared with the image.
func (w *writer) stayOne(ctx context.Context, t *tools, had previous, j *job, layer []int, at int) error {
	place := had.readable[j.layer.DiffID]
	l := had.layers.Layers()[place]
	j.blob = blob{diffID: digest.Digest(j.layer.DiffID), digest: l.Digest}
	if !w.cache.lay(l.Digest, w.out.dir) {
		if err := w.fetch(ctx, t, had.layers, place, l.Digest); err != nil {
			return err
		}
		j.held = w.cache.isHeld(l.Digest)
	}
	live, err := w.archive.size(j.items)
	if err != nil {
		return err
	}
	var ok bool
	if j.size, j.blob.size, ok = contentSize(blobPath(w.out.dir, l.Digest)); !ok || j.size > 4*live+(1<<20) {
		return errors.New("it is larger than it may be for what is left of it")
	}
	j.blob.unpacked = j.size
	proof := w.proof.stale(w.archive, layer, at, t.block)
	if err := t.readBack(ctx, w.out.dir, j.blob, func(r io.Reader) error { return proof.read(ctx, r, j.blob.diffID) }); err != nil {
		return err
	}
	j.found, j.absent, j.reused = proof.found, proof.absent, true
	w.cache.keep(w.out.dir, j.blob)
	if j.held {
		return os.Remove(blobPath(w.out.dir, l.Digest))
	}
	return nil
}

// fetch copies a layer of the previous image into the layout.
func (w *writer) fetch(ctx context.Context, t *tools, from image.Layered, place int, want digest.Digest) (err error) {
	r, err := from.OpenBlob(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f, err := os.CreateTemp(w.out.dir, ".layer-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.CopyBuffer(onlyWriter{f}, r, t.block)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), blobPath(w.out.dir, want))
}

// removals adds to what the highest layer holds what removes the files of stale
// layers that the image has not, and the directories above them as they are.
func (w *writer) removals(own []item, jobs []*job) []item {
	t := w.archive.tree
	w.proof.gone = map[string]bool{}
	var names []string
	for _, j := range jobs {
		for name := range j.absent {
			for dir := path.Dir(name); dir != "." && t.find(dir) < 0; dir = path.Dir(dir) {
				name = dir // all of it goes
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	named := map[int]bool{}
	for _, it := range own {
		named[it.entry] = true
	}
	var last []item
	for _, name := range slices.Compact(names) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if i := t.find(dir); !named[i] {
				named[i] = true
				own = append(own, item{entry: i})
			}
		}
		it := item{entry: t.find(path.Dir(name)), gone: path.Base(name)}
		w.proof.gone[t.name(it)] = false
		last = append(last, it)
	}
	slices.SortFunc(own, func(a, b item) int { return a.entry - b.entry })
	return append(own, last...)
}

// staleNote says what the stale layers come to.
func staleNote(jobs []*job) []string {
	n, dead := 0, int64(0)
	for _, j := range jobs {
		if j.stale() {
			n++
			dead += j.layer.Dead
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return []string{fmt.Sprintf("a layer is kept with %s in it that nobody sees any more", humanize.Bytes(uint64(dead)))}
	}
	return []string{fmt.Sprintf("%d layers are kept with %s in them that nobody sees any more", n, humanize.Bytes(uint64(dead)))}
}

// refusals say which layers could not be kept.
func refusals(refused map[string]error) (notes []string) {
	for _, id := range slices.Sorted(maps.Keys(refused)) {
		why := strings.ReplaceAll(refused[id].Error(), "\n", "; ")
		notes = append(notes, fmt.Sprintf("layer %.19s of the previous image could not stay, and is made anew: %s", id, why))
	}
	return notes
}
