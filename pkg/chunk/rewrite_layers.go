package chunk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// writer writes the layers of one image.
type writer struct {
	archive *archive
	proof   *proof
	out     *layout
	cache   *cache
	stage   progress.Stage
}

// job is one layer to write.
type job struct {
	// layer is the plan's; nil for one of directories, which name says.
	layer *Layer
	name  string
	items []item
	kind  place
	size  int64 // of the archive

	// What became of it. reused layers came out of the cache, or are held and
	// not in the layout.
	blob         blob
	reused, held bool

	// found is what a stale layer has of the image, and absent what it has that
	// the image has not, with whether it is a directory: see [writer.stay].
	found  []sighting
	absent map[string]bool
}

// stale says that the layer is the previous image's, and has files that are not
// the image's.
func (j *job) stale() bool { return j.layer != nil && j.layer.Dead > 0 }

// jobs returns the layers of the plan in the image's order, the lowest first.
func (w *writer) jobs(p *Plan) ([]*job, error) {
	t := w.archive.tree
	var list []*job
	for i := range p.Layers {
		l := &p.Layers[i]
		var files []int
		for _, g := range l.Groups {
			for _, f := range g.Files {
				at := t.find(f.Name)
				if at < 0 {
					return nil, fmt.Errorf("the plan has a file %q that is not there", f.Name)
				}
				files = append(files, at)
			}
		}
		items, err := t.items(files)
		if err != nil {
			return nil, err
		}
		list = append(list, &job{layer: l, name: layerName(l), items: items, kind: placeFiles})
	}
	return list, nil
}

// directories adds the lowest and the highest layer to those between them.
func (w *writer) directories(between []*job) ([]*job, error) {
	all, own := w.archive.tree.directories()
	list := []*job{{name: "directories", items: all, kind: placeLowest}}
	list = append(list, between...)
	list = append(list, &job{name: "attributes of directories", items: w.removals(own, between), kind: placeHighest})
	list = slices.DeleteFunc(list, func(j *job) bool { return len(j.items) == 0 })
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range list {
		if j.stale() {
			continue
		}
		g.Go(func() (err error) {
			j.size, err = w.archive.size(j.items)
			return err
		})
	}
	return list, g.Wait()
}

// layerName says what is in a layer, for people.
func layerName(l *Layer) string {
	const most = 160
	var text strings.Builder
	for i, g := range l.Groups {
		if i > 0 && text.Len()+len(g.Name) > most {
			fmt.Fprintf(&text, " and %d more", len(l.Groups)-i)
			break
		}
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(g.Name)
	}
	return text.String()
}

// run writes the layers that are not stale.
func (w *writer) run(ctx context.Context, jobs []*job) error {
	jobs = slices.DeleteFunc(slices.Clone(jobs), (*job).stale)
	return w.each(ctx, "layers", jobs, w.layer)
}

// each does something with layers, the largest first so that none is left to
// one core at the end.
func (w *writer) each(ctx context.Context, what string, jobs []*job, do func(context.Context, *tools, *job) error) error {
	total := int64(0)
	for _, j := range jobs {
		total += j.size
	}
	transfer := w.stage.Transfer(what, total)
	order := slices.SortedStableFunc(slices.Values(jobs), func(a, b *job) int { return cmp.Compare(b.size, a.size) })
	g, ctx := errgroup.WithContext(ctx)
	var begun atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			t, err := newTools()
			if err != nil {
				return err
			}
			defer t.close()
			for {
				i := begun.Add(1) - 1
				if i >= int64(len(order)) {
					return nil
				}
				size := order[i].size
				if err := do(ctx, t, order[i]); err != nil {
					return err
				}
				transfer.Add(size)
			}
		})
	}
	err := g.Wait()
	transfer.Done("")
	return err
}

// layer makes one layer, and proves it.
func (w *writer) layer(ctx context.Context, t *tools, j *job) (err error) {
	if w.cache.may(j) {
		if done, err := w.reuse(ctx, t, j); done || err != nil {
			return err
		}
	}
	j.blob, err = t.compress(w.out.dir, j.size, func(to io.Writer) error {
		return w.archive.write(ctx, to, j.items, t.block, nil)
	})
	if err != nil {
		return err
	}
	proof := w.proof.layer(j.kind, t.block)
	if err := t.readBack(ctx, w.out.dir, j.blob, func(r io.Reader) error { return proof.archive(ctx, r) }); err != nil {
		return err
	}
	if err := w.proof.accept(proof.found, proof.removed); err != nil {
		return err
	}
	w.cache.keep(w.out.dir, j.blob)
	return nil
}

// reuse takes the layer out of the cache, where it is there. What is proven is
// the archive that the image gives now: each header says what the image has, as
// it reads back, and the content is what was read this moment. The layer is known
// to be that archive, by its SHA-256, because an earlier run read it back, and
// its bytes are still those. Of one that is held, the run that made the previous
// image did that.
func (w *writer) reuse(ctx context.Context, t *tools, j *job) (bool, error) {
	hash, proof := sha256.New(), w.proof.layer(j.kind, t.block)
	if err := w.archive.write(ctx, hash, j.items, t.block, proof.head); err != nil {
		return false, err
	}
	diffID := sum(hash)
	b, ok, err := w.cache.take(ctx, t, w.out.dir, j.size, diffID)
	if err != nil {
		return false, err
	}
	if !ok {
		if b, j.held = w.cache.leave(j, diffID); !j.held {
			return false, nil
		}
	}
	j.blob, j.reused = b, true
	return true, w.proof.accept(proof.found, proof.removed)
}

// describe fills in what the plan keeps of the layers that were written.
func (w *writer) describe(jobs []*job) {
	a := w.archive
	for _, j := range jobs {
		if j.layer == nil {
			continue
		}
		j.layer.DiffID, j.layer.Size = j.blob.diffID.String(), j.blob.size
		for i := range j.layer.Groups {
			g := &j.layer.Groups[i]
			h := newGroupHash()
			for k := range g.Files {
				f := &g.Files[k]
				at := a.tree.find(f.Name)
				content := a.sums[a.tree.entries[at].leader]
				if f.Track {
					f.Sum = a.tree.entrySum(at, content)
				}
				h.add(a.heads[at], content)
			}
			g.Sum = h.sum()
		}
	}
}

// groupHash makes [Group.Sum]: of what is in front of each file in the archive,
// and of its content.
type groupHash struct{ hash hash.Hash }

func newGroupHash() groupHash { return groupHash{sha256.New()} }

func (h groupHash) add(head, content uint64) {
	_, _ = h.hash.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, head), content)) // a hash never fails
}

// sum is as long as is needed to tell whether a group has changed.
func (h groupHash) sum() []byte { return h.hash.Sum(nil)[:8] }
