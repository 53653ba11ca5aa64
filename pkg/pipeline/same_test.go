package pipeline

import (
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestSameImage(t *testing.T) {
	t.Parallel()
	one := func(change func(*imgspecv1.Image)) *imgspecv1.Image {
		made := time.Unix(1, 0)
		img := &imgspecv1.Image{
			Created:  &made,
			Platform: imgspecv1.Platform{Architecture: "amd64", OS: "linux"},
			Config:   imgspecv1.ImageConfig{Labels: map[string]string{"a": "b", imgspecv1.AnnotationCreated: "1970"}, Cmd: []string{"/sbin/init"}},
			RootFS:   imgspecv1.RootFS{Type: "layers", DiffIDs: []digest.Digest{based, pushed}},
			History:  []imgspecv1.History{{Created: &made}},
		}
		change(img)
		return img
	}
	later := time.Unix(2, 0)
	for name, tt := range map[string]struct {
		change func(*imgspecv1.Image)
		want   bool
	}{
		"alike":             {func(*imgspecv1.Image) {}, true},
		"made later":        {func(i *imgspecv1.Image) { i.Created, i.History[0].Created = &later, &later }, true},
		"says it is later":  {func(i *imgspecv1.Image) { i.Config.Labels[imgspecv1.AnnotationCreated] = "1971" }, true},
		"written otherwise": {func(i *imgspecv1.Image) { i.Config.Env, i.Config.Volumes = []string{}, map[string]struct{}{} }, true},
		"another layer":     {func(i *imgspecv1.Image) { i.RootFS.DiffIDs = []digest.Digest{based} }, false},
		"another order":     {func(i *imgspecv1.Image) { i.RootFS.DiffIDs = []digest.Digest{pushed, based} }, false},
		"another label":     {func(i *imgspecv1.Image) { i.Config.Labels["a"] = "c" }, false},
		"another command":   {func(i *imgspecv1.Image) { i.Config.Cmd = nil }, false},
		"another machine":   {func(i *imgspecv1.Image) { i.Architecture = "arm64" }, false},
	} {
		if got := sameImage(one(func(*imgspecv1.Image) {}), one(tt.change)); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	empty := &imgspecv1.Image{}
	if sameImage(empty, empty) {
		t.Error("an index, of which nothing is known, is the same as another")
	}
}
