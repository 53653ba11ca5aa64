package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Members returns the images that an index names, in its order; nil for what is
// an image itself.
func Members(ctx context.Context, p image.Pinned, o Options) ([]image.Pinned, error) {
	if !manifest.MIMETypeIsMultiImage(p.MediaType) {
		return nil, nil
	}
	s, err := Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	index, err := s.readIndex(ctx, p)
	if err != nil {
		return nil, err
	}
	var images []image.Pinned
	for _, m := range index.Manifests {
		member, err := s.Resolve(ctx, m.Digest.String())
		if err != nil {
			return nil, err
		}
		images = append(images, member)
	}
	return images, nil
}

func (s *Session) readIndex(ctx context.Context, p image.Pinned) (*imgspecv1.Index, error) {
	raw, err := s.raw(ctx, p.Digest.String())
	if err != nil {
		return nil, err
	}
	var index imgspecv1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("reading the index %s: %w", p, err)
	}
	return &index, nil
}

// Platform is an image of an index, and what it is for, as [PlatformName] has it.
type Platform struct {
	Name   string
	Digest digest.Digest
}

// Platforms returns the images of an index of [PushIndex], in its order. Failures
// are an [*Error].
func Platforms(ctx context.Context, p image.Pinned, o Options) ([]Platform, error) {
	s, err := Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	index, err := s.readIndex(ctx, p)
	if err != nil {
		return nil, err
	}
	var platforms []Platform
	for _, m := range index.Manifests {
		if m.Platform == nil {
			return nil, fmt.Errorf("reading the index %s: it does not say what %s is for", p, m.Digest)
		}
		platforms = append(platforms, Platform{PlatformName(*m.Platform), m.Digest})
	}
	return platforms, nil
}

// Config returns what an image, which is no index, says of itself. Of what is no
// image of an operating system it is empty.
func Config(ctx context.Context, p image.Pinned, o Options) (*imgspecv1.Image, error) {
	s, err := Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	raw, err := s.raw(ctx, p.Digest.String())
	if err != nil {
		return nil, err
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("reading the manifest %s: %w", p, err)
	}
	config := &imgspecv1.Image{}
	if !isImageConfig(m.Config.MediaType) {
		return config, nil
	}
	return config, s.json(ctx, m.Config, config)
}

// isImageConfig reports whether a configuration is that of an image, and not of
// some other artifact.
func isImageConfig(mediaType string) bool {
	return mediaType == imgspecv1.MediaTypeImageConfig || mediaType == manifest.DockerV2Schema2ConfigMediaType
}

// IndexError says that images make no index together.
type IndexError struct{ problem, hint string }

// Error says why; the hint is apart.
func (e *IndexError) Error() string { return "making the index: " + e.problem }

// MendHint says what can be done about it.
func (e *IndexError) MendHint() string { return e.hint }

// PushIndex writes an OCI index of images that are in the repository, one for
// each platform, by digest and with no tag. The same images make the same index,
// in whatever order they are given. What all of them are annotated with, the
// index is, too. Images that make no index are an [*IndexError], failures of the
// registry an [*Error].
func PushIndex(ctx context.Context, repository string, members []digest.Digest, o Options) (image.Pinned, error) {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return image.Pinned{}, err
	}
	defer s.Close()
	raw, err := s.index(ctx, members)
	if err != nil {
		return image.Pinned{}, err
	}
	d := digest.FromBytes(raw)
	if err := s.putManifest(ctx, d, raw); err != nil {
		return image.Pinned{}, err
	}
	// What was written a moment ago is not seen everywhere at once.
	back, err := s.Resolve(ctx, d.String(), Missing)
	if err == nil && back.Digest != d {
		err = s.fail(Inconsistent, "reading back the index of", fmt.Errorf("it is %s and not %s", back.Digest, d))
	}
	return back, err
}

