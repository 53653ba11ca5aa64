package build

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"go.podman.io/buildah"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
)

// InitReexec must be main's first statement, and TestMain's in tests that
// build. It returns true in the processes that the builder starts from this
// program's own executable; the caller must then return at once.
func InitReexec() bool { return buildah.InitReexec() }

// StoreOptions say which image store is used, and how registries are reached
// for base images. The zero value is the host's: storage.conf, and the
// defaults of containers/image.
type StoreOptions struct {
	// GraphRoot holds the images and RunRoot the mount bookkeeping; "" means
	// as storage.conf says. With one of them set, storage.conf is not read.
	GraphRoot, RunRoot string
	// Driver is the storage driver; "" lets the library choose, which is
	// overlay wherever that works.
	Driver string
	// Access is how registries are reached.
	Access RegistryAccess
	// Logger receives what the libraries log during builds; nil discards it.
	Logger *slog.Logger
}

// RegistryAccess says how registries are reached: it returns the configuration
// to read one repository ("ghcr.io/me/os") with, which the builder may change.
// nil is the library's own search, as podman does it.
type RegistryAccess func(ctx context.Context, repository string) (*types.SystemContext, error)

// reading is the configuration to read a base with; named is nil where it is in
// no registry.
func (a RegistryAccess) reading(ctx context.Context, named reference.Named) (*types.SystemContext, error) {
	if a == nil || named == nil {
		return &types.SystemContext{DockerRegistryUserAgent: "bootkiln"}, nil
	}
	return a(ctx, named.Name())
}

// Builder builds into one image store. It may be used from several goroutines,
// and several programs may use one store at the same time.
type Builder struct {
	store  storage.Store
	access RegistryAccess
	log    *slog.Logger
	runs   runDir

	probing  sync.Mutex // guards what follows
	probed   bool
	runtimes []Runtime
}

// Open opens the image store, and cleans up what killed runs left in it. The
// caller closes the Builder. Root is needed.
func Open(ctx context.Context, o StoreOptions) (*Builder, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("opening the image store: building an OS image needs root")
	}
	so, err := o.storage()
	if err != nil {
		return nil, err
	}
	store, err := storage.GetStore(so)
	if err != nil {
		return nil, fmt.Errorf("opening the image store %q: %w", so.GraphRoot, err)
	}
	b := &Builder{
		store: store, access: o.Access, log: o.Logger,
		runs: runDir{root: filepath.Join(store.GraphRoot(), "bootkiln")},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if err := b.sweep(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// storage returns the options in the library's terms.
func (o StoreOptions) storage() (storage.StoreOptions, error) {
	if o.GraphRoot == "" && o.RunRoot == "" {
		so, err := storage.DefaultStoreOptions()
		if err != nil {
			return so, fmt.Errorf("reading storage.conf: %w", err)
		}
		if o.Driver != "" {
			so.GraphDriverName = o.Driver
		}
		return so, nil
	}
	if o.GraphRoot == "" || o.RunRoot == "" {
		return storage.StoreOptions{}, errors.New("opening the image store: graph root and run root must be given together")
	}
	return storage.StoreOptions{GraphRoot: o.GraphRoot, RunRoot: o.RunRoot, GraphDriverName: o.Driver}, nil
}

// Close releases the store. Images that came from the Builder must not be used
// after it.
func (b *Builder) Close() error {
	if _, err := b.store.Shutdown(false); err != nil && !errors.Is(err, storage.ErrLayerUsedByContainer) {
		return fmt.Errorf("closing the image store %q: %w", b.store.GraphRoot(), err)
	}
	return nil
}
