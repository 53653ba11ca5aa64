package main

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// splitReference takes a registry reference apart. digest is "" where it has
// none.
func splitReference(ref string) (repository, digest string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		err = &usageError{fmt.Errorf("reading reference %q: %w", ref, err)}
		if lower := lowered(ref); lower != ref {
			if _, wrong := reference.ParseNormalizedNamed(lower); wrong == nil {
				return "", "", hinted(err, fmt.Sprintf("registries demand lower case: write %q", lower))
			}
		}
		return "", "", err
	}
	if d, ok := named.(reference.Digested); ok {
		digest = d.Digest().String()
	}
	return named.Name(), digest, nil
}

// lowered is a reference with its repository in lower case; a tag may be in upper
// case.
func lowered(ref string) string {
	name := len(ref)
	last := strings.LastIndex(ref, "/") + 1
	if i := strings.IndexAny(ref[last:], ":@"); i >= 0 {
		name = last + i
	}
	return strings.ToLower(ref[:name]) + ref[name:]
}

// registryOf returns the registry of a reference, "" where there is none.
func registryOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(ref, "docker://"))
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// remote is the reference to an image where that is in a registry, else "": a name
// without a transport is one of the local store.
func remote(image string) string {
	if !strings.HasPrefix(image, "docker://") {
		return ""
	}
	return image
}

// tagOf returns the tag of a reference, "" where it has none.
func tagOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	if t, ok := named.(reference.Tagged); ok {
		return t.Tag()
	}
	return ""
}
