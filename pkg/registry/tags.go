package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
)

// Tagged is a tag and what it names.
type Tagged struct {
	Tag    string        `json:"tag"`
	Digest digest.Digest `json:"digest"`
	// Of is the image that the tag is an attachment of (a signature, an
	// attestation), "" for a tag of an image.
	Of digest.Digest `json:"attachmentOf,omitempty"`
	// Signed and Attested say that there is a signature, or an attestation, beside
	// the image; whose they are is for a verification to find out.
	Signed   bool `json:"signed"`
	Attested bool `json:"attested"`
	// Details are nil where they were not asked for.
	*Details
}

// Details are what takes a look into the manifest and the configuration.
type Details struct {
	// Created is when the image was made, as it says itself; for an index the
	// latest of its images. Zero where it does not say.
	Created time.Time `json:"created,omitzero"`
	// Size is the sum of the compressed layers, in bytes; of all images of an
	// index.
	Size int64 `json:"size"`
	// Platforms are those of the images, as "linux/amd64".
	Platforms []string `json:"platforms,omitempty"`
	// Images are those of an index.
	Images []digest.Digest `json:"images,omitempty"`
}

// TagOptions say what [Tags] looks at.
type TagOptions struct {
	// Attachments lists the tags of signatures and attestations as well.
	Attachments bool
	// Details asks for them, which takes three requests or more for each image.
	// Docker Hub counts them as pulls; without, it counts none.
	Details bool
}

// Tags lists a repository's tags, sorted by name: a request for each page of
// the list, and one for each tag. A tag that goes away meanwhile is left out.
// Failures are an [*Error].
func Tags(ctx context.Context, repository string, want TagOptions, o Options) ([]Tagged, error) {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.tags(ctx, want)
}

func (s *Session) tags(ctx context.Context, want TagOptions) ([]Tagged, error) {
	var names []string
	err := s.Do(ctx, "listing the tags of", func(ctx context.Context) (err error) {
		// It follows the links from page to page.
		names, err = remote.List(s.repo, s.Remote(ctx)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	attached := map[string]bool{}
	list := []Tagged{}
	for _, name := range names {
		of, attachment := attachmentOf(name)
		attached[name] = attachment
		if !attachment || want.Attachments {
			list = append(list, Tagged{Tag: name, Of: of})
		}
	}
	err = each(ctx, len(list), func(ctx context.Context, i int) (err error) {
		list[i].Digest, err = s.digestOf(ctx, list[i].Tag)
		return err
	})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(t Tagged) bool { return t.Digest == "" })
	for i := range list {
		list[i].Signed = attached[attachmentTag(list[i].Digest, ".sig")]
		list[i].Attested = attached[attachmentTag(list[i].Digest, ".att")]
	}
	if !want.Details {
		return list, nil
	}
	return list, s.detail(ctx, list)
}

// detail fills in the details of images, once for all tags of one.
func (s *Session) detail(ctx context.Context, list []Tagged) error {
	images := map[digest.Digest]*Details{}
	var order []digest.Digest
	for _, t := range list {
		if t.Of == "" && images[t.Digest] == nil {
			images[t.Digest] = &Details{}
			order = append(order, t.Digest)
		}
	}
	err := each(ctx, len(order), func(ctx context.Context, i int) error {
		return s.details(ctx, order[i], images[order[i]])
	})
	for i := range list {
		list[i].Details = images[list[i].Digest]
	}
	return err
}

// firstYear is the first that an image can be of: those that are older have
// their time set to a constant, so that it says nothing.
const firstYear = 2000

// details adds what an image, or each of an index, says of itself.
func (s *Session) details(ctx context.Context, d digest.Digest, into *Details) error {
	raw, err := s.raw(ctx, d.String())
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(raw)) {
		var index imgspecv1.Index
		if err := json.Unmarshal(raw, &index); err != nil {
			return fmt.Errorf("reading the index %s of %q: %w", d, s.Repository, err)
		}
		for _, m := range index.Manifests {
			into.Images = append(into.Images, m.Digest)
			if err := s.details(ctx, m.Digest, into); err != nil {
				return err
			}
		}
		return nil
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("reading the manifest %s of %q: %w", d, s.Repository, err)
	}
	for _, l := range m.Layers {
		into.Size += l.Size
	}
	if !isImageConfig(m.Config.MediaType) {
		return nil // an artifact, which is of no time and no platform
	}
	var config imgspecv1.Image
	if err := s.json(ctx, m.Config, &config); err != nil {
		return err
	}
	if c := config.Created; c != nil && c.After(into.Created) && c.Year() >= firstYear {
		into.Created = *c
	}
	if config.OS != "" {
		into.Platforms = append(into.Platforms, PlatformName(config.Platform))
	}
	return nil
}

// digestOf asks what a tag names; "" where it is gone.
func (s *Session) digestOf(ctx context.Context, tag string) (d digest.Digest, err error) {
	err = s.Do(ctx, fmt.Sprintf("asking for the tag %q of", tag), func(ctx context.Context) error {
		got, err := s.request(ctx, http.MethodHead, s.url("manifests/"+tag), acceptManifests, http.StatusOK)
		if err != nil {
			if classify(err, false) == Missing {
				return nil
			}
			return err
		}
		d = digest.Digest(got.header.Get("Docker-Content-Digest"))
		return nil
	})
	if err != nil || d.Validate() == nil {
		return d, err
	}
	if d == "" {
		// The header is only recommended, and the tag may be gone.
		p, err := s.Resolve(ctx, tag)
		var e *Error
		if errors.As(err, &e) && e.Class == Missing {
			return "", nil
		}
		return p.Digest, err
	}
	return "", s.fail(Inconsistent, fmt.Sprintf("asking for the tag %q of", tag), fmt.Errorf("%q is no digest", strings.TrimSpace(d.String())))
}

// each runs f for the numbers below n, a few at a time, until one fails.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallelUploads)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
