package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/transportimage"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// openImage opens an image by its containers-transports(5) reference. A name
// without a transport is one of the local store. Images that are opened with
// the same shared read a layer that they have in common once; nil shares none.
// A layout has all layers, or is refused. The closer is closed when the image is
// no longer needed.
func openImage(ctx context.Context, ref string, store build.StoreOptions, reg registry.Options, shared *image.SharedLayers) (image.Image, io.Closer, error) {
	img, closer, err := openPartial(ctx, ref, store, reg, shared)
	if err != nil {
		return nil, nil, err
	}
	if err := image.Whole(img); err != nil {
		return nil, nil, errors.Join(wholeElsewhere(err), closer.Close())
	}
	return img, closer, nil
}

// wholeElsewhere adds to the error of a layout in the output folder of a publish,
// which left layers in the registry, where the image is.
func wholeElsewhere(err error) error {
	partial, ok := asError[*image.PartialError](err)
	if !ok {
		return err
	}
	data, unread := os.ReadFile(filepath.Join(filepath.Dir(partial.Dir), outResult))
	if unread != nil {
		return err
	}
	var result struct {
		Published []struct{ Repository, Digest string }
	}
	if json.Unmarshal(data, &result) != nil {
		return err // it is somebody else's
	}
	for _, p := range result.Published {
		if p.Digest == partial.Manifest.String() {
			return hinted(err, fmt.Sprintf("'bootkiln publish' left layers in the registry that has them: name docker://%[1]s@%[2]s instead, which is whole\n"+
				"'bootkiln copy %[1]s@%[2]s TARGET' brings it elsewhere", p.Repository, p.Digest))
		}
	}
	return hinted(err, "'bootkiln publish' leaves layers in the registry that has them, and the last run here did not come to its end: "+
		"publish again, or with --resume, and result.json says where the image is")
}

// openPartial is openImage, but of a layout layers may be missing.
func openPartial(ctx context.Context, ref string, store build.StoreOptions, reg registry.Options, shared *image.SharedLayers) (image.Image, io.Closer, error) {
	o := image.LayerOptions{TempDir: reg.TempDir, Shared: shared}
	transport, rest, _ := strings.Cut(ref, ":")
	switch transport {
	case "oci":
		// The name may hold colons of its own, the folder none.
		dir, name, _ := strings.Cut(rest, ":")
		img, err := image.OpenLayout(ctx, dir, name, o)
		if errors.Is(err, fs.ErrNotExist) {
			err = hinted(err, "name the folder of an OCI layout, with its oci-layout and index.json")
		}
		return img, io.NopCloser(nil), err
	case "docker":
		name, ok := strings.CutPrefix(rest, "//")
		if !ok {
			return nil, nil, hinted(&usageError{fmt.Errorf("opening image %q: a reference to a registry begins with docker://", ref)},
				fmt.Sprintf("write docker://%s, or %q without a transport for the local store", strings.TrimLeft(rest, "/"), rest))
		}
		return registry.OpenImage(ctx, name, reg, o)
	case "oci-archive", "docker-archive", "dir":
		return openArchive(ctx, ref, o)
	case "containers-storage":
		ref = rest
	}
	b, err := openStore(ctx, store)
	if err != nil {
		return nil, nil, err
	}
	img, err := b.Image(ctx, ref)
	if err != nil {
		b.Close()
		return nil, nil, hinted(err, "name an image of the local store ('podman images' lists them), docker://REPOSITORY:TAG, oci:DIR, or an archive")
	}
	return img, b, nil
}

// openArchive opens an image in a file, or in a folder that skopeo wrote.
func openArchive(ctx context.Context, ref string, o image.LayerOptions) (image.Image, io.Closer, error) {
	img, closer, err := transportimage.Open(ctx, ref, nil, o, nil)
	if err != nil {
		err = hinted(err, "name the file or folder, and after another colon the image in it where there are several")
	}
	return img, closer, err
}

// openStore opens the image store.
func openStore(ctx context.Context, o build.StoreOptions) (*build.Builder, error) {
	b, err := build.Open(ctx, o)
	if err != nil && os.Geteuid() != 0 {
		return nil, hinted(err, "run it as root, as with 'sudo'; 'bootkiln doctor' says what else this machine lacks")
	}
	return b, err
}
