package pipeline

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// CodeRestricted is that of a problem with a target that an image's licence
// keeps it from; see [check.Restricted].
const CodeRestricted = "restricted-image"

// guardBase refuses, before the long build, to publish what a base lets nobody
// publish. The image itself is looked at once it is there.
func (r *run) guardBase(b plan.Base) error { return Restricted(r.in.Recipe, b).Err() }

// Restricted returns the targets of a recipe to which an image on such a base
// must not go, each of [CodeRestricted]. Of the base only its name and its
// distribution are looked at; what is not known restricts nothing.
func Restricted(r *recipe.Recipe, b plan.Base) diag.List {
	if why := restrictedBase(b); why != "" {
		return keptFrom(r, why)
	}
	return nil
}

// restrictedBase says why an image on such a base is not for everyone.
func restrictedBase(b plan.Base) string {
	switch {
	case check.RestrictedReference(b.Image):
		return fmt.Sprintf("its base is %q", b.Image)
	case b.Distro.ID == "rhel" && !isUniversal(b.Image):
		return "its base is " + b.Distro.String()
	}
	return ""
}

// isUniversal reports whether a base is named like Universal Base Images are
// (registry.access.redhat.com/ubi10/ubi): they call themselves RHEL as well,
// and whether that is all of it is seen in the image.
func isUniversal(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, "ubi") })
}

// guardImage refuses to push an image that its licence keeps from the public.
func (r *run) guardImage(ctx context.Context, img image.Image) error {
	why, err := check.Restricted(ctx, img)
	if err != nil || why == "" {
		return err
	}
	return keptFrom(r.in.Recipe, why).Err()
}

// keptFrom reports all targets that the public may have.
func keptFrom(r *recipe.Recipe, why string) diag.List {
	var list diag.List
	for i, target := range r.Publish {
		if target.IsPlace() || target.Private.Value == "true" || isLoopback(target.To.Value) {
			continue
		}
		list.Add(diag.Diagnostic{
			Pos: target.To.Pos, Path: fmt.Sprintf("publish[%d].to", i), Code: CodeRestricted,
			Message: fmt.Sprintf("the image is Red Hat Enterprise Linux (%s), and everyone may be able to pull it from %q", why, target.To.Value),
			Hint: "its licence forbids to pass it on to the public; add private: true to a target that only you and your organization can pull from, " +
				"or use a base that may be passed on, such as CentOS Stream",
		})
	}
	return list
}

// isLoopback reports whether a repository is on this machine.
func isLoopback(repository string) bool {
	host, _, _ := strings.Cut(repository, "/")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
