package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// OpenLayout opens an image in an OCI image layout. ref is what follows the
// folder in an "oci:" reference of containers-transports(5): the name that the
// index gives the image (org.opencontainers.image.ref.name) or "@" and its
// place in the index, counted from 0. "" is the only image there is, or the
// only one for the platform.
func OpenLayout(ctx context.Context, dir, ref string, o LayerOptions) (Image, error) {
	img, err := openLayout(ctx, dir, ref, o)
	if err != nil {
		return nil, fmt.Errorf("opening layout %q: %w", dir, err)
	}
	return img, nil
}

func openLayout(ctx context.Context, dir, ref string, o LayerOptions) (Image, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	src := layoutBlobs(abs)
	index, err := src.index()
	if err != nil {
		return nil, err
	}
	candidates, err := named(index.Manifests, ref)
	if err != nil {
		return nil, err
	}
	manifest, err := choose(ctx, src, candidates, o.Platform)
	if err != nil {
		return nil, err
	}
	location := "oci:" + abs
	place := slices.IndexFunc(candidates, func(d imgspecv1.Descriptor) bool { return d.Digest == manifest.Digest })
	if ref == "" && len(candidates) > 1 && place >= 0 {
		// Whoever reads the location must find this one of them.
		ref = fmt.Sprintf("@%d", place)
	}
	if ref != "" {
		location += ":" + ref
	}
	return OpenManifest(ctx, location, src, manifest, o)
}

// named returns the entries of an index that a reference means.
func named(all []imgspecv1.Descriptor, ref string) ([]imgspecv1.Descriptor, error) {
	if ref == "" {
		return all, nil
	}
	if place, ok := strings.CutPrefix(ref, "@"); ok {
		i, err := strconv.Atoi(place)
		if err != nil || i < 0 || i >= len(all) {
			return nil, fmt.Errorf("no image %q in it; it has %d", ref, len(all))
		}
		return all[i : i+1], nil
	}
	var found []imgspecv1.Descriptor
	for _, d := range all {
		if d.Annotations[imgspecv1.AnnotationRefName] == ref {
			found = append(found, d)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no image %q in it; it has %s", ref, describe(all))
	}
	return found, nil
}

// choose returns the manifest of one image, down through nested indexes.
func choose(ctx context.Context, src BlobSource, candidates []imgspecv1.Descriptor, want *imgspecv1.Platform) (imgspecv1.Descriptor, error) {
	if want == nil {
		want = &imgspecv1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	// Indexes nest one deep in practice; more than a few is an attack.
	for range 4 {
		if len(candidates) > 1 {
			candidates = slices.DeleteFunc(slices.Clone(candidates), func(d imgspecv1.Descriptor) bool {
				p := d.Platform
				return p == nil || p.OS != want.OS || p.Architecture != want.Architecture ||
					want.Variant != "" && p.Variant != want.Variant
			})
		}
		switch {
		case len(candidates) == 0:
			return imgspecv1.Descriptor{}, fmt.Errorf("no image in it is for %s/%s", want.OS, want.Architecture)
		case len(candidates) > 1:
			return imgspecv1.Descriptor{}, fmt.Errorf("several images are for %s/%s: %s; say which", want.OS, want.Architecture, describe(candidates))
		case !isIndex(candidates[0].MediaType):
			return candidates[0], nil
		}
		var index imgspecv1.Index
		if err := readDocument(ctx, src, candidates[0], &index); err != nil {
			return imgspecv1.Descriptor{}, fmt.Errorf("reading index: %w", err)
		}
		candidates = index.Manifests
	}
	return imgspecv1.Descriptor{}, errors.New("indexes are nested too deep")
}

func isIndex(mediaType string) bool {
	return mediaType == imgspecv1.MediaTypeImageIndex ||
		mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

// describe lists images by name, or by digest where they have none.
func describe(list []imgspecv1.Descriptor) string {
	if len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.Digest.String()
		if name := d.Annotations[imgspecv1.AnnotationRefName]; name != "" {
			names[i] = fmt.Sprintf("%q", name)
		}
	}
	return strings.Join(names, ", ")
}

// layoutBlobs is the folder of an OCI image layout.
type layoutBlobs string

func (l layoutBlobs) index() (*imgspecv1.Index, error) {
	var version imgspecv1.ImageLayout
	if err := l.read(imgspecv1.ImageLayoutFile, &version); err != nil {
		return nil, err
	}
	if version.Version != imgspecv1.ImageLayoutVersion {
		return nil, fmt.Errorf("%q says version %q instead of %q", imgspecv1.ImageLayoutFile, version.Version, imgspecv1.ImageLayoutVersion)
	}
	var index imgspecv1.Index
	if err := l.read(imgspecv1.ImageIndexFile, &index); err != nil {
		return nil, err
	}
	return &index, nil
}

func (l layoutBlobs) read(name string, v any) error {
	f, err := os.Open(filepath.Join(string(l), name))
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("more than %d bytes", maxDocument)
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("reading %q: %w", name, err)
	}
	return nil
}

func (l layoutBlobs) OpenBlob(_ context.Context, d imgspecv1.Descriptor) (io.ReadCloser, error) {
	return os.Open(l.path(d.Digest))
}

// path is where a blob is. The digest was validated: it has no slash.
func (l layoutBlobs) path(d digest.Digest) string {
	return filepath.Join(string(l), imgspecv1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}
