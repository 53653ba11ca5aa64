//go:build e2e

package test

import (
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// TestDNFOfTheBase installs from a repository that the base has.
func TestDNFOfTheBase(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, map[string]string{"/etc/yum.repos.d/e2e.repo": repo.file()})

	p.write(t,
		"packages:",
		`  install: [plain, "glob-*", chain-a, weak, two-1.0, daemon]`,
		"  optional: [plain-too, missing, broken]",
		"  remove: [glob-one, never-installed]",
		"systemd: {enable: [e2e-daemon.service]}",
		"checks: {warn: [third-party-repos]}", // the base's own, which no recipe keeps
		"tests:",
		"  packages: {present: [chain-c], absent: [glob-one]}",
		"  units: {enabled: [e2e-daemon.service]}",
	)
	if o := p.build(t); !strings.Contains(o.stderr, `neither the base nor a repository has the package "never-installed"`) {
		t.Errorf("nothing is said of a name to be removed that nobody knows:\n%s", o.stderr)
	}
	// The key of the base's own repository stays trusted.
	p.wantRPMs(t, trustedKey, "plain", "glob-two", "chain-a", "chain-b", "chain-c", "weak", "weak-extra", "two", "daemon", "plain-too")
	if got, want := p.imageFile(t, plan.OptionalReport), "missing\nbroken\n"; got != want {
		t.Errorf("the report of optional packages is %q, want %q", got, want)
	}

	t.Run("removal takes what depends on it", func(t *testing.T) {
		p.write(t, "packages: {install: [chain-a, plain], remove: [chain-b]}", "checks: {warn: [third-party-repos]}")
		p.build(t)
		// What it had brought along stays.
		p.wantRPMs(t, trustedKey, "chain-c", "plain")
	})
	t.Run("no recipe keeps its repository", func(t *testing.T) {
		p.write(t, "packages: {install: [plain]}")
		bootkiln(t, p.args("build")...).want(t, 4, "third-party-repos", `"e2e"`)
	})
	t.Run("missing package", func(t *testing.T) {
		p.write(t, "packages: {install: [plain, missing]}")
		bootkiln(t, p.args("build")...).want(t, 3, "missing", "recipe.yaml:5:")
	})
	t.Run("missing dependency", func(t *testing.T) {
		p.write(t, "packages: {install: [broken]}")
		bootkiln(t, p.args("build")...).want(t, 3, "nowhere-to-be-found", "recipe.yaml:5:")
	})
	t.Run("wrongly signed", func(t *testing.T) {
		p.write(t, "packages: {install: [forged]}")
		bootkiln(t, p.args("build")...).want(t, 3, "GPG", "forged", "recipe.yaml:5:")
	})
	t.Run("wrongly signed and optional", func(t *testing.T) {
		p.write(t, "packages: {optional: [plain, forged]}")
		bootkiln(t, p.args("build")...).want(t, 3, "GPG", "forged", "recipe.yaml:5:")
	})
}
