package check

import (
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func TestDemandsSignature(t *testing.T) {
	t.Parallel()
	const policy = `{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{
"ghcr.io/me":[{"type":"sigstoreSigned","keyPath":"/etc/key.pub"}],"ghcr.io/me/open":[{"type":"insecureAcceptAnything"}]}}}`
	for text, want := range map[string]map[string]bool{
		policy: {"ghcr.io/me/os": true, "ghcr.io/me/open": false, "ghcr.io/you/os": false, "quay.io/me/os": false},
		"{":    {"ghcr.io/me/os": false},
		"":     {"ghcr.io/me/os": false},
	} {
		files := fakeimage.Files{}
		if text != "" {
			files["etc/containers/policy.json"] = fakeimage.Text(text)
		}
		root, err := fakeimage.New(t, imgspecv1.Image{}, files).Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for repository, demands := range want {
			got, err := DemandsSignature(root, repository)
			if err != nil || got != demands {
				t.Errorf("%s under %.20q: %v, %v", repository, text, got, err)
			}
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}
