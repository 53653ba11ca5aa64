package build

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	imagev5 "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// baseKind says where a base image comes from.
type baseKind int

const (
	fromRegistry  baseKind = iota
	fromStore              // containers-storage, or a name of the host localhost
	fromElsewhere          // a folder or an archive
)

var imageID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// parseBase says what a base reference is. named is set for fromRegistry, and
// name is what the store knows the image by for fromStore.
func parseBase(ref string) (kind baseKind, named reference.Named, name string, err error) {
	if rest, ok := strings.CutPrefix(ref, "containers-storage:"); ok {
		return fromStore, nil, rest, nil
	}
	if imageID.MatchString(ref) {
		return fromStore, nil, ref, nil
	}
	rest, explicit := strings.CutPrefix(ref, "docker://")
	if t := alltransports.TransportFromImageName(ref); !explicit && t != nil && t.Name() != docker.Transport.Name() {
		return fromElsewhere, nil, "", nil
	}
	named, err = reference.ParseNormalizedNamed(rest)
	if err != nil {
		return 0, nil, "", fmt.Errorf("parsing base image %q: %w", ref, err)
	}
	if !explicit && reference.Domain(named) == "localhost" {
		return fromStore, nil, rest, nil
	}
	if _, pinned := named.(reference.Digested); pinned {
		// As podman does it, the digest is what counts beside a tag.
		named, err = withoutTag(named)
	}
	return fromRegistry, reference.TagNameOnly(named), "", err
}

func withoutTag(named reference.Named) (reference.Named, error) {
	return reference.WithDigest(reference.TrimNamed(named), named.(reference.Digested).Digest())
}

// ResolveRemote finds the digest of a base in a registry, and its distribution
// as far as the labels of the image say it (redhat.id and redhat.version-id, as
// centos-bootc has them). It needs neither root nor a store. Nothing is
// downloaded but the manifest and the configuration. For a base that is not in a registry it returns the
// zero BaseInfo, or a [*diag.ListError] if base.verify asks for its signature.
//
// An unsigned base is not refused here, but when it is pulled.
func ResolveRemote(ctx context.Context, base recipe.Base, a RegistryAccess) (plan.BaseInfo, error) {
	kind, named, _, err := parseBase(base.Image.Value)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	if kind != fromRegistry {
		if base.VerifyKey.IsSet() {
			return plan.BaseInfo{}, unverifiable(base.Image.Value, base.VerifyKey.Pos)
		}
		return plan.BaseInfo{}, nil
	}
	var info plan.BaseInfo
	err = retryPull(ctx, nil, func() error {
		sys, err := a.reading(ctx, named)
		if err != nil {
			return err
		}
		info, err = resolveRemote(ctx, named, sys)
		return err
	})
	if err != nil {
		return plan.BaseInfo{}, newPullError(base.Image.Value, base.Image.Pos, err)
	}
	return info, nil
}

func resolveRemote(ctx context.Context, named reference.Named, sys *types.SystemContext) (_ plan.BaseInfo, err error) {
	ref, err := docker.NewReference(named)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	top := imagev5.UnparsedInstance(src, nil)
	raw, mime, err := top.Manifest(ctx)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	d, err := manifest.Digest(raw)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	info := plan.BaseInfo{Digest: d.String()}
	var instance *digest.Digest
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(raw, mime)
		if err != nil {
			return plan.BaseInfo{}, err
		}
		chosen, err := list.ChooseInstance(sys)
		if err != nil {
			return plan.BaseInfo{}, err
		}
		instance = &chosen
	}
	img, err := imagev5.FromUnparsedImage(ctx, sys, imagev5.UnparsedInstance(src, instance))
	if err != nil {
		return plan.BaseInfo{}, err
	}
	c, err := img.OCIConfig(ctx)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	info.Architecture = c.Architecture
	info.Distro = distroOfLabels(c.Config.Labels)
	return info, nil
}

// distroOfLabels reads the labels that Red Hat's builds carry.
func distroOfLabels(labels map[string]string) plan.Distro {
	if labels["redhat.id"] == "" {
		return plan.Distro{}
	}
	return plan.Distro{ID: labels["redhat.id"], Version: labels["redhat.version-id"]}
}

