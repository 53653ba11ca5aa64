package check

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func (a *assertions) packages() error {
	t := a.tests
	if len(t.PackagesPresent)+len(t.PackagesAbsent)+len(t.PackageVersions)+len(t.SameVersion) == 0 {
		return nil
	}
	list, err := packagedb.Packages(a.ctx, a.root)
	if err != nil {
		return err
	}
	p := installed{byName: map[string][]packagedb.Package{}}
	for _, pkg := range list {
		p.names = append(p.names, pkg.Name)
		p.byName[pkg.Name] = append(p.byName[pkg.Name], pkg)
	}
	p.names = slices.Compact(p.names)
	for _, want := range t.PackagesPresent {
		a.isInstalled(p, want, "tests.packages.present")
	}
	for _, not := range t.PackagesAbsent {
		for _, pkg := range p.byName[not.Value] {
			a.fail(not.Pos, "tests.packages.absent", "package-present", "add it to packages.remove; another package may need it",
				"package %q is in the image (%s)", not.Value, pkg.Version)
		}
	}
	for _, want := range t.PackageVersions {
		a.version(p, want)
	}
	for _, group := range t.SameVersion {
		a.sameVersion(list, group)
	}
	return nil
}

// installed are the packages of the image.
type installed struct {
	names  []string // sorted, each once
	byName map[string][]packagedb.Package
}

func (a *assertions) isInstalled(p installed, want recipe.String, where string) bool {
	if p.byName[want.Value] != nil {
		return true
	}
	hint := orNear("add it to packages.install", want.Value, p.names, "which is installed")
	a.fail(want.Pos, where, "package-absent", hint, "package %q is not in the image", want.Value)
	return false
}

// version holds all packages of a name to the pattern: there are several where
// a package may be installed in more than one version, or for more than one
// architecture.
func (a *assertions) version(p installed, want recipe.Label) {
	const where = "tests.packages.version"
	if !a.isInstalled(p, want.Key, where) {
		return
	}
	var wrong []string
	for _, pkg := range p.byName[want.Key.Value] {
		if !versionMatches(want.Value.Value, pkg) {
			wrong = append(wrong, pkg.Version)
		}
	}
	if wrong = slices.Compact(wrong); wrong != nil {
		a.fail(want.Value.Pos, where, "wrong-version", "say which one with packages.install and packages.lock, or what the test expects is out of date",
			"package %q is installed as %s, which is not %q", want.Key.Value, strings.Join(wrong, " and "), want.Value.Value)
	}
}

// versionMatches compares with as much of the version as the pattern is about:
// the epoch counts where a colon is written, the release where a dash is.
func versionMatches(pattern string, p packagedb.Package) bool {
	epoch, version, release := p.EVR()
	if strings.Contains(pattern, ":") {
		version = epoch + ":" + version
	}
	// The version itself may have a dash in it, in the words of Debian.
	if globMatches(pattern, version) {
		return true
	}
	return strings.Contains(pattern, "-") && release != "" && globMatches(pattern, version+"-"+release)
}

// globMatches is path.Match, for which a pattern that is none matches nothing.
func globMatches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// sameVersion compares what the authors call the version: packages of one
// desktop have releases of their own.
func (a *assertions) sameVersion(list []packagedb.Package, group []recipe.String) {
	if len(group) == 0 {
		return
	}
	byVersion := map[string][]string{}
	for _, p := range list {
		if slices.ContainsFunc(group, func(g recipe.String) bool { return globMatches(g.Value, p.Name) }) {
			_, version, _ := p.EVR()
			byVersion[version] = append(byVersion[version], p.Name)
		}
	}
	if len(byVersion) < 2 {
		return
	}
	var versions []string
	for v := range byVersion {
		byVersion[v] = slices.Compact(byVersion[v])
		versions = append(versions, v)
	}
	// The version that most have is the one that the others should have.
	slices.SortFunc(versions, func(x, y string) int {
		return cmp.Or(cmp.Compare(len(byVersion[y]), len(byVersion[x])), cmp.Compare(x, y))
	})
	var parts []string
	for _, v := range versions {
		parts = append(parts, fmt.Sprintf("%s (%s)", v, someOf(byVersion[v])))
	}
	a.fail(group[0].Pos, "tests.packages.same-version", "version-skew",
		"their repositories disagree: build again when they agree, or enable the repository that has the others",
		"packages that must have one version have %d: %s", len(versions), strings.Join(parts, ", "))
}

// someOf lists names, and only counts the rest of a long list.
func someOf(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
