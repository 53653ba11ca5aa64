package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// RewriteOptions say how an image is rewritten.
type RewriteOptions struct {
	Options
	// Previous is the image that machines have now, whose plan is kept; nil
	// where there is none. One that bootkiln did not chunk has no plan, which
	// the report notes.
	Previous image.Image
	// Held are the layers of Previous that whoever gets the layout has: one that
	// has not changed, and is in no cache, is left out of the layout. That its
	// blob holds what the configuration of Previous says is taken on trust, but
	// for stale layers, so the caller has verified who signed it.
	Held map[digest.Digest]bool
	// Cache is a folder for the layers of earlier runs, made where it is
	// missing; "" is none. What was used for longest ago is removed from it
	// when it has more than CacheLimit bytes. What is wrong with it is a note.
	Cache      string
	CacheLimit int64
	// Stage is told how far it is; nil is nobody.
	Stage progress.Stage
}

// Rewrite writes the image as an OCI layout in the folder dir, in layers that
// follow a plan, and returns what it wrote after it has proven that it is the
// same root file system. A layout of its own that is there is replaced, in one
// step and at the end; a folder with anything else is an [*OccupiedError].
//
// The same root file system, configuration and previous plan give the same
// bytes on every machine. Nothing is altered but the times of modification,
// which come from the plan, and what bootc drops from every image: the content
// of dev, proc, run, sys and tmp, sysroot/ostree, and labels of SELinux.
//
// A layer of the previous image of which little changed is kept as it is where
// its blob can be read: there it is the same image and previous image that give
// the same bytes. It is read even if it is held, which says to leave it out.
//
// Layers that [RewriteOptions.Held] allows to be left out are in the manifest,
// and the report says which; the layout lacks their blobs.
//
// One that cannot be kept as layers is an error that names the file; layers
// that are not the image are a [*DifferenceError], and too little room for them
// is a [*SpaceError].
func Rewrite(ctx context.Context, img image.Image, dir string, o RewriteOptions) (_ image.Image, _ *Report, err error) {
	fail := func(err error) (image.Image, *Report, error) {
		if isFull(err) {
			err = &SpaceError{Dir: filepath.Dir(dir), Err: err}
		}
		return nil, nil, fmt.Errorf("chunking %q: %w", image.Called(img.Location()), err)
	}
	out, err := newLayout(ctx, dir)
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, out.abandon()) }()
	report, err := rewrite(ctx, img, out, o)
	if err != nil {
		return fail(err)
	}
	if err := out.publish(); err != nil {
		return fail(err)
	}
	chunked, err := image.OpenLayout(ctx, dir, "", image.LayerOptions{})
	if err != nil {
		return fail(err)
	}
	return chunked, report, nil
}

