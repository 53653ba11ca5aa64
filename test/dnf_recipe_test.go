//go:build e2e

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// entry is the repository under the word "repos", with more words.
func (r *rpmRepository) entry(more string) string {
	return "{name: e2e, baseurl: \"" + r.url + "\", gpgkey: keys/e2e.asc" + more + "}"
}

// vendorEntry is the other repository.
func (r *rpmRepository) vendorEntry(more string) string {
	return "{name: vendor, baseurl: \"" + r.vendor + "\", gpgkey: keys/e2e.asc" + more + "}"
}

// TestDNFRecipe has one recipe with every word about packages.
func TestDNFRecipe(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, nil)
	p.take(t, repo)
	// The base of the base: what is locked below has an older version there.
	p.write(t, "repos: ["+repo.entry("")+"]", "packages: {install: [two-1.0]}")
	p.build(t)
	p.wantRPMs(t, "two")
	p.wantRepositories(t)
	tool(t, nil, "buildah", "tag", p.tag, p.base)

	recipe := []string{
		"repos:",
		"  - " + repo.entry(", priority: 10"),
		"  - " + repo.vendorEntry(", includepkgs: [vendor-only]"),
		"packages:",
		"  install:",
		"    - plain",
		`    - "glob-*"`,
		"    - chain-a",
		"    - weak",
		"    - keeps",
		"    - vendor-only",
		"    - wants-two",
		"    - daemon",
		"    - ./rpms/site.rpm",
		"    - {url: " + repo.remote + ", sha256: " + repo.remoteSum + "}",
		`  groups: ["E2E Tools", "@e2e-desktop-environment"]`,
		"  optional: [missing, two, broken]",
		"  remove: [glob-one, never-installed]",
		"  exclude: [unwanted]",
		"  lock: [two]",
		"  weak-deps: false",
		"systemd: {enable: [e2e-daemon.service]}",
		"tests:",
		"  packages: {present: [chain-c, site], absent: [glob-one, unwanted, weak-extra], version: {two: \"1.0*\"}}",
		"  units: {enabled: [e2e-daemon.service]}",
	}
	want := []string{
		"plain", "glob-two", "chain-a", "chain-b", "chain-c", "weak", "keeps", "vendor-only", "wants-two", "two", "daemon",
		"site", "plain-too", "download", "group-mandatory", "group-default", "desktop-shell",
	}
	p.write(t, recipe...)
	p.build(t)
	p.wantRPMs(t, want...)
	p.wantRepositories(t)
	if got, want := p.imageFile(t, plan.OptionalReport), "missing\nbroken\n"; got != want {
		t.Errorf("the report of optional packages is %q, want %q", got, want)
	}

	t.Run("changed local package", func(t *testing.T) {
		dir := t.TempDir()
		buildRPMs(t, dir, rpmPackage{name: "site", version: "1.1"})
		content, err := os.ReadFile(rpmsIn(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, "rpms/site.rpm"), content)
		p.write(t, "repos: ["+repo.entry("")+"]", "packages: {install: [./rpms/site.rpm]}")
		p.build(t)
		p.wantRPMs(t, "two", "site=1.1")
	})
	update := []string{
		"repos: [" + repo.entry(", keep: true") + "]",
		`run: [{name: update, shell: "dnf -y upgrade"}]`,
	}
	t.Run("what is locked stays in later steps", func(t *testing.T) {
		p.write(t, append(update, "packages: {install: [weak], lock: [two]}")...)
		p.build(t)
		p.wantRPMs(t, trustedKey, "two", "weak", "weak-extra")
		p.wantRepositories(t, "e2e")
	})
	t.Run("one for the build beside one that is kept", func(t *testing.T) {
		p.write(t, "repos: ["+repo.entry(", keep: true")+", "+repo.vendorEntry(", includepkgs: [vendor-only]")+"]",
			"packages: {install: [weak, vendor-only]}")
		p.build(t)
		p.wantRPMs(t, trustedKey, "two", "weak", "weak-extra", "vendor-only")
		p.wantRepositories(t, "e2e")
	})
	t.Run("nothing is locked", func(t *testing.T) {
		p.write(t, append(update, "packages: {install: [weak]}")...)
		p.build(t)
		p.wantRPMs(t, trustedKey, "two=2.0", "weak", "weak-extra")
	})
}

// TestDNFRepositories is about which repository a package comes from.
func TestDNFRepositories(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, nil)
	p.take(t, repo)
	write(t, filepath.Join(p.dir, "repos/site.repo"), []byte(repo.file()))
	for _, c := range []struct{ name, repos, install, want string }{
		{"newest", repo.entry("") + ", " + repo.vendorEntry(""), "two", "two=3.0"},
		{"priority", repo.entry(", priority: 10") + ", " + repo.vendorEntry(", priority: 90"), "two", "two=2.0"},
		{"includepkgs", repo.entry("") + ", " + repo.vendorEntry(`, includepkgs: ["vendor-*"]`), "two", "two=2.0"},
		{"excludepkgs", repo.entry("") + ", " + repo.vendorEntry(", excludepkgs: [two]"), "two", "two=2.0"},
		{"file", "{file: repos/site.repo}", "plain", "plain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.write(t, "repos: ["+c.repos+"]", "packages: {install: ["+c.install+"]}")
			p.build(t)
			p.wantRPMs(t, c.want)
			p.wantRepositories(t)
		})
	}
}

// TestDNFChecksSignatures asks for packages that nobody vouches for, on a base
// that would take them.
func TestDNFChecksSignatures(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, map[string]string{"/etc/dnf/dnf.conf": "[main]\ngpgcheck=0\n"})
	p.take(t, repo)
	for _, name := range []string{"forged", "unsigned"} {
		t.Run(name, func(t *testing.T) {
			p.write(t, "repos: ["+repo.entry("")+"]", "packages:", "  install: [plain, "+name+"]")
			bootkiln(t, p.args("build")...).want(t, 3, "GPG", name+"-1.0-1.noarch.rpm", "recipe.yaml:7:")
		})
		t.Run(name+" and optional", func(t *testing.T) {
			p.write(t, "repos: ["+repo.entry("")+"]", "packages:", "  optional: [plain, "+name+"]")
			bootkiln(t, p.args("build")...).want(t, 3, "GPG", name+"-1.0-1.noarch.rpm", "recipe.yaml:7:")
		})
	}
	t.Run("another digest", func(t *testing.T) {
		sum := "0000" + repo.remoteSum[4:]
		p.write(t, "packages:", "  install: [{url: "+repo.remote+", sha256: "+sum+"}]")
		bootkiln(t, p.args("build")...).want(t, 3, repo.remote, sum, repo.remoteSum, "recipe.yaml:6:")
	})
}

// TestDNFNamesAreResolved misspells names: all are reported at once, before
// anything is built.
func TestDNFNamesAreResolved(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, nil)
	p.take(t, repo)
	p.write(t, "repos: ["+repo.entry("")+"]", "packages:",
		"  install:",
		"    - plan",
		"    - chain-a",
		"    - weka",
		`  groups: ["E2E Toolz"]`)
	o := bootkiln(t, p.args("build")...)
	o.want(t, 3,
		"recipe.yaml:8:", `"plan"`, `"plain"`, "recipe.yaml:10:", "weka", "weak", "recipe.yaml:11:", "E2E Toolz", "E2E Tools")
	if strings.Contains(o.stderr, "build: ") {
		t.Errorf("a build has begun:\n%s", o.stderr)
	}
}
