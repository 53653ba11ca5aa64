package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// Restricted says why an image must not be where everyone can pull it, "" for
// one that may be: "its os-release says …", to go on with after "the image is
// Red Hat Enterprise Linux".
//
// Red Hat's documentation of image mode: rhel-bootc, and images made from it,
// "are subject to the Red Hat Enterprise Linux end user license agreement. You
// are not allowed to publicly redistribute these images." Universal Base Images
// call themselves the same in os-release, and may be passed on; the label about
// their licence tells them apart. But they have no kernel: one with a kernel
// that Red Hat built has it from RHEL itself, and is restricted.
func Restricted(ctx context.Context, img image.Image) (why string, err error) {
	config, err := img.Config(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for the licence of %q: %w", img.Location(), err)
	}
	root, err := img.Root(ctx)
	if err != nil {
		return "", fmt.Errorf("looking for the licence of %q: %w", img.Location(), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if why = restrictedLabel(config); why != "" {
		return why, nil
	}
	release, err := image.OSRelease(root)
	if err != nil || release["ID"] != "rhel" {
		return "", err
	}
	if !strings.HasSuffix(config.Config.Labels["com.redhat.license_terms"], "#UBI") {
		return `its os-release says ID=rhel`, nil
	}
	list, err := packagedb.Packages(ctx, root)
	if errors.Is(err, packagedb.ErrNone) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the licence of %q: %w", img.Location(), err)
	}
	if i := slices.IndexFunc(list, func(p packagedb.Package) bool {
		return strings.HasPrefix(p.Name, "kernel-") && strings.HasSuffix(p.Name, "core") && strings.HasPrefix(p.Vendor, "Red Hat")
	}); i >= 0 {
		return fmt.Sprintf("Universal Base Images have no kernel, and it has %s of %s", list[i].Name, list[i].Vendor), nil
	}
	return "", nil
}

// restrictedLabel knows rhel-bootc by the labels that images made from it
// inherit, whatever their os-release says.
func restrictedLabel(config *imgspecv1.Image) string {
	for _, label := range []struct {
		key  string
		says func(string) bool
	}{
		{"redhat.id", func(v string) bool { return v == "rhel" }},
		{"redhat.compose-id", func(v string) bool { return strings.HasPrefix(v, "RHEL-") }},
		{imgspecv1.AnnotationBaseImageName, RestrictedReference},
	} {
		if v := config.Config.Labels[label.key]; label.says(v) {
			return fmt.Sprintf("its label %s says %s", label.key, v)
		}
	}
	return ""
}

// RestrictedReference reports whether an image's name alone says that it is
// Red Hat Enterprise Linux, as Red Hat or a mirror calls it. Names of other
// transports than docker say nothing.
func RestrictedReference(name string) bool {
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, "docker://"))
	if err != nil {
		return false
	}
	repository := reference.Path(named)
	return reference.Domain(named) == "registry.redhat.io" && strings.HasPrefix(repository, "rhel") ||
		path.Base(repository) == "rhel-bootc"
}
