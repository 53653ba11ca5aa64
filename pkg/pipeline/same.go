package pipeline

import (
	"reflect"
	"slices"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// sameImage reports whether two images differ in nothing but when they were made:
// a build on a machine that starts empty never gives the digest of the one before,
// because the configuration has the time.
func sameImage(a, b *imgspecv1.Image) bool {
	return len(a.RootFS.DiffIDs) > 0 && slices.Equal(a.RootFS.DiffIDs, b.RootFS.DiffIDs) &&
		reflect.DeepEqual(settings(a.Config), settings(b.Config)) && reflect.DeepEqual(a.Platform, b.Platform)
}

// settings are an image's without what may be written in two ways, and without
// the label that says when it was made.
func settings(c imgspecv1.ImageConfig) imgspecv1.ImageConfig {
	labels := map[string]string{}
	for name, value := range c.Labels {
		if name != imgspecv1.AnnotationCreated {
			labels[name] = value
		}
	}
	c.Labels = labels
	for _, list := range []*[]string{&c.Env, &c.Entrypoint, &c.Cmd} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(c.Volumes) == 0 {
		c.Volumes = nil
	}
	if len(c.ExposedPorts) == 0 {
		c.ExposedPorts = nil
	}
	return c
}
