//go:build e2e

package test

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// e2eKey is where the bases of these tests have the key of the test's Debian,
// as if it were Debian's own.
const e2eKey = "/usr/share/keyrings/debian-archive-e2e.asc"

// ofDebian is an entry for the test's Debian, as a stanza.
func (r *debRepository) ofDebian(more string) string {
	return "Types: deb\nURIs: " + r.url + "debian\nSuites: bookworm\nComponents: main\n" + more
}

// addParts is what a step does with apt-repos.sh, and what that is good for.
const addParts = `set -euo pipefail
rm -rf /run/bootkiln/apt /run/bootkiln/cache
mkdir -p /run/bootkiln/cache/{archives,indexes}/partial
export APT_CONFIG=/run/bootkiln/apt.conf
[[ $1 == /etc/apt ]] || APT_CONFIG=/run/bootkiln/apt-repos.conf
bash /run/bootkiln/apt-repos.sh "$1" --debian=contrib --debian=backports
apt-get update
apt-get install --simulate contrib-tool two/bookworm-backports
`

// TestAPTPartsOfDebian adds parts of Debian where a base has Debian from in one
// of the ways that there are.
func TestAPTPartsOfDebian(t *testing.T) {
	t.Parallel()
	repo := newDebRepository(t)
	key, err := os.ReadFile(repo.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	embedded := "Signed-By:\n"
	for line := range strings.Lines(string(key)) {
		if line == "\n" {
			line = ".\n"
		}
		embedded += " " + line
	}
	stage := t.TempDir()
	for _, name := range []string{"apt.conf", "apt-repos.conf", "fetch.sh", "apt-repos.sh"} {
		text, err := os.ReadFile("../pkg/plan/scripts/" + name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(stage, name), text)
	}
	container := "e2e-" + strings.ToLower(rand.Text())
	tool(t, nil, "buildah", "from", "--pull-never", "--name", container, debianBase)
	defer tool(t, nil, "buildah", "rm", container)
	const nothing, found = "", "Inst contrib-tool (1.0 "
	for name, test := range map[string]struct {
		file, text, want string
		trusted          bool
	}{
		"a line":           {"sources.list", "# x\n\ndeb [ arch=" + runtime.GOARCH + " signed-by=" + e2eKey + " ] " + repo.url + "debian bookworm main # x\n", found, false},
		"an early stanza":  {"sources.list.d/a.sources", repo.ofDebian("Signed-By: " + e2eKey + "\n"), found, false},
		"a late stanza":    {"sources.list.d/z.sources", "# head\n\n" + repo.ofDebian("Enabled: no\n") + "\n# x\n" + repo.ofDebian("signed-by:\n# the key\n "+e2eKey+"\nCheck-Valid-Until: no\n"), found, false},
		"a key in the way": {"sources.list.d/debian.sources", repo.ofDebian(embedded), found, false},
		"a trusted key":    {"sources.list", "deb " + repo.url + "debian bookworm main\n", found, true},
		"no signature":     {"sources.list", "deb [trusted=yes] " + repo.url + "debian bookworm main\n", "bootkiln: the image does not check the signature of " + repo.url, false},
		"no Debian":        {"sources.list", nothing, "bootkiln: the image has no repository of Debian bookworm", false},
	} {
		t.Run(name, func(t *testing.T) {
			apt := t.TempDir()
			for _, dir := range []string{"sources.list.d", "preferences.d", "trusted.gpg.d", "apt.conf.d"} {
				if err := os.Mkdir(filepath.Join(apt, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(apt, test.file), []byte(test.text))
			if test.trusted {
				trusted := filepath.Join(apt, "trusted.gpg.d/e2e.asc")
				write(t, trusted, key)
				if err := os.Chmod(trusted, 0o644); err != nil { // for apt's own user
					t.Fatal(err)
				}
			}
			// The build's own repositories, and those that an image keeps.
			for _, root := range []string{"/run/bootkiln/apt", "/etc/apt"} {
				// Where it is to fail, the words that it says tell.
				out, err := exec.CommandContext(t.Context(), "buildah", "run", "--isolation", "chroot",
					"--volume", stage+":/run/bootkiln", "--volume", apt+":/etc/apt", "--volume", repo.keyFile+":"+e2eKey+":ro",
					container, "/bin/bash", "-c", addParts, "bash", root).CombinedOutput()
				if said := string(out); !strings.Contains(said, test.want) ||
					(err == nil) != (test.want == found) || err == nil && (!strings.Contains(said, "Inst two (2.0 ") || strings.Contains(said, "W: ")) {
					t.Errorf("%s: %v, want %q:\n%s", root, err, test.want, said)
				}
			}
		})
	}
}

// aptProject is a project whose base has packages from the test's Debian only.
type aptProject struct{ desktopProject }

func newAPTProject(t *testing.T, repo *debRepository) aptProject {
	t.Helper()
	list := filepath.Join(t.TempDir(), "sources.list")
	write(t, list, []byte("deb [signed-by="+e2eKey+"] "+repo.url+"debian bookworm main\n"))
	p := aptProject{newDesktopProject(t, map[string]string{"/etc/apt/sources.list": list, e2eKey: repo.keyFile})}
	for name, from := range map[string]string{"keys/e2e.asc": repo.keyFile, "debs/site.deb": repo.local} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, name), content)
	}
	return p
}

