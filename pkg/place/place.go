// Package place → copies an image to a place that is no registry: a folder or a
// file of this machine, or an image store. Nothing is signed there; whoever takes
// the image on does that.
package place

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// zstdLevel is that of a push; see package registry.
const zstdLevel = 3

// Place is where an image goes.
type Place struct {
	// Transport is one of "oci", "oci-archive", "docker-archive" and
	// "containers-storage" (containers-transports(5)).
	Transport string
	// Path is the folder or file; of containers-storage, the name without a tag.
	Path string
	// Store chooses the store of containers-storage, as "[driver@root+runroot]";
	// "" is the machine's own.
	Store string
	// Name is what the image is called there: its tag.
	Name string
	// Repository is the name before the tag in a docker-archive
	// ("localhost/kiln").
	Repository string
	// Source is what an image in a registry is read with; nil for one of this
	// machine.
	Source *types.SystemContext
}

// String returns the place as a containers-transports(5) reference.
func (p Place) String() string { return p.at(p.Path) }

func (p Place) at(path string) string {
	switch p.Transport {
	case "docker-archive":
		return p.Transport + ":" + path + ":" + p.Repository + ":" + p.Name
	case "containers-storage":
		return p.Transport + ":" + p.Store + path + ":" + p.Name
	}
	return p.Transport + ":" + path + ":" + p.Name
}

// inStore says that containers/image itself makes the image appear in one step.
func (p Place) inStore() bool { return p.Transport == "containers-storage" }

// Ready proves what would otherwise fail after the long build: that the folder
// can be written to, and that nothing else is in the way. It makes the folder.
func (p Place) Ready() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("preparing %q: %w", p, err)
		}
	}()
	if !p.inStore() {
		if err := p.replaceable(); err != nil {
			return err
		}
		temp, err := p.workDir()
		if err != nil {
			return err
		}
		if err := os.RemoveAll(temp); err != nil {
			return err
		}
	}
	_, err = alltransports.ParseImageName(p.String())
	return err
}

// replaceable refuses to write over what is not of the kind.
func (p Place) replaceable() error {
	info, err := os.Stat(p.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case p.Transport != "oci" && !info.Mode().IsRegular():
		return errors.New("it is there, and no file")
	case p.Transport != "oci":
		return nil
	case !info.IsDir():
		return errors.New("it is there, and no folder")
	}
	if _, err := os.Stat(filepath.Join(p.Path, imgspecv1.ImageLayoutFile)); err == nil {
		return nil
	}
	inside, err := os.ReadDir(p.Path)
	if err == nil && len(inside) > 0 {
		err = fmt.Errorf("the folder holds %q, and is no OCI layout", inside[0].Name())
	}
	return err
}

// workDir makes a folder beside the place, on the same file system.
func (p Place) workDir() (string, error) {
	parent, name := filepath.Split(filepath.Clean(p.Path))
	if err := os.MkdirAll(filepath.Clean(parent), 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(filepath.Clean(parent), "."+name+"-")
}

// Write copies the image there and returns what is there now; its Repository is
// the place. Layers are zstd, but where the place has them uncompressed; an OCI
// layout of which that is true keeps its digest. What was there before is
// replaced in one step: nobody finds half an image there.
func (p Place) Write(ctx context.Context, img image.Image) (_ image.Pinned, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", p, err)
		}
	}()
	if p.inStore() {
		return p.copy(ctx, img, p.Path, "")
	}
	temp, err := p.workDir()
	if err != nil {
		return image.Pinned{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	made := filepath.Join(temp, "image")
	done, err := p.copy(ctx, img, made, temp)
	if err != nil {
		return image.Pinned{}, err
	}
	return done, p.replace(made)
}

// replace puts what was made in the place, once it is on the disk.
func (p Place) replace(made string) error {
	mode := os.FileMode(0o644)
	if p.Transport == "oci" {
		mode = 0o755
	}
	file, err := os.Open(made)
	if err != nil {
		return err
	}
	err = errors.Join(file.Chmod(mode), unix.Syncfs(int(file.Fd())), file.Close())
	if err != nil {
		return err
	}
	if err := p.replaceable(); err != nil {
		return err
	}
	_, err = os.Stat(p.Path)
	if p.Transport != "oci" || errors.Is(err, os.ErrNotExist) {
		return os.Rename(made, p.Path)
	}
	// A folder that holds something can be exchanged, and not be replaced.
	return unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, p.Path, unix.RENAME_EXCHANGE)
}

// copy has containers/image write the image under a path, with files of its own
// in temp.
func (p Place) copy(ctx context.Context, img image.Image, path, temp string) (_ image.Pinned, err error) {
	src, err := alltransports.ParseImageName(img.Location())
	if err != nil {
		return image.Pinned{}, err
	}
	dest, err := alltransports.ParseImageName(p.at(path))
	if err != nil {
		return image.Pinned{}, err
	}
	// The image was made here, or its signature was checked when it came.
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		return image.Pinned{}, err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	source := types.SystemContext{}
	if p.Source != nil {
		source = *p.Source
	}
	source.BigFilesTemporaryDir = temp
	o := &copy.Options{
		RemoveSignatures: true, // no such place keeps them
		SourceCtx:        &source,
		DestinationCtx:   &types.SystemContext{BigFilesTemporaryDir: temp},
	}
	if slices.Contains([]string{"oci", "oci-archive"}, p.Transport) {
		level := zstdLevel
		o.DestinationCtx.CompressionFormat, o.DestinationCtx.CompressionLevel = &compression.Zstd, &level
		o.ForceCompressionFormat, o.ForceManifestMIMEType = true, imgspecv1.MediaTypeImageManifest
	}
	raw, err := copy.Image(ctx, policy, dest, src, o)
	if err != nil {
		return image.Pinned{}, err
	}
	return p.pinned(raw)
}

// pinned describes what was written.
func (p Place) pinned(raw []byte) (image.Pinned, error) {
	d, err := manifest.Digest(raw)
	if err != nil {
		return image.Pinned{}, err
	}
	// The fields that matter have the same names in Docker's manifests.
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return image.Pinned{}, err
	}
	done := image.Pinned{
		Repository: strings.TrimSuffix(p.String(), ":"+p.Name), Digest: d, MediaType: manifest.GuessMIMEType(raw), Layers: len(m.Layers),
	}
	for _, l := range m.Layers {
		done.Size += l.Size
	}
	return done, nil
}
