package pipeline

import (
	"fmt"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// RestrictedCopy says why an image in a registry must not be copied to a
// repository that everyone may be able to pull from, "" where it may; see
// [check.Restricted].
func RestrictedCopy(p image.Pinned, config *imgspecv1.Image, repository string) string {
	switch {
	case isLoopback(repository):
		return ""
	case check.RestrictedReference(p.Repository):
		return fmt.Sprintf("it is %q", p.Repository)
	}
	return check.RestrictedConfig(config)
}
