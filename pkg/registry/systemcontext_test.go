package registry_test

import (
	"path/filepath"
	"testing"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// read asks containers/image for the tags of a repository.
func read(t *testing.T, repository string, sys *types.SystemContext) error {
	t.Helper()
	ref, err := docker.ParseReference("//" + repository)
	if err != nil {
		t.Fatal(err)
	}
	_, err = docker.GetRepositoryTags(t.Context(), sys, ref)
	return err
}

// TestSystemContextReads has the right login in one place at a time, and a wrong
// one on the command line, which is for another registry.
func TestSystemContextReads(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, dir, host string, o *registry.Options){
		"auth file": func(t *testing.T, _, host string, o *registry.Options) {
			o.AuthFile = filepath.Join(t.TempDir(), "auth.json")
			writeFile(t, o.AuthFile, authJSON(host, testregistry.Password), 0o600)
		},
		"auth file of the environment": func(t *testing.T, _, host string, o *registry.Options) {
			path := filepath.Join(t.TempDir(), "env.json")
			o.Lookup = func(name string) (string, bool) { return path, name == "REGISTRY_AUTH_FILE" }
			writeFile(t, path, authJSON(host, testregistry.Password), 0o600)
		},
		"Docker's configuration by name": func(t *testing.T, _, host string, o *registry.Options) {
			o.AuthFile = filepath.Join(t.TempDir(), "config.json")
			writeFile(t, o.AuthFile, authJSON(host, testregistry.Password), 0o600)
		},
		"Docker's credential store": func(t *testing.T, dir, _ string, _ *registry.Options) {
			helper(t, dir, "store", testregistry.Password)
			t.Setenv("DOCKER_CONFIG", filepath.Join(dir, ".docker")) // Docker's library finds the home once a process
			writeFile(t, filepath.Join(dir, ".docker/config.json"), `{"credsStore": "store"}`, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
			o := options(t, r)
			o.AuthFile = ""
			o.Credentials = &registry.Credentials{Username: "x", Password: "wrong"}
			push := o
			push.Credentials = &registry.Credentials{Username: testregistry.User, Password: testregistry.Password}
			p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), r.Host+"/me/os", push)
			if err != nil {
				t.Fatal(err)
			}
			if err := registry.Tag(t.Context(), p, "latest", push); err != nil {
				t.Fatal(err)
			}
			set(t, dir, r.Host, &o)
			sys, err := o.SystemContext(t.Context(), p.Repository)
			if err != nil {
				t.Fatal(err)
			}
			if err := read(t, p.Repository, sys); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSystemContextInWorkflow reaches no registry: the hosts are real ones.
func TestSystemContextInWorkflow(t *testing.T) {
	home(t)
	const mirror = "[[registry]]\nlocation = \"ghcr.io\"\n[[registry.mirror]]\nlocation = \"mirror.example.org\"\n"
	const moved = "[[registry]]\nprefix = \"ghcr.io\"\nlocation = \"other.example.org\"\n"
	const same = "[[registry]]\nlocation = \"ghcr.io\"\ninsecure = true\n"
	for name, tt := range map[string]struct {
		repository, conf string
		want             bool
	}{
		"ghcr.io":                   {"ghcr.io/me/os", "", true},
		"ghcr.io, configured":       {"ghcr.io/me/os", same, true},
		"another registry":          {"quay.io/me/os", "", false},
		"a mirror gets no token":    {"ghcr.io/me/os", mirror, false},
		"nor does another location": {"ghcr.io/me/os", moved, false},
	} {
		conf := filepath.Join(t.TempDir(), "registries.conf")
		writeFile(t, conf, tt.conf, 0o600)
		o := registry.Options{RegistriesConf: conf, Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": "token", "GITHUB_ACTOR": "me"}[name]
			return v, ok
		}}
		sys, err := o.SystemContext(t.Context(), tt.repository)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := sys.DockerAuthConfig; (got != nil) != tt.want || got != nil && got.Password != "token" {
			t.Errorf("%s: %+v, want a token: %t", name, got, tt.want)
		}
	}
	_, err := registry.Options{}.SystemContext(t.Context(), "ghcr.io/me/os:latest")
	wantError(t, err, registry.InvalidName, "tag", "")
}
