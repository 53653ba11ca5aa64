package main

import (
	"fmt"

	"github.com/distribution/reference"
)

// splitReference takes a registry reference apart. digest is "" where it has
// none.
func splitReference(ref string) (repository, digest string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", &usageError{fmt.Errorf("reading reference %q: %w", ref, err)}
	}
	if d, ok := named.(reference.Digested); ok {
		digest = d.Digest().String()
	}
	return named.Name(), digest, nil
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
