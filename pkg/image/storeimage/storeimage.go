// Package storeimage presents an image in containers/storage, where builds
// leave theirs and podman and bootc find them, as an [image.Image].
package storeimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/distribution/reference"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/transports"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Open finds an image by its name, or by its ID or the beginning of one. A
// name without registry or tag is looked for as podman does: as it stands, then
// under "localhost/", then under "docker.io/", with the tag "latest". An image
// that is not there is [storage.ErrImageUnknown].
//
// The store stays the caller's: it must outlive the image and its Roots. Opening
// a Root mounts the image read-only, which needs the privileges that the
// store's driver needs; Close unmounts it.
func Open(store storage.Store, nameOrID string) (image.Image, error) {
	img, name, err := find(store, nameOrID)
	if err != nil {
		return nil, fmt.Errorf("opening image %q: %w", nameOrID, err)
	}
	ref, err := istorage.Transport.NewStoreReference(store, name, img.ID)
	if err != nil {
		return nil, fmt.Errorf("opening image %q: %w", nameOrID, err)
	}
	return &storeImage{store: store, id: img.ID, ref: ref}, nil
}

// find returns the image and the name it is to be known by, nil where it has
// none.
func find(store storage.Store, nameOrID string) (*storage.Image, reference.Named, error) {
	for _, prefix := range []string{"", "localhost/", "docker.io/", "docker.io/library/"} {
		name := tagged(prefix + nameOrID)
		if name == nil {
			continue
		}
		img, err := store.Image(name.String())
		// The store takes names for IDs too: only a name of the image counts here.
		if err == nil && slices.Contains(img.Names, name.String()) {
			return img, name, nil
		}
		if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
			return nil, nil, err
		}
	}
	img, err := store.Image(nameOrID)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range img.Names {
		if named := tagged(name); named != nil {
			return img, named, nil
		}
	}
	return img, nil, nil
}

// tagged parses a full name and adds the tag that a name without one means. It
// returns nil for what is no name.
func tagged(name string) reference.Named {
	named, err := reference.WithName(name)
	if err == nil {
		return reference.TagNameOnly(named)
	}
	parsed, err := reference.Parse(name)
	if err != nil {
		return nil
	}
	named, _ = parsed.(reference.Named)
	return named
}

type storeImage struct {
	store storage.Store
	id    string
	ref   types.ImageReference
}

func (s *storeImage) Location() string { return transports.ImageName(s.ref) }

func (s *storeImage) Config(ctx context.Context) (_ *imgspecv1.Image, err error) {
	img, err := s.ref.NewImage(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("reading configuration of %q: %w", s.Location(), err)
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading configuration of %q: %w", s.Location(), err)
	}
	return config, nil
}

func (s *storeImage) Root(context.Context) (image.Root, error) {
	// The store counts the mounts of an image, so that every Root has its own.
	folder, err := s.store.MountImage(s.id, nil, "")
	if err != nil {
		return nil, fmt.Errorf("mounting %q: %w", s.Location(), err)
	}
	root, err := image.OpenRoot(folder)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mounting %q: %w", s.Location(), err), s.unmount())
	}
	return &mountedRoot{Root: root, unmount: s.unmount}, nil
}

func (s *storeImage) unmount() error {
	if _, err := s.store.UnmountImage(s.id, false); err != nil {
		return fmt.Errorf("unmounting %q: %w", s.Location(), err)
	}
	return nil
}

// mountedRoot unmounts when it is closed.
type mountedRoot struct {
	image.Root
	unmount func() error

	mu     sync.Mutex
	closed bool
}

func (m *mountedRoot) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fs.ErrClosed
	}
	m.closed = true
	return errors.Join(m.Root.Close(), m.unmount())
}
