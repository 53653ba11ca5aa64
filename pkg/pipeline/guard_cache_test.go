package pipeline

import (
	"errors"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func TestGuardCache(t *testing.T) {
	t.Parallel()
	rhel, centos := plan.Distro{ID: "rhel", Version: "10"}, plan.Distro{ID: "centos", Version: "10"}
	for name, tt := range map[string]struct {
		base  plan.Base
		cache string
		kept  bool
	}{
		"RHEL":               {plan.Base{Image: "registry.redhat.io/rhel10/rhel-bootc:10.1", Distro: rhel}, "ghcr.io/me/cache", true},
		"universal base":     {plan.Base{Image: "registry.access.redhat.com/ubi10/ubi", Distro: rhel}, "ghcr.io/me/cache", true},
		"RHEL, this machine": {plan.Base{Image: "registry.redhat.io/rhel10/rhel-bootc:10.1", Distro: rhel}, "localhost:5000/me/cache", false},
		"CentOS Stream":      {plan.Base{Image: "quay.io/centos-bootc/centos-bootc:stream10", Distro: centos}, "ghcr.io/me/cache", false},
	} {
		r := &run{in: Input{PublicCaches: []string{tt.cache}, Recipe: &recipe.Recipe{}}}
		err := r.guardCache(tt.base)
		var problems *diag.ListError
		if (err != nil) != tt.kept || tt.kept && (!errors.As(err, &problems) || problems.List[0].Code != CodeRestricted) {
			t.Errorf("%s: %v", name, err)
		}
		r.in.PublicCaches = nil // with --cache-private
		if err := r.guardCache(tt.base); err != nil {
			t.Errorf("%s, private: %v", name, err)
		}
	}
}
