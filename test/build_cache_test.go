//go:build e2e

package test

import (
	"context"
	"path/filepath"
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

// TestCacheOfACommand has the commands bring results to a registry and take them
// from there. The step leaves something else each time that it runs.
func TestCacheOfACommand(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProject(t)
	p.write(t, `run: [{name: chance, shell: "cat /proc/sys/kernel/random/uuid > /usr/lib/chance"}]`)
	auth, cache := filepath.Join(t.TempDir(), "auth.json"), s.proxy.host+"/os/cache"
	access := []string{"--cert-dir", s.ca.dir, "--authfile", auth}
	baked := func(flags ...string) string {
		t.Helper()
		p.build(t, append(flags, access...)...)
		store := machineStore(t)
		image, err := store.Image(p.tag)
		if err != nil {
			t.Fatal(err)
		}
		mounted, err := store.MountImage(image.ID, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		chance := string(readBytes(t, filepath.Join(mounted, "usr/lib/chance")))
		if _, err := store.UnmountImage(image.ID, true); err != nil {
			t.Fatal(err)
		}
		p.removeImages(t)
		return chance
	}
	// A refusal comes before the build.
	bootkiln(t, p.args("build", append(access, "--cache-to", cache)...)...).want(t, 5, "hint: ")
	login := command(t, "login", "--cert-dir", s.ca.dir, "--authfile", auth, "--username", registryUser, "--password-stdin", s.proxy.host)
	login.Stdin = strings.NewReader(registryPassword)
	login.run(t).want(t, 0)

	first := baked("--cache-to", cache)
	if baked() == first {
		t.Fatal("the step was not run again in an empty store: this test sees nothing")
	}
	if again := baked("--cache-from", cache); again != first {
		t.Errorf("the step was run again: it left %q, and then %q", first, again)
	}
}