func (s *Session) index(ctx context.Context, members []digest.Digest) ([]byte, error) {
	index := imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex}
	var annotations map[string]string
	for _, d := range members {
		m, err := s.member(ctx, d)
		if err != nil {
			return nil, err
		}
		if same := slices.IndexFunc(index.Manifests, func(o imgspecv1.Descriptor) bool { return PlatformName(*o.Platform) == PlatformName(*m.Platform) }); same >= 0 {
			other := index.Manifests[same].Digest
			if other == m.Digest {
				return nil, &IndexError{fmt.Sprintf("%s is given twice", d), "name each image once"}
			}
			return nil, &IndexError{
				fmt.Sprintf("%s and %s are both for %s", other, d, PlatformName(*m.Platform)),
				"an index has one image for each platform",
			}
		}
		annotations = common(annotations, m.Annotations, len(index.Manifests) == 0)
		m.Annotations = nil
		index.Manifests = append(index.Manifests, m)
	}
	slices.SortFunc(index.Manifests, func(a, b imgspecv1.Descriptor) int {
		return cmp.Compare(PlatformName(*a.Platform), PlatformName(*b.Platform))
	})
	if len(annotations) > 0 {
		index.Annotations = annotations
	}
	return json.Marshal(index)
}

// common keeps of all what one has as well; the first is taken as it is.
func common(all, one map[string]string, first bool) map[string]string {
	kept := map[string]string{}
	for k, v := range one {
		if first || all[k] == v {
			kept[k] = v
		}
	}
	return kept
}

// member describes an image as an index does, with the image's own annotations.
func (s *Session) member(ctx context.Context, d digest.Digest) (imgspecv1.Descriptor, error) {
	none := imgspecv1.Descriptor{}
	raw, err := s.raw(ctx, d.String())
	if err != nil {
		return none, err
	}
	mediaType := manifest.GuessMIMEType(raw)
	if manifest.MIMETypeIsMultiImage(mediaType) {
		return none, &IndexError{fmt.Sprintf("%s is an index itself", d), "name the images in it"}
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return none, fmt.Errorf("reading the manifest %s of %q: %w", d, s.Repository, err)
	}
	var config imgspecv1.Image
	if err := s.json(ctx, m.Config, &config); err != nil {
		return none, err
	}
	if config.OS == "" || config.Architecture == "" {
		return none, &IndexError{fmt.Sprintf("%s does not say for which platform it is", d), "name images of an operating system, no signatures or other artifacts"}
	}
	platform := config.Platform
	// What else the configuration says narrows down the machines for no reader of
	// an index.
	return imgspecv1.Descriptor{
		MediaType: mediaType, Digest: d, Size: int64(len(raw)), Annotations: m.Annotations,
		Platform: &imgspecv1.Platform{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant},
	}, nil
}

// PlatformName is "linux/amd64", and with a variant "linux/arm/v7".
func PlatformName(p imgspecv1.Platform) string {
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

// json reads a small blob.
func (s *Session) json(ctx context.Context, d imgspecv1.Descriptor, into any) error {
	const most = 4 << 20 // more than any registry takes as a manifest
	if d.Size > most {
		return s.fail(Rejected, "reading the configuration of", errors.New("it is too large"))
	}
	var content []byte
	err := s.Do(ctx, "reading the configuration "+shortName(d.Digest)+" of", func(ctx context.Context) (err error) {
		content, err = s.small(ctx, "blobs/"+d.Digest.String(), d.Size)
		return err
	})
	if err != nil {
		return err
	}
	if digest.FromBytes(content) != d.Digest && d.Digest.Algorithm() == digest.Canonical {
		return s.fail(Inconsistent, "reading the configuration of", fmt.Errorf("it has the digest %s", digest.FromBytes(content)))
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("reading the configuration %s of %q: %w", d.Digest, s.Repository, err)
	}
	return nil
}

// small reads at most size bytes from below the repository.
func (s *Session) small(ctx context.Context, below string, size int64) ([]byte, error) {
	from := s.url(below)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: s.client.Load()}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &answerError{err: transport.CheckError(resp), retryAfter: retryAfter(resp.Header)}
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, size+1))
	if err != nil {
		return nil, readingError(http.MethodGet, from, err)
	}
	return content, nil
}
