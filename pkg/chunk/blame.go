package chunk

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	digest "github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// mostBlamed is how large a layer of the previous image may be, in compressed
// bytes, to be fetched for the sake of saying which of its files changed.
const mostBlamed = 64 << 20

// baseName is that of a group with all its parts.
func baseName(group string) string {
	name, _, _ := strings.Cut(group, partMark)
	return strings.TrimSuffix(name, stillMark)
}

// suspect is a group that changed though its packages did not.
type suspect struct {
	cause *Cause
	items []item // of the layer that is there now
	// sole says that nothing else changed in the previous layer, so that a file
	// which is gone was this group's.
	sole bool
}

// blame names the files for which groups changed whose packages did not: those
// that a build makes anew each time. It compares with the layers of the
// previous image; one that cannot be read leaves the group's name as the answer.
func (w *writer) blame(ctx context.Context, had previous, plan *Plan, jobs []*job, p *Prediction) error {
	if had.layers == nil {
		return nil
	}
	layers := had.layers.Layers()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at, list := range w.suspects(had, plan, jobs, p) {
		if layers[at].Size > mostBlamed {
			continue
		}
		g.Go(func() error {
			err := w.compare(ctx, had.layers, at, list)
			if err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			for _, s := range list {
				s.cause.Files = []string{"which files changed in it is not known: " + err.Error()}
			}
			return nil
		})
	}
	return g.Wait()
}

// suspects returns them by the place of the layer of the previous image that
// they were in.
func (w *writer) suspects(had previous, plan *Plan, jobs []*job, p *Prediction) map[int][]*suspect {
	causes := map[string]*Cause{}
	for i := range p.Causes {
		if c := &p.Causes[i]; !c.Moved {
			causes[c.Group] = c
		}
	}
	list := map[int][]*suspect{}
	for _, j := range jobs {
		if at := slices.Index(had.names, j.name); j.layer == nil && at >= 0 && causes[j.name] != nil {
			list[at] = append(list[at], &suspect{cause: causes[j.name], items: j.items, sole: true})
		}
	}
	if had.plan == nil {
		return list
	}
	now := map[string]*Group{}
	for i := range plan.Layers {
		for j := range plan.Layers[i].Groups {
			now[plan.Layers[i].Groups[j].Name] = &plan.Layers[i].Groups[j]
		}
	}
	for _, l := range had.plan.Layers {
		at := slices.IndexFunc(had.diffIDs, func(d digest.Digest) bool { return d.String() == l.DiffID })
		if at < 0 {
			continue
		}
		changed := 0
		for _, g := range l.Groups {
			if now[g.Name] == nil || causes[g.Name] != nil {
				changed++
			}
		}
		for _, g := range l.Groups {
			if n, c := now[g.Name], causes[g.Name]; n != nil && c != nil && n.packages == g.packages {
				list[at] = append(list[at], &suspect{cause: c, items: w.archive.itemsOf(n), sole: changed == 1 && l.Dead == 0})
			}
		}
	}
	return list
}

func (a *archive) itemsOf(g *Group) []item {
	items := make([]item, 0, len(g.Files))
	for _, f := range g.Files {
		items = append(items, item{entry: a.tree.find(f.Name)})
	}
	return items
}

// mostFiles is how many files are named for a group.
const mostFiles = 10

// compare reads a layer of the previous image, and notes for what is different
// in the groups what that is.
func (w *writer) compare(ctx context.Context, from image.Layered, at int, list []*suspect) (err error) {
	wanted := map[string]*suspect{} // by file; those that were met are removed
	entries := map[string]item{}
	for _, s := range list {
		for _, it := range s.items {
			if it.gone != "" {
				continue // which follows from the rest
			}
			name := w.archive.tree.name(it)
			wanted[name], entries[name] = s, it
		}
	}
	files := map[*suspect][]string{}
	r, err := from.OpenLayer(ctx, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(h.Name, "/")
		s := wanted[name]
		switch {
		case s != nil:
			delete(wanted, name)
			why, err := w.archive.difference(entries[name], h, archive)
			if err != nil {
				return err
			}
			if why != "" {
				files[s] = append(files[s], name+": "+why)
			}
		case strings.HasPrefix(path.Base(name), whiteout):
		case w.archive.tree.find(name) < 0 && list[0].sole:
			files[list[0]] = append(files[list[0]], name+": gone")
		}
	}
	for name, s := range wanted {
		files[s] = append(files[s], name+": new")
	}
	for s, list := range files {
		slices.Sort(list)
		if n := len(list) - mostFiles; n > 0 {
			list = append(list[:mostFiles], fmt.Sprintf("and %d more", n))
		}
		s.cause.Files = list
	}
	return nil
}

// difference says in what an entry of another archive is not the item, "" where
// it is the same.
func (a *archive) difference(it item, h *tar.Header, content io.Reader) (string, error) {
	want := a.tree.header(it)
	switch {
	case h.Typeflag != want.Typeflag || h.Linkname != want.Linkname:
		return "type or target", nil
	case h.Size != want.Size:
		return "content", nil
	case h.Mode != want.Mode || h.Uid != want.Uid || h.Gid != want.Gid:
		return fmt.Sprintf("mode or owner, %04o %d:%d before", h.Mode, h.Uid, h.Gid), nil
	case !maps.Equal(xattrsOf(h), xattrsOf(want)):
		return "extended attributes", nil
	}
	if h.Typeflag == tar.TypeReg && h.Size > 0 {
		sum := xxhash.New()
		if _, err := io.Copy(sum, content); err != nil {
			return "", err
		}
		if sum.Sum64() != a.sums[it.entry] {
			return "content", nil
		}
	}
	if h.ModTime.Unix() != want.ModTime.Unix() {
		return "time of modification", nil
	}
	return "", nil
}