// ResolveBase finds a base image and pins it: a base in a registry by the
// digest of its manifest (or of the list that the reference names), one of the
// store by its ID. The distribution is read from os-release in the image, or
// from its labels, unless the recipe says it; a base that carries no such label
// is pulled to be read. st may be nil.
//
// key is the content of base.verify's public key (PEM), or nil. It is applied
// to whatever is pulled; the error for a base that is not signed with it
// is a [*PullError] that says Refused. Signatures are in registries: for a base
// from elsewhere, a key is a problem of the recipe ([*diag.ListError]).
func (b *Builder) ResolveBase(ctx context.Context, base recipe.Base, key []byte, st progress.Stage) (plan.BaseInfo, error) {
	kind, named, name, err := parseBase(base.Image.Value)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	if kind != fromRegistry && (key != nil || base.VerifyKey.IsSet()) {
		return plan.BaseInfo{}, unverifiable(base.Image.Value, base.VerifyKey.Pos)
	}
	switch kind {
	case fromStore:
		return b.resolveStored(ctx, base, name)
	case fromElsewhere:
		id, err := b.pullForReading(ctx, base.Image.Value, nil, st)
		if err != nil {
			return plan.BaseInfo{}, newPullError(base.Image.Value, base.Image.Pos, err)
		}
		return b.resolveStored(ctx, base, id)
	}
	info, err := ResolveRemote(ctx, base, b.access)
	if err != nil || base.Distro.IsSet() || info.Distro.ID != "" {
		return info, err
	}
	d, err := digest.Parse(info.Digest)
	if err != nil {
		return plan.BaseInfo{}, fmt.Errorf("resolving base image %q: %w", base.Image.Value, err)
	}
	pinned, err := reference.WithDigest(reference.TrimNamed(named), d)
	if err != nil {
		return plan.BaseInfo{}, fmt.Errorf("resolving base image %q: %w", base.Image.Value, err)
	}
	id, err := b.pullForReading(ctx, pinned.String(), key, st)
	if err != nil {
		return plan.BaseInfo{}, newPullError(base.Image.Value, base.Image.Pos, err)
	}
	stored, err := b.resolveStored(ctx, base, id)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	info.Distro = stored.Distro
	return info, nil
}

// unverifiable is the problem of a key for a base that has no signatures.
func unverifiable(ref string, pos diag.Pos) error {
	return diag.List{{
		Pos: pos, Path: "base.verify", Code: "unverifiable-base",
		Message: fmt.Sprintf("the signature of %q cannot be verified", ref),
		Hint:    "base.verify needs a base in a registry",
	}}.Err()
}

// resolveStored resolves an image of the store.
func (b *Builder) resolveStored(ctx context.Context, base recipe.Base, name string) (plan.BaseInfo, error) {
	ref, err := istorage.Transport.ParseStoreReference(b.store, name)
	if err != nil {
		return plan.BaseInfo{}, fmt.Errorf("parsing base image %q: %w", base.Image.Value, err)
	}
	_, stored, err := istorage.ResolveReference(ref)
	if err != nil {
		return plan.BaseInfo{}, &PullError{
			Image: base.Image.Value, Pos: base.Image.Pos, Err: err,
			Hint: "it is looked for in the local store only; build or pull it first",
		}
	}
	img, err := b.Image(ctx, stored.ID)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	c, err := img.Config(ctx)
	if err != nil {
		return plan.BaseInfo{}, err
	}
	info := plan.BaseInfo{ImageID: stored.ID, Architecture: c.Architecture}
	// Also where the recipe says it: it may be wrong.
	info.Distro, err = distroOfImage(ctx, img, c)
	return info, err
}

// Base opens a base in the store by its pinned name ([plan.Base].Pinned), as a
// build leaves it there. Nothing is pulled: one that the store does not have is
// an error.
func (b *Builder) Base(ctx context.Context, pinned string) (image.Image, error) {
	kind, named, name, err := parseBase(pinned)
	switch {
	case err != nil:
		return nil, err
	case kind == fromElsewhere:
		return nil, fmt.Errorf("opening base image %q: the name says nothing about the store", pinned)
	case kind == fromRegistry:
		name = named.String()
	}
	ref, err := istorage.Transport.ParseStoreReference(b.store, name)
	if err != nil {
		return nil, fmt.Errorf("parsing base image %q: %w", pinned, err)
	}
	// Unlike the store itself this finds a digest under another name too, such
	// as that of the tag by which somebody pulled it.
	_, stored, err := istorage.ResolveReference(ref)
	if err != nil {
		return nil, fmt.Errorf("opening base image %q: %w", pinned, err)
	}
	return b.Image(ctx, stored.ID)
}

// distroOfImage reads os-release(5), or else the labels.
func distroOfImage(ctx context.Context, img image.Image, c *imgspecv1.Image) (_ plan.Distro, err error) {
	root, err := img.Root(ctx)
	if err != nil {
		return plan.Distro{}, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	release, err := image.OSRelease(root)
	if err != nil {
		return plan.Distro{}, err
	}
	if len(release) == 0 {
		return distroOfLabels(c.Config.Labels), nil
	}
	return plan.Distro{
		ID: release["ID"], Version: release["VERSION_ID"], IDLike: strings.Fields(release["ID_LIKE"]),
	}, nil
}
