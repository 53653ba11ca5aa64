//go:build e2e

package test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// dnfProject is a project whose base has dnf.
type dnfProject struct {
	*project
	base string
}

// newDNFProject makes a base for the project, of the test bed's base and those
// files, by path in the image. The base's label is in the configuration of all
// that is built on it, so nothing comes from the cache of an earlier run, and
// all of it is found and removed.
func newDNFProject(t testing.TB, files map[string]string) *dnfProject {
	t.Helper()
	p := &dnfProject{project: newProject(t)}
	p.base = "localhost/bootkiln/" + p.mark + "-base:latest"
	container := "e2e-" + strings.ToLower(rand.Text())
	tool(t, nil, "buildah", "from", "--pull-never", "--name", container, dnfBase)
	defer tool(t, nil, "buildah", "rm", container)
	tool(t, nil, "buildah", "config", "--label", "e2e="+p.mark, container)
	for name, content := range files {
		source := filepath.Join(t.TempDir(), "file")
		write(t, source, []byte(content))
		tool(t, nil, "buildah", "copy", "--quiet", "--chmod", "0644", container, source, name)
	}
	tool(t, nil, "buildah", "commit", "--quiet", "--format", "oci", container, p.base)
	return p
}

// write writes the recipe.
func (p *dnfProject) write(t testing.TB, more ...string) {
	t.Helper()
	head := fmt.Sprintf("version: 1\nname: e2e\nbase: {image: \"containers-storage:%s\", distro: centos-9}\nkernel: {initramfs: never}\n", p.base)
	write(t, p.recipe(), []byte(head+strings.Join(more, "\n")+"\n"))
}

// rpms reads the rpm database of the image that was built: versions by name.
// Keys of repositories are in the database, and are no packages.
func (p *dnfProject) rpms(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{}
	p.inFolder(t, func(root string) {
		list, err := packagedb.Packages(t.Context(), os.DirFS(root))
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range list {
			if pkg.Format == "rpm" && pkg.Name != "gpg-pubkey" {
				found[pkg.Name] = pkg.Version
			}
		}
		// What rpm itself says of its files.
		cmd := exec.CommandContext(t.Context(), "rpm", "--root", root, "--dbpath", "/usr/lib/sysimage/rpm", "-Va", "--nodeps")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("rpm -Va: %v\n%s", err, out)
		}
	})
	return found
}

// wantRPMs fails the test unless these are the packages in the rpm database,
// each as NAME-VERSION-RELEASE.
func (p *dnfProject) wantRPMs(t testing.TB, names ...string) {
	t.Helper()
	want := map[string]string{}
	for _, n := range names {
		name, version, found := strings.Cut(n, "=")
		if !found {
			version = "1.0"
		}
		want[name] = version + "-1"
	}
	if diff := cmp.Diff(want, p.rpms(t)); diff != "" {
		t.Errorf("rpm database (-want +got):\n%s", diff)
	}
}

// TestDNFOfTheBase installs from a repository that the base has.
func TestDNFOfTheBase(t *testing.T) {
	repo := newRPMRepository(t)
	p := newDNFProject(t, map[string]string{"/etc/yum.repos.d/e2e.repo": repo.file()})

	p.write(t,
		"packages:",
		`  install: [plain, "glob-*", chain-a, weak, two-1.0, daemon]`,
		"  optional: [plain-too, missing, broken]",
		"  remove: [glob-one, never-installed]",
		"systemd: {enable: [e2e-daemon.service]}",
		"tests:",
		"  packages: {present: [chain-c], absent: [glob-one]}",
		"  units: {enabled: [e2e-daemon.service]}",
	)
	p.build(t)
	p.wantRPMs(t, "plain", "glob-two", "chain-a", "chain-b", "chain-c", "weak", "weak-extra", "two", "daemon", "plain-too")
	if got, want := p.imageFile(t, plan.OptionalReport), "missing\nbroken\n"; got != want {
		t.Errorf("the report of optional packages is %q, want %q", got, want)
	}

	t.Run("removal takes what depends on it", func(t *testing.T) {
		p.write(t, "packages: {install: [chain-a, plain], remove: [chain-b]}")
		p.build(t)
		// What it had brought along stays.
		p.wantRPMs(t, "chain-c", "plain")
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
