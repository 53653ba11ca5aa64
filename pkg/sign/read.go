package sign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/cosign/v2/pkg/oci"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// none stands for no digest in particular.
var none v1.Hash

// Signatures returns the signatures beside an image, whoever made them, in the
// order of the registry and in memory. Failures are a [*registry.Error].
func Signatures(ctx context.Context, session *registry.Session, p image.Pinned) ([]oci.Signature, error) {
	return read(ctx, session, p, "reading the signatures of", oci.SignedEntity.Signatures)
}

// read reads what lies beside an image. cosign's verifiers would do so
// themselves, and take a failure of the registry for a bad signature.
func read(
	ctx context.Context, session *registry.Session, p image.Pinned, op string, what func(oci.SignedEntity) (oci.Signatures, error),
) ([]oci.Signature, error) {
	var all []oci.Signature
	err := session.Do(ctx, op, func(ctx context.Context) (err error) {
		entity := ociremote.SignedUnknown(session.Name().Digest(p.Digest.String()),
			ociremote.WithRemoteOptions(session.Remote(ctx)...))
		all, err = inMemory(what(entity))
		return err
	}, registry.Missing) // what the list names was written, perhaps a moment ago
	return all, err
}

// inMemory reads signatures or attestations from the registry. What cannot be
// read as one is left out; an error is the registry's.
func inMemory(signatures oci.Signatures, err error) ([]oci.Signature, error) {
	if err != nil {
		return nil, err
	}
	all, err := signatures.Get()
	if err != nil {
		return nil, err
	}
	var read []oci.Signature
	for _, s := range all {
		if !wellFormed(s) {
			continue
		}
		s, err := static.Copy(s)
		if err != nil {
			return nil, err
		}
		read = append(read, s)
	}
	return read, nil
}

// wellFormed reports whether a signature's annotations, which came with the
// manifest, can be read.
func wellFormed(s oci.Signature) bool {
	_, signature := s.Base64Signature()
	_, cert := s.Cert()
	_, chain := s.Chain()
	_, bundle := s.Bundle()
	_, stamp := s.RFC3161Timestamp()
	return errors.Join(signature, cert, chain, bundle, stamp) == nil
}

// deepest is how many indexes may be in each other.
const deepest = 4

// Images returns the image itself and, of an index, what a client may pull: its
// images, and indexes in it, each once. An index's other manifests, such as the
// attestations of BuildKit, are left out. Failures are a [*registry.Error].
func Images(ctx context.Context, p image.Pinned, o registry.Options) ([]image.Pinned, error) {
	session, err := registry.Open(ctx, p.Repository, o)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return images(ctx, session, p)
}

// images is [Images]. also names classes that are worth another try.
func images(ctx context.Context, session *registry.Session, p image.Pinned, also ...registry.Class) ([]image.Pinned, error) {
	all := []image.Pinned{p}
	if p.MediaType == imgspecv1.MediaTypeImageManifest || p.MediaType == string(types.DockerManifestSchema2) {
		return all, nil
	}
	err := addImages(ctx, session, p, &all, 1, also)
	return all, err
}

func addImages(ctx context.Context, session *registry.Session, p image.Pinned, all *[]image.Pinned, depth int, also []registry.Class) error {
	var raw []byte
	err := session.Do(ctx, "reading the manifest of", func(ctx context.Context) error {
		got, err := remote.Get(session.Name().Digest(p.Digest.String()), session.Remote(ctx)...)
		if err == nil {
			raw = got.Manifest
		}
		return err
	}, also...)
	if err != nil {
		return err
	}
	var index imgspecv1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return fmt.Errorf("reading the manifest of %q: %w", p, err)
	}
	if depth > deepest && len(index.Manifests) > 0 {
		return fmt.Errorf("reading the manifest of %q: more than %d indexes are in each other", p, deepest)
	}
	for _, m := range index.Manifests {
		aside := m.ArtifactType != "" || m.Platform != nil && m.Platform.OS == "unknown"
		if aside || slices.ContainsFunc(*all, func(known image.Pinned) bool { return known.Digest == m.Digest }) {
			continue
		}
		if err := m.Digest.Validate(); err != nil {
			return fmt.Errorf("reading the manifest of %q: %w", p, err)
		}
		inner := image.Pinned{Repository: p.Repository, Digest: m.Digest, MediaType: m.MediaType}
		*all = append(*all, inner)
		if m.MediaType != imgspecv1.MediaTypeImageIndex && m.MediaType != string(types.DockerManifestList) {
			continue
		}
		if err := addImages(ctx, session, inner, all, depth+1, also); err != nil {
			return err
		}
	}
	return nil
}
