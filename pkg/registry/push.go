package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// zstdLevel is as fast as gzip's fastest and smaller than its best; higher
// levels cost minutes for a few percent.
const zstdLevel = 3

// Push uploads the image to the repository and returns what the registry now
// holds: all layers zstd, an OCI manifest, read back and compared, and no tag.
// An OCI layout of which that is true already keeps its digest.
//
// The right to write is proved first, so that a refusal comes in seconds, and
// one that comes later is known for what it is. Layers that the registry has
// are not sent again, also by a fresh machine. Failures of the registry are an
// [*Error], too little room in TempDir is a [*SpaceError]; others are of this
// machine or of the image.
func Push(ctx context.Context, img image.Image, repository string, o Options) (image.Pinned, error) {
	src, err := source(img)
	if err != nil {
		return image.Pinned{}, err
	}
	s, err := Open(ctx, repository, o)
	if err != nil {
		return image.Pinned{}, err
	}
	defer s.Close()
	begun, err := s.prove(ctx)
	if err != nil {
		return image.Pinned{}, err
	}
	defer func() {
		if begun != nil {
			s.cancelUpload(ctx, begun)
		}
	}()
	raw, err := s.upload(ctx, src, &begun)
	if err != nil {
		return image.Pinned{}, err
	}
	d := digest.FromBytes(raw)
	if err := s.putManifest(ctx, d, raw); err != nil {
		return image.Pinned{}, err
	}
	// What was written a moment ago is not seen everywhere at once.
	back, err := s.Resolve(ctx, d.String(), Missing)
	if err != nil {
		return image.Pinned{}, err
	}
	if back.Digest != d {
		return image.Pinned{}, s.fail(Inconsistent, "reading back the manifest of", fmt.Errorf("it is %s and not %s", back.Digest, d))
	}
	return back, nil
}

// source is where the image is, as containers/image takes it.
func source(img image.Image) (types.ImageReference, error) {
	location := img.Location()
	if strings.HasPrefix(location, "dir-rootfs:") {
		return nil, fmt.Errorf("pushing %q: a folder is no image", location)
	}
	ref, err := alltransports.ParseImageName(location)
	if err != nil {
		return nil, fmt.Errorf("pushing %q: %w", location, err)
	}
	return ref, nil
}

// upload brings all blobs to the registry, and returns the manifest that names
// them. The first one that is sent takes the upload that begun holds.
func (s *Session) upload(ctx context.Context, src types.ImageReference, begun **url.URL) ([]byte, error) {
	uploading, u, end := s.newUploader(ctx)
	defer end()
	u.begun.Store(*begun)
	defer func() { *begun = u.begun.Load() }()
	from := &types.SystemContext{BigFilesTemporaryDir: s.options.tempDir()}
	raw, blobs, err := finalLayout(ctx, src, from)
	switch {
	case err != nil:
		return nil, err
	case raw != nil:
		err = u.putAll(uploading, blobs)
	default:
		raw, err = s.compress(uploading, u, src)
		if failed := u.err(); failed != nil {
			err = failed // the first one, and not what came of it
		}
	}
	if err != nil {
		return nil, s.uploadError(ctx, err)
	}
	s.options.stage().Infof("%s", &u.told)
	return raw, nil
}

// compress has containers/image compress the layers, and uploads each as it is
// ready.
func (s *Session) compress(ctx context.Context, u *uploader, src types.ImageReference) (_ []byte, err error) {
	work, remove, err := s.options.WorkDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	from, err := s.reading(ctx, src, work)
	if err != nil {
		return nil, err
	}
	if err := s.options.checkSpace(ctx, src, from, work); err != nil {
		return nil, err
	}
	// It names no tag, and no digest before it is known.
	named, err := docker.NewReferenceUnknownDigest(s.named)
	if err != nil {
		return nil, err
	}
	// The image was made here, or its signature was checked when it came: what
	// is pushed needs no policy of this machine.
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	dest := &destination{ImageReference: named, u: u, dir: work}
	level := zstdLevel
	_, err = copy.Image(ctx, policy, dest, src, &copy.Options{
		RemoveSignatures: true, // they are of what the layers were before
		SourceCtx:        from,
		DestinationCtx: &types.SystemContext{
			BigFilesTemporaryDir: work, BlobInfoCacheDir: s.options.BlobInfoCacheDir,
			CompressionFormat: &compression.Zstd, CompressionLevel: &level,
		},
		MaxParallelDownloads:   parallelUploads,
		ForceCompressionFormat: true, // or layers of the base stay gzip
		ForceManifestMIMEType:  imgspecv1.MediaTypeImageManifest,
	})
	return dest.manifest, err
}

// reading is how containers/image reads the image: one that is in a registry, as
// the options say of registries.
func (s *Session) reading(ctx context.Context, src types.ImageReference, dir string) (*types.SystemContext, error) {
	sys := types.SystemContext{}
	if src.Transport().Name() == docker.Transport.Name() {
		r, err := s.options.Reader(ctx, src.DockerReference().Name())
		if err != nil {
			return nil, err
		}
		sys = *r.sys
	}
	sys.BigFilesTemporaryDir = dir
	return &sys, nil
}

// putManifest writes a manifest under its digest.
func (s *Session) putManifest(ctx context.Context, d digest.Digest, raw []byte) error {
	return s.do(ctx, "writing the manifest "+shortName(d)+" to", true, func(ctx context.Context) error {
		_, err := s.request(ctx, http.MethodPut, s.url("manifests/"+d.String()), manifestBody(raw), http.StatusCreated, http.StatusOK, http.StatusAccepted)
		return err
	})
}

// uploadError says what was done where the registry's errors do not.
func (s *Session) uploadError(ctx context.Context, err error) error {
	var e *Error
	switch {
	case err == nil || errors.As(err, &e):
	case errors.Is(err, syscall.ENOSPC):
		err = fmt.Errorf("pushing to %q: %w", s.Repository, &SpaceError{Dir: s.options.tempDir(), Err: err})
	case ctx.Err() != nil:
		err = fmt.Errorf("pushing to %q: %w", s.Repository, ctx.Err())
	default:
		err = fmt.Errorf("pushing to %q: %w", s.Repository, err)
	}
	return err
}
