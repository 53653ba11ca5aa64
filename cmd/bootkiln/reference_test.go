package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

func TestSplitReference(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	tests := map[string]struct{ repository, digest, tag string }{
		"ghcr.io/me/kiln":                      {repository: "ghcr.io/me/kiln"},
		"ghcr.io/me/kiln:1.0":                  {repository: "ghcr.io/me/kiln", tag: "1.0"},
		"ghcr.io/me/kiln@" + digest:            {repository: "ghcr.io/me/kiln", digest: digest},
		"ghcr.io/me/kiln:1.0@" + digest:        {repository: "ghcr.io/me/kiln", digest: digest, tag: "1.0"},
		"localhost:5000/kiln:latest":           {repository: "localhost:5000/kiln", tag: "latest"},
		"127.0.0.1:5000/a/b/c":                 {repository: "127.0.0.1:5000/a/b/c"},
		"me/kiln:1":                            {repository: "docker.io/me/kiln", tag: "1"},
		"registry.example.org:8443/kiln:a-b_c": {repository: "registry.example.org:8443/kiln", tag: "a-b_c"},
	}
	for ref, want := range tests {
		repository, digest, err := splitReference(ref)
		if err != nil || repository != want.repository || digest != want.digest || tagOf(ref) != want.tag {
			t.Errorf("%s: %q %q %q %v, want %+v", ref, repository, digest, tagOf(ref), err, want)
		}
	}
	for _, ref := range []string{"", "ghcr.io/Me/kiln", "ghcr.io/me/kiln:", "ghcr.io/me/kiln@sha256:1", "docker://ghcr.io/me/kiln", "a b"} {
		_, _, err := splitReference(ref)
		var usage *usageError
		if !errors.As(err, &usage) {
			t.Errorf("%s: %v, want a usage error", ref, err)
		}
		if tagOf(ref) != "" {
			t.Errorf("%s has the tag %q", ref, tagOf(ref))
		}
	}
}

// A reference says by its transport where the image is looked for.
func TestOpenImage(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"oci:none":                            `opening layout "none": `,
		"oci:none:latest":                     `opening layout "none": `,
		"oci:some/none:ghcr.io/me/kiln:1":     `opening layout "some/none": `,
		"oci:./none:@0":                       `opening layout "./none": `,
		"docker:ghcr.io/me/kiln:1":            `begins with docker://`,
		"oci-archive:none.tar":                `opening image "oci-archive:`,
		"dir:none":                            `manifest of "dir:none"`,
		"docker-archive:none.tar:ghcr.io/m:1": `opening image "docker-archive:`,
	}
	for ref, want := range tests {
		_, _, err := openImage(t.Context(), ref, build.StoreOptions{}, registry.Options{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
		if hintOf(err) == "" {
			t.Errorf("%s: no hint", ref)
		}
	}
}
