package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Copied is what [Copy] brought to a repository.
type Copied struct {
	image.Pinned
	// Images are those of an index, in its order; nil for an image.
	Images []image.Pinned `json:"images,omitempty"`
	// Attachments are the tags of signatures and attestations that lie beside the
	// image, and beside those of an index, in the order of the images.
	Attachments []string `json:"attachments"`
	// Referrers are manifests that say themselves to what of this they belong, and
	// those that belong to them.
	Referrers []digest.Digest `json:"referrers,omitempty"`
}

// Everything returns the images of an index and then the index, or the image
// alone: clients look for signatures beside each of them.
func (c *Copied) Everything() []image.Pinned { return append(slices.Clone(c.Images), c.Pinned) }

// Copy brings an image, or an index with all its images, from one registry to
// a repository of another, or of the same one: by digest, byte for byte, and
// then the signatures and attestations of each, those that a tag names and those
// that the registry lists as referrers. Those that are there already stay; no
// other tag is written. What the repository has is not sent again, so
// that a copy which broke off goes on where it was, and what the registry has in
// the other repository is not sent at all.
//
// from and to say how each registry is reached; layers wait in to.TempDir.
// Failures of a registry are an [*Error], too little room a [*SpaceError].
func Copy(ctx context.Context, p image.Pinned, repository string, from, to Options) (_ *Copied, err error) {
	c := &copier{manifests: map[digest.Digest][]byte{}, slots: make(chan struct{}, parallelUploads)}
	if c.from, err = Open(ctx, p.Repository, from); err != nil {
		return nil, err
	}
	defer c.from.Close()
	to.MountFrom = []string{c.from.Repository}
	if c.to, err = Open(ctx, repository, to); err != nil {
		return nil, err
	}
	defer c.to.Close()
	begun, err := c.to.prove(ctx)
	if err != nil {
		return nil, err
	}
	work, remove, err := to.WorkDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	c.work = work
	uploading, u, end := c.to.newUploader(ctx)
	defer end()
	u.begun.Store(begun)
	defer func() {
		if left := u.begun.Load(); left != nil {
			c.to.cancelUpload(ctx, left)
		}
	}()
	c.u = u

	copied := &Copied{Attachments: []string{}}
	if copied.Images, err = c.image(uploading, p.Digest); err != nil {
		return nil, c.to.uploadError(ctx, err)
	}
	if err := c.attachments(uploading, copied, append(digests(copied.Images), p.Digest)); err != nil {
		return nil, c.to.uploadError(ctx, err)
	}
	// What was written a moment ago is not seen everywhere at once.
	if copied.Pinned, err = c.to.Resolve(ctx, p.Digest.String(), Missing); err != nil {
		return nil, err
	}
	return copied, nil
}

func digests(images []image.Pinned) (list []digest.Digest) {
	for _, p := range images {
		list = append(list, p.Digest)
	}
	return list
}

// copier is one copy under way.
type copier struct {
	from, to *Session
	u        *uploader
	// work is where blobs wait for their upload, at most as many as slots has
	// room for.
	work  string
	slots chan struct{}
	// manifests are those that were read, by digest.
	manifests map[digest.Digest][]byte
}

// image copies what a digest names, and returns the images where that is an
// index.
func (c *copier) image(ctx context.Context, d digest.Digest) ([]image.Pinned, error) {
	raw, err := c.read(ctx, d.String())
	if err != nil {
		return nil, err
	}
	if is := digest.FromBytes(raw); d.Algorithm() == digest.Canonical && is != d {
		return nil, c.from.fail(Inconsistent, "reading the manifest "+shortName(d)+" of", fmt.Errorf("it has the digest %s", is))
	}
	var images []image.Pinned
	if manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(raw)) {
		var index imgspecv1.Index
		if err := json.Unmarshal(raw, &index); err != nil {
			return nil, fmt.Errorf("reading the index %s of %q: %w", d, c.from.Repository, err)
		}
		for _, m := range index.Manifests {
			within, err := c.image(ctx, m.Digest)
			if err != nil {
				return nil, err
			}
			p, err := pinned(c.to.Repository, m.Digest, c.manifests[m.Digest])
			if err != nil {
				return nil, err
			}
			images = append(append(images, within...), p)
		}
	} else if there, err := c.to.has(ctx, "manifests/"+d.String()); err != nil || there {
		// A registry takes no manifest whose blobs it lacks.
		return nil, err
	} else if err := c.blobs(ctx, d, raw); err != nil {
		return nil, err
	}
	return images, c.to.putManifest(ctx, d, raw)
}

// read reads a manifest of the source.
func (c *copier) read(ctx context.Context, tagOrDigest string) ([]byte, error) {
	raw, err := c.from.raw(ctx, tagOrDigest)
	if err == nil {
		c.manifests[digest.FromBytes(raw)] = raw
	}
	return raw, err
}

// raw reads a manifest's bytes.
func (s *Session) raw(ctx context.Context, tagOrDigest string) (raw []byte, err error) {
	err = s.Do(ctx, "reading the manifest "+tagOrDigest+" of", func(ctx context.Context) error {
		got, err := s.fetch(ctx, tagOrDigest)
		if err == nil {
			raw = got.Manifest
		}
		return err
	})
	return raw, err
}

// find is raw, with nil for what is not there.
func (s *Session) find(ctx context.Context, tagOrDigest string) ([]byte, error) {
	raw, err := s.raw(ctx, tagOrDigest)
	var e *Error
	if errors.As(err, &e) && e.Class == Missing {
		return nil, nil
	}
	return raw, err
}

// has asks whether something below the repository exists ("blobs/sha256:…").
func (s *Session) has(ctx context.Context, below string) (yes bool, err error) {
	err = s.Do(ctx, "asking for "+below+" in", func(ctx context.Context) error {
		_, err := s.request(ctx, http.MethodHead, s.url(below), acceptManifests, http.StatusOK)
		switch {
		case err == nil:
			yes = true
		case classify(err, false) == Missing:
			return nil
		}
		return err
	})
	return yes, err
}

// acceptManifests has a registry answer with the manifest as it is stored: some
// convert, or find nothing, for those who do not say what they take.
func acceptManifests(req *http.Request) {
	for _, t := range []string{
		imgspecv1.MediaTypeImageManifest, imgspecv1.MediaTypeImageIndex,
		manifest.DockerV2Schema2MediaType, manifest.DockerV2ListMediaType,
	} {
		req.Header.Add("Accept", t)
	}
}
