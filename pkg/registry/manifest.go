package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Resolve returns what a reference ("repository:tag" or "repository@digest";
// no tag means latest) names now. The digest is that of the bytes that the
// registry returned. Of an index of several images, Size and Layers are 0.
func Resolve(ctx context.Context, ref string, o Options) (image.Pinned, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return image.Pinned{}, &Error{Class: InvalidName, Registry: ref, Op: "reading the reference", Err: err, Hint: nameHint(ref)}
	}
	s, err := Open(ctx, reference.TrimNamed(named).Name(), o)
	if err != nil {
		return image.Pinned{}, err
	}
	defer s.Close()
	if d, ok := named.(reference.Digested); ok {
		return s.Resolve(ctx, d.Digest().String())
	}
	return s.Resolve(ctx, reference.TagNameOnly(named).(reference.Tagged).Tag())
}

// Resolve is [Resolve] for a tag or a digest of the session's repository. also
// names classes that are worth another try, as in [Session.Do].
func (s *Session) Resolve(ctx context.Context, tagOrDigest string, also ...Class) (image.Pinned, error) {
	var p image.Pinned
	err := s.Do(ctx, "reading the manifest "+tagOrDigest+" of", func(ctx context.Context) (err error) {
		p, err = s.get(ctx, tagOrDigest)
		return err
	}, also...)
	return p, err
}

func (s *Session) get(ctx context.Context, tagOrDigest string) (image.Pinned, error) {
	got, err := s.fetch(ctx, tagOrDigest)
	if err != nil {
		return image.Pinned{}, err
	}
	d, err := manifest.Digest(got.Manifest)
	if err != nil {
		return image.Pinned{}, fmt.Errorf("reading the manifest %s of %q: %w", tagOrDigest, s.Repository, err)
	}
	return pinned(s.Repository, d, got.Manifest)
}

// fetch reads a manifest.
func (s *Session) fetch(ctx context.Context, tagOrDigest string) (*remote.Descriptor, error) {
	return remote.Get(s.reference(tagOrDigest), s.Remote(ctx)...)
}

// reference names a tag or digest of the session's repository.
func (s *Session) reference(tagOrDigest string) name.Reference {
	if d, err := digest.Parse(tagOrDigest); err == nil {
		return s.repo.Digest(d.String())
	}
	return s.repo.Tag(tagOrDigest)
}

// pinned reads what an image.Pinned tells out of a manifest.
func pinned(repository string, d digest.Digest, raw []byte) (image.Pinned, error) {
	p := image.Pinned{Repository: repository, Digest: d, MediaType: manifest.GuessMIMEType(raw)}
	// Docker's manifests have these fields in the same places.
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return image.Pinned{}, fmt.Errorf("reading the manifest %s of %q: %w", d, repository, err)
	}
	p.Layers = len(m.Layers)
	for _, l := range m.Layers {
		p.Size += l.Size
	}
	return p, nil
}

// validTag is the grammar of a tag in the OCI distribution specification,
// "Pulling manifests".
var validTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// Tag makes the tag name the pinned image: the registry's own bytes of the
// manifest are written under it and read back. A tag that names it already is
// left alone, so that a registry of immutable tags accepts a second run.
func Tag(ctx context.Context, p image.Pinned, tag string, o Options) error {
	if !validTag.MatchString(tag) {
		return &Error{
			Class: InvalidName, Registry: p.Repository, Repository: p.Repository, Op: "tagging",
			Err:  fmt.Errorf("%q is no tag", tag),
			Hint: `a tag has at most 128 letters, digits, ".", "-" and "_", and begins with neither "." nor "-"`,
		}
	}
	s, err := Open(ctx, p.Repository, o)
	if err != nil {
		return err
	}
	defer s.Close()

	now, err := s.Resolve(ctx, tag)
	var e *Error
	switch {
	case err == nil && now.Digest == p.Digest:
		return nil
	case err != nil && !(errors.As(err, &e) && e.Class == Missing):
		return err
	}
	err = s.Do(ctx, fmt.Sprintf("tagging as %q in", tag), func(ctx context.Context) error {
		got, err := s.fetch(ctx, p.Digest.String())
		if err != nil {
			return err
		}
		return remote.Tag(s.repo.Tag(tag), got, s.Remote(ctx)...)
	})
	if err != nil {
		return err
	}
	if now, err = s.Resolve(ctx, tag, Missing); err != nil {
		return err
	}
	if now.Digest != p.Digest {
		e := s.fail(Inconsistent, fmt.Sprintf("reading back the tag %q of", tag),
			fmt.Errorf("it names %s now, and not %s that was just written", now.Digest, p.Digest))
		e.Hint = "did another publish to this repository run at the same time? Let one finish before the next begins, then run this one again"
		return e
	}
	return nil
}
