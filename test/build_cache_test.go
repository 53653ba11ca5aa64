//go:build e2e

package test

import (
	"context"
	"strings"
	"testing"

	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// TestBuildCache takes the results of steps from a registry that asks for a
// login, into an empty store.
func TestBuildCache(t *testing.T) {
	t.Parallel()
	bed := newRegistryBed(t, registryConfig{})
	cache := bed.Host + "/os/cache"
	const secret = "the password of the site"
	file := func() *containerfile.File {
		f := containerFile(
			`RUN ["/bin/sh", "-c", "echo the first step ran >/usr/lib/first"]`,
			`RUN --mount=type=secret,id=site ["/bin/sh", "-c", "wc -c </run/secrets/site >/usr/lib/second"]`)
		f.Secrets = append(f.Secrets, plan.Secret{ID: "site"})
		return f
	}
	open := func() *build.Builder {
		s := newTestStore(t)
		o := s.options()
		o.Access = func(context.Context, string) (*types.SystemContext, error) {
			return &types.SystemContext{
				DockerCertPath:   bed.ca.dir,
				DockerAuthConfig: &types.DockerAuthConfig{Username: registryUser, Password: registryPassword},
			}, nil
		}
		b, err := build.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return b
	}
	options := build.Options{
		Tag: "localhost/cache-test:latest", Isolation: build.IsolationChroot,
		Secrets: map[string][]byte{"site": []byte(secret)},
		Cache:   build.Cache{From: []string{cache}, To: []string{cache}},
	}
	b := open()
	mustBuild(t, b, file(), options)
	if got := strings.TrimSpace(readFile(t, b, options.Tag, "usr/lib/second")); got != "24" {
		t.Errorf("the step with the secret wrote %q", got)
	}
	if bed.Count("PUT", "/os/cache/manifests/") < 2 {
		t.Fatalf("nothing was brought to the cache: %v", bed.Requests())
	}

	// Another machine: nothing is run, and the secret is another one.
	bed.Forget()
	options.Secrets = map[string][]byte{"site": []byte("another")}
	b = open()
	shown := mustBuild(t, b, file(), options).text()
	if got := strings.TrimSpace(readFile(t, b, options.Tag, "usr/lib/second")); got != "24" {
		t.Errorf("the step was run again: it wrote %q\n%s", got, shown)
	}
	if n := bed.Count("PUT", "/os/cache/manifests/"); n != 0 {
		t.Errorf("%d results were brought to the cache again", n)
	}
	for _, r := range bed.Requests() {
		if strings.Contains(r.Path+r.Query, "another") || strings.Contains(r.Path+r.Query, "password") {
			t.Errorf("the cache was asked for a secret: %v", r)
		}
	}
}
