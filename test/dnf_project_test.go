//go:build e2e

package test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
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

// trustedKey is the name of a key of a repository in the rpm database.
const trustedKey = "gpg-pubkey"

// rpms reads the rpm database of the image that was built: versions by name,
// and how many keys there are by [trustedKey].
func (p *dnfProject) rpms(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{}
	p.inFolder(t, func(root string) {
		list, err := packagedb.Packages(t.Context(), os.DirFS(root))
		if err != nil {
			t.Fatal(err)
		}
		keys := 0
		for _, pkg := range list {
			switch {
			case pkg.Format == "rpm" && pkg.Name == trustedKey:
				keys++
				found[pkg.Name] = fmt.Sprint(keys)
			case pkg.Format == "rpm":
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
// each as NAME for the version 1.0 or as NAME=VERSION, and no key unless
// trustedKey is among them.
func (p *dnfProject) wantRPMs(t testing.TB, names ...string) {
	t.Helper()
	want := map[string]string{}
	for _, n := range names {
		if n == trustedKey {
			want[n] = "1"
			continue
		}
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

// take puts what the recipes of a test name into the project.
func (p *dnfProject) take(t testing.TB, repo *rpmRepository) {
	t.Helper()
	for name, from := range map[string]string{"keys/e2e.asc": repo.keyFile, "rpms/site.rpm": repo.local} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, name), content)
	}
}

// wantRepositories fails the test unless these repositories, by ID, are enabled
// in the image that was built.
func (p *dnfProject) wantRepositories(t testing.TB, want ...string) {
	t.Helper()
	var enabled []string
	p.inFolder(t, func(root string) {
		var files []string
		for _, dir := range []string{"etc/yum.repos.d", "etc/distro.repos.d", "usr/share/dnf5/repos.d"} {
			found, err := filepath.Glob(filepath.Join(root, dir, "*.repo"))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, found...)
		}
		for _, name := range files {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			id, on := "", map[string]bool{}
			for line := range strings.Lines(string(content)) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "[") {
					id = strings.Trim(line, "[]")
					on[id] = true // unless it says something else
				}
				if key, value, found := strings.Cut(line, "="); found && strings.TrimSpace(key) == "enabled" {
					on[id] = strings.TrimSpace(value) != "0"
				}
			}
			for id, is := range on {
				if is {
					enabled = append(enabled, id)
				}
			}
		}
	})
	slices.Sort(enabled)
	if diff := cmp.Diff(want, enabled); diff != "" {
		t.Errorf("repositories that are enabled (-want +got):\n%s", diff)
	}
}
