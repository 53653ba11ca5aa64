package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

func TestTags(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	amd := pushed(t, r, "me/os", config("linux/amd64", "2026-01-02T00:00:00Z"), "amd", "20260102")
	arm := pushed(t, r, "me/os", config("linux/arm64", "2026-01-03T00:00:00Z"), "arm!")
	index := newIndex(t, r, "me/os", "latest", amd, arm)
	attached(t, r, index, ".sig", "by one")
	attached(t, r, index, ".att", "said")
	r.Forget()
	list, err := registry.Tags(t.Context(), r.Host+"/me/os", registry.TagOptions{}, options(t, r))
	if err != nil {
		t.Fatal(err)
	}
	want := []registry.Tagged{
		{Tag: "20260102", Digest: amd.Digest},
		{Tag: "latest", Digest: index.Digest, Signed: true, Attested: true},
	}
	if !slices.Equal(list, want) {
		t.Errorf("tags %+v, want %+v", list, want)
	}
	if n := r.Count(http.MethodGet, "/manifests/"); n != 0 {
		t.Errorf("%d manifests were read, which Docker Hub counts as pulls", n)
	}
	if list, err = registry.Tags(t.Context(), r.Host+"/me/os", registry.TagOptions{Attachments: true, Details: true}, options(t, r)); err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 || list[2].Of != index.Digest || list[2].Details != nil {
		t.Fatalf("all tags: %+v", list)
	}
	if d := list[1].Details; d.Size != 7 || d.Created.Format("2006-01-02") != "2026-01-03" || !slices.Equal(d.Platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("details %+v", d)
	}
	_, err = registry.Tags(t.Context(), r.Host+"/me/none", registry.TagOptions{}, options(t, r))
	wantError(t, err, registry.Missing, "listing the tags of", "")
}

func TestPushIndex(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	amd := pushed(t, r, "me/os", config("linux/amd64", "2026-01-02T00:00:00Z"), "amd")
	arm := pushed(t, r, "me/os", config("linux/arm64", "2026-01-03T00:00:00Z"), "arm")
	again := pushed(t, r, "me/os", config("linux/arm64", "2026-01-04T00:00:00Z"), "arm again")
	repository, o := r.Host+"/me/os", options(t, r)
	index, err := registry.PushIndex(t.Context(), repository, []digest.Digest{arm.Digest, amd.Digest}, o)
	if err != nil {
		t.Fatal(err)
	}
	other, err := registry.PushIndex(t.Context(), repository, []digest.Digest{amd.Digest, arm.Digest}, o)
	if err != nil || other != index {
		t.Errorf("in another order: %v, %v; want %v", other, err, index)
	}
	members, err := registry.Members(t.Context(), index, o)
	if err != nil || len(members) != 2 || members[0].Digest != amd.Digest || members[1].Digest != arm.Digest {
		t.Errorf("members %v, %v", members, err)
	}
	platforms, err := registry.Platforms(t.Context(), index, o)
	if want := []registry.Platform{{Name: "linux/amd64", Digest: amd.Digest}, {Name: "linux/arm64", Digest: arm.Digest}}; err != nil || !slices.Equal(platforms, want) {
		t.Errorf("platforms %v, %v", platforms, err)
	}
	raw, mediaType := r.Manifest("me/os", index.Digest.String())
	var got imgspecv1.Index
	if err := json.Unmarshal(raw, &got); err != nil || mediaType != imgspecv1.MediaTypeImageIndex || got.Manifests[1].Platform.Architecture != "arm64" {
		t.Errorf("index %s of type %s, %v", raw, mediaType, err)
	}
	if tags := r.Tags("me/os"); len(tags) != 0 {
		t.Errorf("tags %q", tags)
	}
	for says, list := range map[string][]digest.Digest{
		"are both for linux/arm64": {arm.Digest, again.Digest},
		"is given twice":           {arm.Digest, arm.Digest},
		"is an index itself":       {index.Digest},
	} {
		_, err := registry.PushIndex(t.Context(), repository, list, o)
		var refused *registry.IndexError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) || refused.MendHint() == "" {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