func rewrite(ctx context.Context, img image.Image, out *layout, o RewriteOptions) (_ *Report, err error) {
	if o.Stage == nil {
		o.Stage = progress.Discard.Stage("")
	}
	config, err := img.Config(ctx)
	if err != nil {
		return nil, err
	}
	stored := openCache(o.Cache, o.CacheLimit)
	root, err := img.Root(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	t, err := scan(ctx, root)
	if err != nil {
		return nil, err
	}
	w := &writer{archive: newArchive(t, root), out: out, cache: stored, stage: o.Stage}
	w.proof = newProof(w.archive)
	had, err := readPrevious(ctx, o.Previous)
	if err != nil {
		return nil, err
	}
	if err := stored.lend(ctx, had.layers, o.Held); err != nil {
		return nil, err
	}
	plan, jobs, err := w.decide(ctx, &had, o.Options)
	if err != nil {
		return nil, err
	}
	if err := w.run(ctx, jobs); err != nil {
		return nil, err
	}
	if err := w.proof.finish(); err != nil {
		return nil, err
	}
	w.describe(jobs)
	if err := out.image(config, plan, jobs); err != nil {
		return nil, err
	}
	stored.prune()
	plan.Notes = slices.Concat(had.notes, plan.Notes, staleNote(jobs), stored.notes())
	report := newReport(had, plan, jobs)
	if report.Update != nil {
		err = w.blame(ctx, had, plan, jobs, report.Update)
	}
	return report, err
}

// PlanLabel is the label of a configuration that holds its plan. Annotations of layers would be
// lost where containers/image copies them (podman issue 27796).
const PlanLabel = "io.github.bootkiln.chunks"

// previous is what is known of the image that machines have.
type previous struct {
	there   bool
	plan    *Plan // nil where it has none that can be kept
	diffIDs []digest.Digest
	// layers is the image itself, nil where its layers cannot be read one by
	// one, and names what is in them, nil where the history does not say.
	layers image.Layered
	names  []string
	notes  []string
	// readable are the layers that may be kept as they are.
	readable map[string]int
}

// readPrevious reads an image's plan out of its configuration. One that cannot
// be used costs an update and no more, and is a note.
func readPrevious(ctx context.Context, img image.Image) (p previous, err error) {
	if img == nil {
		return p, nil
	}
	config, err := img.Config(ctx)
	if err != nil {
		return p, fmt.Errorf("reading the previous image: %w", err)
	}
	p.there, p.diffIDs = true, config.RootFS.DiffIDs
	p.layers, _ = img.(image.Layered)
	text, ok := config.Config.Labels[PlanLabel]
	if !ok {
		p.notes = []string{image.Called(img.Location()) + " has no plan that could be kept: machines that have it download all of the image once"}
		return p, nil
	}
	if p.plan, err = DecodePlan(text); err != nil {
		p.notes = []string{fmt.Sprintf("the plan of %s cannot be kept: %v", image.Called(img.Location()), err)}
	}
	if p.layers != nil {
		p.readable = readable(p.layers, config)
	}
	if len(config.History) == len(p.diffIDs) { // more are somebody else's, of an image that was built on a chunked one
		for _, h := range config.History {
			p.names = append(p.names, h.Comment)
		}
	}
	return p, nil
}

// directoryLayers is how many layers there are beside those of the plan.
const directoryLayers = 2

// decide plans the layers, and takes over those of the previous image that stay
// as they are. Those of which that cannot be done are planned anew.
func (w *writer) decide(ctx context.Context, had *previous, o Options) (*Plan, []*job, error) {
	in, err := w.input(ctx)
	if err != nil {
		return nil, nil, err
	}
	o.Stale = func(diffID string) bool { _, ok := had.readable[diffID]; return ok }
	for {
		plan, err := w.plan(in, had.plan, o)
		if err != nil {
			return nil, nil, err
		}
		jobs, err := w.jobs(plan)
		if err != nil {
			return nil, nil, err
		}
		refused, err := w.stay(ctx, *had, jobs)
		if err != nil {
			return nil, nil, err
		}
		if len(refused) == 0 {
			jobs, err = w.directories(jobs)
			return plan, jobs, err
		}
		had.notes = append(had.notes, refusals(refused)...)
		for id := range refused {
			delete(had.readable, id)
		}
	}
}

// input is the image as the planner sees it, before anything of it is changed.
func (w *writer) input(ctx context.Context) (Input, error) {
	t, root := w.archive.tree, w.archive.root
	packages, err := packagedb.Owners(ctx, root)
	if err != nil && !errors.Is(err, packagedb.ErrNone) {
		return Input{}, err
	}
	block := make([]byte, 256<<10)
	in := Input{
		Packages: packages,
		Open:     func(name string) (io.ReadCloser, error) { return root.Open(name) },
		Sum: func(name string) ([]byte, error) {
			i := t.find(name)
			if i < 0 {
				return nil, fmt.Errorf("no file %q", name)
			}
			content, err := w.archive.sumOf(i, block)
			return t.entrySum(i, content), err
		},
		GroupSum: func(g *Group) ([]byte, error) { return w.archive.groupSum(g, block) },
	}
	for i := range t.entries {
		if e := &t.entries[i]; !e.isDir() {
			in.Files = append(in.Files, File{
				Name: e.name, Mode: e.mode, Size: e.size, Inode: e.inode, Target: e.target, Time: e.time(),
			})
		}
	}
	return in, nil
}

// plan assigns the files to layers, and takes over the times that it says.
func (w *writer) plan(in Input, previous *Plan, o Options) (*Plan, error) {
	if o.Largest != 0 && o.Largest < LeastLargest {
		return nil, fmt.Errorf("layers of at most %d bytes: they have to hold %d", o.Largest, LeastLargest)
	}
	if o.Layers == 0 {
		o.Layers = DefaultLayers
	}
	o.Layers = max(o.Layers-directoryLayers, 1)
	plan, err := Assign(in, previous, o)
	if full := (*BudgetError)(nil); errors.As(err, &full) {
		return nil, &BudgetError{Needed: full.Needed + directoryLayers, Layers: full.Layers + directoryLayers, Largest: full.Largest}
	}
	if err != nil {
		return nil, err
	}
	return plan, w.archive.retime(plan)
}
