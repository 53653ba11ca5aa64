package check

import (
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// RestrictedConfig is [Restricted] for an image of which nothing but the
// configuration is read, as one that is copied between registries: it knows
// those that were made from rhel-bootc.
func RestrictedConfig(config *imgspecv1.Image) (why string) { return restrictedLabel(config) }
