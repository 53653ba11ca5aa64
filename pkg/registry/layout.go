package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/types"
)

const (
	layerBlob  = "layer"
	configBlob = "configuration"
)

// finalLayout reads an OCI layout whose layers are all zstd and under an OCI
// manifest: it goes as it is, under its own digest. The manifest is nil for any
// other image.
func finalLayout(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (raw []byte, blobs []blob, err error) {
	if ref.Transport().Name() != "oci" {
		return nil, nil, nil
	}
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, nil, fmt.Errorf("opening %q: %w", ref.StringWithinTransport(), err)
	}
	defer src.Close()
	raw, mediaType, err := src.GetManifest(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the manifest of %q: %w", ref.StringWithinTransport(), err)
	}
	if mediaType != imgspecv1.MediaTypeImageManifest {
		return nil, nil, nil
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, nil, fmt.Errorf("reading the manifest of %q: %w", ref.StringWithinTransport(), err)
	}
	if slices.ContainsFunc(m.Layers, func(l imgspecv1.Descriptor) bool { return l.MediaType != imgspecv1.MediaTypeImageLayerZstd }) {
		return nil, nil, nil
	}
	// The layout's folder is the first of its policy's namespaces; no other
	// method tells it without the tag.
	dir := ref.PolicyConfigurationNamespaces()[0]
	for i, d := range append(m.Layers, m.Config) {
		if err := d.Digest.Validate(); err != nil {
			return nil, nil, fmt.Errorf("reading the manifest of %q: %q: %w", ref.StringWithinTransport(), d.Digest, err)
		}
		what := layerBlob
		if i == len(m.Layers) {
			what = configBlob
		}
		blobs = append(blobs, blob{d.Digest, d.Size, filepath.Join(dir, "blobs", d.Digest.Algorithm().String(), d.Digest.Encoded()), what})
	}
	return raw, blobs, nil
}