// wantDebs fails the test unless these, of the test's packages, are in dpkg's
// database, as NAME or NAME=VERSION.
func (p aptProject) wantDebs(t *testing.T, names ...string) {
	t.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, n := range names {
		name, version, found := strings.Cut(n, "=")
		if !found {
			version = "1.0"
		}
		want[name] = version
	}
	p.inFolder(t, func(root string) {
		list, err := packagedb.Packages(t.Context(), os.DirFS(root))
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range list {
			if _, err := os.Stat(filepath.Join(root, "usr/share/e2e", pkg.Name)); err == nil {
				got[pkg.Name] = pkg.Version
			}
		}
		held, err := exec.CommandContext(t.Context(), "dpkg-query", "--admindir", filepath.Join(root, "var/lib/dpkg"), "--show", "--showformat", "${db:Status-Want}", "two").Output()
		if string(held) != "hold" {
			t.Errorf("dpkg has %q for what is locked: %v", held, err)
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dpkg's database (-want +got):\n%s", diff)
	}
}

// wantOfAPT fails the test unless the image has exactly these files where apt
// and bootkiln could leave some.
func (p aptProject) wantOfAPT(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	p.inFolder(t, func(root string) {
		for _, dir := range []string{"etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/keyrings", "usr/share/bootkiln", "run", "var/lib/apt/lists", "var/cache/apt"} {
			err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() && d.Name() != "lock" {
					got = append(got, strings.TrimPrefix(path, root+"/"))
				}
				return err
			})
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestAPTRecipe has one recipe with every word about packages.
func TestAPTRecipe(t *testing.T) {
	t.Parallel()
	repo := newDebRepository(t)
	p := newAPTProject(t, repo)
	recipe := func(weak string) []string {
		return []string{
			"kernel: {initramfs: never}",
			"repos:",
			"  - contrib",
			"  - {repo: backports, includepkgs: [two]}",
			// On the host of Debian, whose packages stay what they are.
			"  - {name: vendor, baseurl: \"" + repo.url + "vendor/\", suite: ./, gpgkey: keys/e2e.asc, includepkgs: [\"vendor-*\"]}",
			"  - {name: \"kept:er\", baseurl: \"" + repo.url + "nameless/\", suite: ./, gpgkey: keys/e2e.asc, keep: true}",
			"packages:",
			"  install:",
			"    - plain",
			"    - keeps",
			"    - weak",
			"    - two",
			"    - contrib-tool",
			"    - vendor-tool",
			"    - kept-tool",
			"    - ./debs/site.deb",
			"    - {url: \"" + repo.remote + "\", sha256: " + repo.remoteSum + "}",
			"  groups: [task-e2e]",
			"  optional: [missing]",
			"  exclude: [unwanted]",
			"  lock: [two]",
			"  weak-deps: " + weak,
		}
	}
	debs := []string{
		"plain", "keeps", "weak", "two=2.0", "contrib-tool", "vendor-tool", "kept-tool", "site", "download", "task-e2e", "chain-a", "chain-b",
	}
	p.write(t, recipe("true")...)
	p.build(t)
	p.wantDebs(t, append(debs, "weak-extra")...)
	stays := []string{"etc/apt/keyrings/kept_er.asc", "etc/apt/sources.list.d/kept_er.sources", strings.TrimPrefix(plan.OptionalReport, "/")}
	p.wantOfAPT(t, stays...)

	t.Run("no weak dependencies", func(t *testing.T) {
		p.write(t, recipe("false")...)
		p.build(t)
		p.wantDebs(t, debs...)
		p.wantOfAPT(t, stays...)
	})
	t.Run("two that nobody can tell apart", func(t *testing.T) {
		p.write(t, "repos: [{name: nameless, baseurl: \""+repo.url+"nameless/\", suite: ./, gpgkey: keys/e2e.asc, includepkgs: [kept-tool]}]", "packages: {install: [kept-tool]}")
		o := bootkiln(t, p.args("build")...)
		if said := fmt.Sprintf("what is taken from %q cannot be said", "nameless"); o.status == 0 || !strings.Contains(o.stderr, said) {
			t.Errorf("status %d, want %q:\n%s", o.status, said, o.stderr)
		}
	})
}
