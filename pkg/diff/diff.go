// Package diff says what differs between two images: packages, files, sizes,
// kernels, units, privileges and configuration.
//
// Both file systems are walked side by side, folder by folder, so that memory
// holds the names that packages own, the differences, and no list of all files.
package diff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// Options direct Images.
type Options struct {
	// Exact reads every two files of one size. Else those are taken to be equal
	// that have one time of modification, too, and belong to the same build of a
	// package in both images: only what hides its traces is missed. A time in
	// 1970 is none, since some tools set it on every file: such files are read.
	Exact bool
}

// Images compares two images. The error is about what kept it from looking;
// nothing that differs is an error.
func Images(ctx context.Context, before, after image.Image, o Options) (_ *Report, err error) {
	var sides [2]*side
	var errs [2]error
	var both sync.WaitGroup
	for i, img := range []image.Image{before, after} {
		// What takes long is to fetch and unpack layers.
		both.Go(func() { sides[i], errs[i] = openSide(ctx, img) })
	}
	both.Wait()
	for _, s := range sides {
		if s != nil {
			defer func() { err = errors.Join(err, s.root.Close()) }()
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return compare(ctx, sides, o)
}

func compare(ctx context.Context, sides [2]*side, o Options) (*Report, error) {
	r := &Report{
		Kernels: kernelChanges(sides[0].Kernels, sides[1].Kernels),
		Units:   unitChanges(sides[0].units, sides[1].units),
		Config:  configChanges(sides[0], sides[1]),
	}
	packages, settled := packageChanges(sides[0].packages, sides[1].packages)
	r.Packages = packages
	w := &walker{ctx: ctx, sides: sides, owned: newOwnership(sides), settled: settled, exact: o.Exact, report: r}
	layers := sides[0].config.RootFS.DiffIDs
	w.sameLayers = len(layers) > 0 && slices.Equal(layers, sides[1].config.RootFS.DiffIDs)
	if err := w.run(); err != nil {
		return nil, fmt.Errorf("comparing %q with %q: %w", sides[0].Image, sides[1].Image, err)
	}
	r.Sizes = sizeChanges(sides)
	r.Old, r.New = sides[0].Side, sides[1].Side
	noNulls(r)
	return r, nil
}

// noNulls keeps null out of the JSON: a list is a list.
func noNulls(r *Report) {
	for _, list := range []*[]string{&r.Old.Kernels, &r.New.Kernels, &r.Kernels.Added, &r.Kernels.Removed} {
		fill(list)
	}
	fill(&r.Packages.Added)
	fill(&r.Packages.Removed)
	fill(&r.Packages.Changed)
	fill(&r.Packages.Sources)
	fill(&r.Files.List)
	fill(&r.Sizes)
	fill(&r.Privileges)
	fill(&r.Units)
	fill(&r.Config)
}

func fill[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// side is one of the two images while they are compared.
type side struct {
	Side
	root     image.Root
	config   *imgspecv1.Image
	folder   bool // and no image
	packages []packagedb.Owner
	units    map[unitKey]UnitState
	usage
}

// openSide reads what is compared as a whole. The root is the caller's to close.
func openSide(ctx context.Context, img image.Image) (_ *side, err error) {
	location := img.Location()
	s := &side{Side: Side{Image: location}, folder: strings.HasPrefix(location, image.DirPrefix)}
	if s.config, err = img.Config(ctx); err != nil {
		return nil, err
	}
	if s.root, err = img.Root(ctx); err != nil {
		return nil, err
	}
	if err := s.read(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %q: %w", location, err), s.root.Close())
	}
	return s, nil
}

func (s *side) read(ctx context.Context) (err error) {
	if s.packages, err = packagedb.Owners(ctx, s.root); err != nil && !errors.Is(err, packagedb.ErrNone) {
		return err
	}
	s.Packages = len(s.packages)
	release, err := image.OSRelease(s.root)
	if err != nil {
		return err
	}
	s.System = release["PRETTY_NAME"]
	if s.Kernels, err = kernels(s.root); err != nil {
		return err
	}
	s.units, err = units(s.root)
	return err
}
