package registry

import (
	"os"
	"path/filepath"
	"testing"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// TestGitHubToken reaches no registry: the hosts are real ones.
func TestGitHubToken(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("REGISTRY_AUTH_FILE", "")
	actions := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": "token"}
	conf := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		repository string
		env        map[string]string
		want       types.DockerAuthConfig
	}{
		"workflow":       {"ghcr.io/me/os", actions, types.DockerAuthConfig{Username: "x-access-token", Password: "token"}},
		"actor":          {"ghcr.io/me/os", map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": "token", "GITHUB_ACTOR": "me"}, types.DockerAuthConfig{Username: "me", Password: "token"}},
		"other registry": {"registry.example.org/me/os", actions, types.DockerAuthConfig{}},
		"no workflow":    {"ghcr.io/me/os", map[string]string{"GITHUB_TOKEN": "token"}, types.DockerAuthConfig{}},
		"no token":       {"ghcr.io/me/os", map[string]string{"GITHUB_ACTIONS": "true"}, types.DockerAuthConfig{}},
		"nothing":        {"ghcr.io/me/os", nil, types.DockerAuthConfig{}},
	} {
		named, err := reference.ParseNormalizedNamed(tt.repository)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{
			RegistriesConf: conf,
			Lookup:         func(n string) (string, bool) { v, ok := tt.env[n]; return v, ok },
		}
		got, source, err := o.credentials(named, o.system())
		if err != nil || got != tt.want || (source == "") != (got == types.DockerAuthConfig{}) {
			t.Errorf("%s: %+v from %q, %v, want %+v", name, got, source, err, tt.want)
		}
	}
}
