package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// zstdLevel is as fast as gzip's fastest and smaller than its best; higher
// levels cost minutes for a few percent.
const zstdLevel = 3

// parallelUploads is how many layers are under way at once. It bounds memory
// and temporary space whatever the image's size, and halves with each failure:
// registries limit the time of one upload, and uploads share the line.
const parallelUploads = 4

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
	if err := s.prove(ctx); err != nil {
		return image.Pinned{}, err
	}
	raw, err := s.upload(ctx, src)
	if err != nil {
		return image.Pinned{}, err
	}
	d, err := manifest.Digest(raw)
	if err != nil {
		return image.Pinned{}, fmt.Errorf("reading the manifest that was pushed to %q: %w", s.Repository, err)
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

// upload copies until the registry has everything, and returns the manifest.
func (s *Session) upload(ctx context.Context, src types.ImageReference) ([]byte, error) {
	// The destination names no tag, and no digest before it is known.
	dest, err := docker.NewReferenceUnknownDigest(s.named)
	if err != nil {
		return nil, fmt.Errorf("pushing to %q: %w", s.Repository, err)
	}
	work, remove, err := s.options.WorkDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	copyOptions, err := s.copyOptions(ctx, src, work)
	if err != nil {
		return nil, err
	}
	if !copyOptions.PreserveDigests { // else layers go as they are
		if err := s.options.checkSpace(ctx, src, copyOptions.SourceCtx, work); err != nil {
			return nil, fmt.Errorf("pushing to %q: %w", s.Repository, err)
		}
	}
	// The image was made here, or its signature was checked when it came: what
	// is pushed needs no policy of this machine.
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		return nil, fmt.Errorf("pushing to %q: %w", s.Repository, err)
	}
	defer func() { _ = policy.Destroy() }()

	watch := newWatch(s.options.stage())
	var raw []byte
	err = s.options.retry(ctx, nil, func(failures int) (bool, error) {
		attempt := *copyOptions
		attempt.MaxParallelDownloads = uint(max(parallelUploads>>failures, 1))
		var done func() (further bool)
		err := s.attend(ctx, "pushing to", longPatience*s.options.Retry.silence(), true, func(ctx context.Context, moved func()) (err error) {
			attempt.Progress, done = watch.attempt(moved)
			raw, err = copy.Image(ctx, policy, dest, src, &attempt)
			return err
		})
		return done(), err
	})
	return raw, s.uploadError(ctx, err)
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

// copyOptions are those of every attempt.
func (s *Session) copyOptions(ctx context.Context, src types.ImageReference, temp string) (*copy.Options, error) {
	from := &types.SystemContext{BigFilesTemporaryDir: temp}
	to := s.System()
	to.BigFilesTemporaryDir = temp
	// No signature is written here, and registries.d of this machine is none of
	// our business: the temporary folder has none.
	to.RegistriesDirPath = temp
	o := &copy.Options{
		RemoveSignatures: true, // they are of what the layers were before
		SourceCtx:        from,
		DestinationCtx:   to,
		ProgressInterval: 200 * time.Millisecond,
	}
	final, err := isFinal(ctx, src, from)
	if err != nil {
		return nil, err
	}
	if final {
		o.PreserveDigests = true
		return o, nil
	}
	level := zstdLevel
	to.CompressionFormat, to.CompressionLevel = &compression.Zstd, &level
	// Compress first, ask whether the registry has the result, and only then
	// begin an upload: a machine without the cache sends nothing twice, and the
	// registry's clock runs for the network alone. The price is disk space.
	to.DockerRegistryPushPrecomputeDigests = true
	o.ForceCompressionFormat = true // or layers of the base stay gzip
	o.ForceManifestMIMEType = imgspecv1.MediaTypeImageManifest
	return o, nil
}

// isFinal reports whether the image is an OCI layout whose layers are all zstd
// and under an OCI manifest: then it goes as it is, under its own digest.
func isFinal(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (bool, error) {
	if ref.Transport().Name() != "oci" {
		return false, nil
	}
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return false, fmt.Errorf("opening %q: %w", ref.StringWithinTransport(), err)
	}
	defer src.Close()
	raw, mediaType, err := src.GetManifest(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("reading the manifest of %q: %w", ref.StringWithinTransport(), err)
	}
	if mediaType != imgspecv1.MediaTypeImageManifest {
		return false, nil
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return false, fmt.Errorf("reading the manifest of %q: %w", ref.StringWithinTransport(), err)
	}
	return !slices.ContainsFunc(m.Layers, func(l imgspecv1.Descriptor) bool { return l.MediaType != imgspecv1.MediaTypeImageLayerZstd }), nil
}
