package chunk

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

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

	// What became of it. reused layers came out of the cache.
	blob   blob
	reused bool
}

// jobs returns the layers in the image's order, the lowest first.
func (w *writer) jobs(p *Plan) ([]*job, error) {
	t := w.archive.tree
	all, own := t.directories()
	list := []*job{{name: "directories", items: all, kind: placeLowest}}
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
	list = append(list, &job{name: "attributes of directories", items: own, kind: placeHighest})
	list = slices.DeleteFunc(list, func(j *job) bool { return len(j.items) == 0 })
	for _, j := range list {
		var err error
		if j.size, err = w.archive.size(j.items); err != nil {
			return nil, err
		}
	}
	return list, nil
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

// run writes the layers, the largest first so that none is left to one core at
// the end.
func (w *writer) run(ctx context.Context, jobs []*job) error {
	total := int64(0)
	for _, j := range jobs {
		total += j.size
	}
	transfer := w.stage.Transfer("layers", total)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	order := slices.SortedStableFunc(slices.Values(jobs), func(a, b *job) int { return cmp.Compare(b.size, a.size) })
	for _, j := range order {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.layer(ctx, j); err != nil {
				return err
			}
			transfer.Add(j.size)
			return nil
		})
	}
	err := g.Wait()
	transfer.Done("")
	return err
}

// layer makes one layer, and proves it.
func (w *writer) layer(ctx context.Context, j *job) (err error) {
	if w.cache.may(j.size) {
		if done, err := w.reuse(ctx, j); done || err != nil {
			return err
		}
	}
	j.blob, err = compress(w.out.dir, j.size, func(to io.Writer) error { return w.archive.write(ctx, to, j.items) })
	if err != nil {
		return err
	}
	err = readBack(ctx, w.out.dir, j.blob, func(r io.Reader) error {
		found, err := w.proof.layer(ctx, r, j.kind)
		if err != nil {
			return err
		}
		return w.proof.accept(found)
	})
	if err != nil {
		return err
	}
	return w.cache.keep(w.out.dir, j.blob)
}

// reuse takes the layer out of the cache, where it is there. What is proven is
// the archive that the image gives now: the layer is known to be that archive
// because an earlier run read it back, and its bytes are still those.
func (w *writer) reuse(ctx context.Context, j *job) (bool, error) {
	hash := sha256.New()
	pr, pw := io.Pipe()
	var found []sighting
	g, both := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		found, err = w.proof.layer(both, pr, j.kind)
		if err == nil {
			_, err = io.Copy(io.Discard, pr) // what follows the end marker
		}
		pr.CloseWithError(err)
		return err
	})
	g.Go(func() error {
		to := bufio.NewWriterSize(io.MultiWriter(hash, pw), 256<<10)
		err := w.archive.write(both, to, j.items)
		if err == nil {
			err = to.Flush()
		}
		pw.CloseWithError(err)
		return err
	})
	if err := g.Wait(); err != nil {
		return false, err
	}
	b, ok, err := w.cache.take(ctx, w.out.dir, j.size, sum(hash))
	if err != nil || !ok {
		return false, err
	}
	j.blob, j.reused = b, true
	return true, w.proof.accept(found)
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
			h := sha256.New()
			for k := range g.Files {
				f := &g.Files[k]
				at := a.tree.find(f.Name)
				content := a.sums[a.tree.entries[at].leader]
				if f.Track {
					f.Sum = a.tree.entrySum(at, content)
				}
				_, _ = h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, a.heads[at]), content)) // a hash never fails
			}
			g.Sum = h.Sum(nil)[:groupSum]
		}
	}
}

// groupSum is how many bytes tell whether a group has changed.
const groupSum = 8
