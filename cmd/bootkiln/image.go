package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// openImage opens an image by its containers-transports(5) reference. A name
// without a transport is one of the local store. The closer is closed when the
// image is no longer needed.
func openImage(ctx context.Context, ref string, store build.StoreOptions) (image.Image, io.Closer, error) {
	if layout, ok := strings.CutPrefix(ref, "oci:"); ok {
		// The name may hold colons of its own, the folder none.
		dir, name, _ := strings.Cut(layout, ":")
		img, err := image.OpenLayout(ctx, dir, name, image.LayerOptions{})
		if errors.Is(err, fs.ErrNotExist) {
			err = hinted(err, "name the folder of an OCI layout, with its oci-layout and index.json")
		}
		return img, io.NopCloser(nil), err
	}
	name, ok := strings.CutPrefix(ref, "containers-storage:")
	if transport, _, found := strings.Cut(ref, ":"); found && !ok && knownElsewhere[transport] {
		return nil, nil, hinted(fmt.Errorf("opening image %q: images of %q cannot be read in place", ref, transport),
			"copy it to a folder first: skopeo copy "+ref+" oci:DIR")
	}
	if !ok {
		name = ref
	}
	b, err := openStore(ctx, store)
	if err != nil {
		return nil, nil, err
	}
	img, err := b.Image(ctx, name)
	if err != nil {
		b.Close()
		return nil, nil, hinted(err, "name an image of the local store ('podman images' lists them), or oci:DIR")
	}
	return img, b, nil
}

// knownElsewhere are transports whose images have to be fetched before they
// can be looked into.
var knownElsewhere = map[string]bool{
	"docker": true, "docker-archive": true, "oci-archive": true, "docker-daemon": true, "dir": true,
}

// openStore opens the image store.
func openStore(ctx context.Context, o build.StoreOptions) (*build.Builder, error) {
	b, err := build.Open(ctx, o)
	if err != nil && os.Geteuid() != 0 {
		return nil, hinted(err, "run it as root, as with 'sudo'; 'bootkiln doctor' says what else this machine lacks")
	}
	return b, err
}
