package check

import (
	"context"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func checkThirdPartyRepos(_ context.Context, t *Target) ([]Finding, error) {
	release, err := image.OSRelease(t.Root)
	if err != nil {
		return nil, err
	}
	own, known := originOf(release)
	if !known {
		return nil, NotApplicable("os-release names no distribution whose own repositories are known")
	}
	list, err := repositories(t.Root)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, r := range list {
		kept := func(entry recipe.Repo) bool { return keeps(entry, r) }
		if own.owns(r) || slices.ContainsFunc(t.repos, kept) {
			continue
		}
		var from []string
		for _, u := range r.urls {
			from = append(from, withoutSecrets(u))
		}
		place := "it says no address"
		if from != nil {
			place = strings.Join(from, " ")
		}
		out = append(out, finding(r.file, "repository %q is enabled, and is not of %s itself: %s", r.id, own.id, place))
	}
	return out, nil
}
