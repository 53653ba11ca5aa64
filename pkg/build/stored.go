package build

import (
	"context"
	"errors"
	"fmt"
	"os"

	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/storage"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/storeimage"
)

// Image returns an image of the store by name or ID. The error wraps
// [storage.ErrImageUnknown] where there is none.
func (b *Builder) Image(_ context.Context, name string) (image.Image, error) {
	img, err := b.stored(name)
	if err != nil {
		return nil, err
	}
	return img, nil
}

func (b *Builder) stored(name string) (*storedImage, error) {
	img, err := storeimage.Open(b.store, name)
	if err != nil {
		return nil, fmt.Errorf("looking into the store: %w", err)
	}
	ref, err := alltransports.ParseImageName(img.Location())
	if err != nil {
		return nil, fmt.Errorf("looking into the store: %w", err)
	}
	_, record, err := istorage.ResolveReference(ref)
	if err != nil {
		return nil, fmt.Errorf("looking into the store: %w", err)
	}
	return &storedImage{Image: img, id: record.ID, builder: b}, nil
}

// storedImage is an image of the store whose mounts are known to the clean-up:
// unlike a build's, they are in this process's own mount namespace, and stay
// when it is killed.
type storedImage struct {
	image.Image
	id      string
	builder *Builder
}

// Root implements [image.Image].
func (s *storedImage) Root(ctx context.Context) (_ image.Root, err error) {
	r, err := s.builder.runs.create()
	if err != nil {
		return nil, err
	}
	root, err := s.Image.Root(ctx)
	if err != nil {
		return nil, errors.Join(err, s.builder.discard(r))
	}
	// After the mount: the store counts mounts, and one that was not made must
	// not be taken back from another program.
	if err := os.WriteFile(r.path(mountedFile), []byte(s.id), 0o600); err != nil {
		return nil, errors.Join(err, root.Close(), s.builder.discard(r))
	}
	return &mountedRoot{Root: root, done: func() error {
		return errors.Join(os.Remove(r.path(mountedFile)), s.builder.discard(r))
	}}, nil
}

// mountedRoot is a Root that ends its run.
type mountedRoot struct {
	image.Root
	done func() error
}

// Close implements [io.Closer].
func (m *mountedRoot) Close() error {
	err := m.Root.Close()
	if m.done != nil {
		err = errors.Join(err, m.done())
		m.done = nil
	}
	return err
}

// unmountImage takes back the mount of an image that a killed run had.
func (b *Builder) unmountImage(r *run) error {
	id, err := os.ReadFile(r.path(mountedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = b.store.UnmountImage(string(id), false)
	if errors.Is(err, storage.ErrLayerNotMounted) || errors.Is(err, storage.ErrImageUnknown) || errors.Is(err, storage.ErrLayerUnknown) {
		return nil // the machine was started again since, or the image is gone
	}
	return err
}
