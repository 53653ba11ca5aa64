package pipeline

import (
	"fmt"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// guardCache refuses to bring the layers of an image to a cache that everyone may
// be able to pull from, where the image's licence keeps it from that. It happens
// during the build, so that the image cannot be looked at: where it may be
// restricted, it counts as such.
func (r *run) guardCache(b plan.Base) error {
	why := restrictedBase(b)
	if why == "" && b.Distro.ID == "rhel" {
		why = "its base calls itself " + b.Distro.String() + ", and packages of RHEL may be installed on it"
	}
	if why == "" {
		return nil
	}
	var list diag.List
	for _, to := range r.in.PublicCaches {
		if isLoopback(to) {
			continue
		}
		list.Add(diag.Diagnostic{
			Pos: r.in.Recipe.Base.Image.Pos, Path: "base.image", Code: CodeRestricted,
			Message: fmt.Sprintf("the image is Red Hat Enterprise Linux (%s), and everyone may be able to pull its layers from the cache %q", why, to),
			Hint:    "its licence forbids to pass it on to the public; give --cache-private where only you and your organization can pull from it",
		})
	}
	return list.Err()
}
