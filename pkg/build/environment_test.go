package build

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWorkerEnvironment(t *testing.T) {
	t.Parallel()
	got := workerEnvironment([]string{
		"PATH=/bin", "SITE_TOKEN=x", "COSIGN_PASSWORD=x", "COSIGN_PRIVATE_KEY=x", "GITHUB_TOKEN=x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x",
		"REGISTRY_AUTH_FILE=x", "REGISTRY_PASSWORD=x", "CONTAINERS_TOKEN=x", "STORAGE_KEY=x", "PATH_TOKEN=x", "path=x", "=x", "",
		"https_proxy=http://proxy.example.com", "NO_PROXY=a=b", "CONTAINERS_CONF_OVERRIDE=/c", "HOME=", "container=podman",
	})
	want := []string{
		"PATH=/bin", "https_proxy=http://proxy.example.com", "NO_PROXY=a=b", "CONTAINERS_CONF_OVERRIDE=/c", "HOME=", "container=podman",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
