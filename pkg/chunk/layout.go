package chunk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// OccupiedError says that a folder holds something that is not bootkiln's to
// replace.
type OccupiedError struct{ Dir string }

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%q holds something that 'chunk' did not write", e.Dir)
}

// SpaceError says that there is too little room for the layers.
type SpaceError struct {
	// Dir is where they were to go.
	Dir string
	// Err is what was tried.
	Err error
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("no room for the layers in %q: %v", e.Dir, e.Err)
}

// Unwrap returns Err.
func (e *SpaceError) Unwrap() error { return e.Err }

// MendHint says what to do.
func (e *SpaceError) MendHint() string {
	return "make room there, or name a folder on another file system; the layers take about half of what the files do"
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// layout is an OCI image layout that is being written beside the place that it
// takes in the end.
type layout struct {
	final string
	dir   string   // while it is written
	lock  *os.File // dir itself, locked; nil when there is nothing to remove
}

// UnfinishedName is what a layout of that name is called beside its place while
// it is written; a run that was killed leaves it, and the next one takes it over.
func UnfinishedName(name string) string { return "." + name + ".unfinished" }

// newLayout begins one. What a run that was killed has left is removed.
func newLayout(ctx context.Context, dir string) (_ *layout, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := replaceable(ctx, abs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return nil, err
	}
	l := &layout{final: abs, dir: filepath.Join(filepath.Dir(abs), UnfinishedName(filepath.Base(abs)))}
	if err := os.Mkdir(l.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if l.lock, err = os.Open(l.dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.lock.Close())
		}
	}()
	if err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another run writes %q: %w", abs, err)
	}
	old, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range old {
		if err := os.RemoveAll(filepath.Join(l.dir, f.Name())); err != nil {
			return nil, err
		}
	}
	return l, os.MkdirAll(filepath.Join(l.dir, imgspecv1.ImageBlobsDir, digest.SHA256.String()), 0o755)
}

// replaceable fails unless dir is nothing, an empty folder, or a layout with
// one image that was chunked.
func replaceable(ctx context.Context, dir string) error {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(list) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	img, err := image.OpenLayout(ctx, dir, "@0", image.LayerOptions{})
	if err != nil {
		return &OccupiedError{Dir: dir}
	}
	config, err := img.Config(ctx)
	if err != nil {
		return err
	}
	if _, ours := config.Config.Labels[PlanLabel]; !ours {
		return &OccupiedError{Dir: dir}
	}
	return nil
}

// Clear removes the layout that [Rewrite] wrote to a folder. A folder with
// anything else in it stays.
func Clear(ctx context.Context, dir string) error {
	var occupied *OccupiedError
	err := replaceable(ctx, dir)
	if errors.As(err, &occupied) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// image writes what makes the layers an image: the configuration of the source
// with the plan in it, and a manifest.
func (l *layout) image(source *imgspecv1.Image, p *Plan, jobs []*job) error {
	config, err := newConfig(source, p, jobs)
	if err != nil {
		return err
	}
	m := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest}
	if m.Config, err = l.document(imgspecv1.MediaTypeImageConfig, config); err != nil {
		return err
	}
	for _, j := range jobs {
		m.Layers = append(m.Layers, imgspecv1.Descriptor{
			MediaType: imgspecv1.MediaTypeImageLayerZstd, Digest: j.blob.digest, Size: j.blob.size,
		})
	}
	d, err := l.document(imgspecv1.MediaTypeImageManifest, m)
	if err != nil {
		return err
	}
	index := imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex,
		Manifests: []imgspecv1.Descriptor{d},
	}
	for name, v := range map[string]any{
		imgspecv1.ImageIndexFile:  index,
		imgspecv1.ImageLayoutFile: imgspecv1.ImageLayout{Version: imgspecv1.ImageLayoutVersion},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(l.dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// document writes a blob of JSON.
func (l *layout) document(mediaType string, v any) (imgspecv1.Descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return imgspecv1.Descriptor{}, err
	}
	d := imgspecv1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	return d, os.WriteFile(blobPath(l.dir, d.Digest), b, 0o644)
}

// staleLabels say that an image is an encapsulated ostree commit: bootc would
// look for its objects in the layers.
var staleLabels = []string{"ostree.commit", "ostree.final-diffid"}

// newConfig is the source's configuration with other layers.
func newConfig(source *imgspecv1.Image, p *Plan, jobs []*job) (*imgspecv1.Image, error) {
	text, err := p.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the plan: %w", err)
	}
	c := *source
	c.Config.Labels = maps.Clone(source.Config.Labels)
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	for _, name := range staleLabels {
		delete(c.Config.Labels, name)
	}
	c.Config.Labels[PlanLabel] = text
	c.RootFS = imgspecv1.RootFS{Type: "layers"}
	c.History = nil
	for _, j := range jobs {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, j.blob.diffID)
		// One for each layer and none beside: bootc counts them together.
		c.History = append(c.History, imgspecv1.History{Created: source.Created, CreatedBy: createdBy, Comment: j.name})
	}
	return &c, nil
}

// publish puts the finished layout in its place.
func (l *layout) publish() error {
	err := unix.Renameat2(unix.AT_FDCWD, l.dir, unix.AT_FDCWD, l.final, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		if err := os.Rename(l.dir, l.final); err != nil {
			return err
		}
		return l.unlock()
	}
	if err != nil {
		// A file system that cannot exchange two folders.
		if err := os.RemoveAll(l.final); err != nil {
			return err
		}
		if err := os.Rename(l.dir, l.final); err != nil {
			return err
		}
		return l.unlock()
	}
	return l.abandon()
}

// abandon removes what is not published.
func (l *layout) abandon() error {
	if l.lock == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(l.dir), l.unlock())
}

func (l *layout) unlock() error {
	err := l.lock.Close()
	l.lock = nil
	return err
}
