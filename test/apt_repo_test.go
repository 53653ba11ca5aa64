//go:build e2e

package test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// debPackage is a package to be made. It holds the file /usr/share/e2e/NAME,
// with its version.
type debPackage struct {
	name    string
	version string // "1.0" where nothing is said
	// depends and recommends are lists as dpkg has them.
	depends, recommends string
}

// debSuite is a part of an archive, in its folder.
type debSuite struct {
	folder   string
	packages []debPackage
}

// debSuites are a small Debian, and two repositories of vendors on its host.
var debSuites = []debSuite{
	{"debian/dists/bookworm/main/", []debPackage{
		{name: "plain"},
		{name: "chain-a", depends: "chain-b"},
		{name: "chain-b"},
		{name: "weak", recommends: "weak-extra"},
		{name: "weak-extra"},
		{name: "keeps", recommends: "unwanted"},
		{name: "unwanted"},
		{name: "two"},
		{name: "task-e2e", depends: "chain-a"},
	}},
	{"debian/dists/bookworm/contrib/", []debPackage{{name: "contrib-tool"}}},
	{"debian/dists/bookworm-backports/main/", []debPackage{{name: "plain", version: "2.0"}, {name: "two", version: "2.0"}}},
	{"debian/dists/bookworm-backports/contrib/", []debPackage{{name: "contrib-tool", version: "2.0"}}},
	{"vendor/", []debPackage{{name: "vendor-tool"}, {name: "plain", version: "9.0"}}},
	{"nameless/", []debPackage{{name: "kept-tool"}}},
}

// debRepository are the repositories, served on loopback.
type debRepository struct {
	// url is the address above all of them, and keyFile the key of all.
	url, keyFile string
	// local is a package file, and remote the address of another one, with its
	// SHA-256.
	local, remote, remoteSum string
}

var debRepositories = shared{name: "deb-repositories"}

// newDebRepository serves the repositories, which all tests share, at an address of
// its own.
func newDebRepository(t testing.TB) *debRepository {
	t.Helper()
	dir := debRepositories.folder(t, func(dir string) {
		served := filepath.Join(dir, "served")
		for _, s := range debSuites {
			makeSuite(t, served, s)
		}
		signReleases(t, filepath.Join(served, "key.asc"),
			releaseOf(t, filepath.Join(served, "debian/dists/bookworm"), "Origin: Debian\nLabel: Debian\nSuite: oldstable\nCodename: bookworm\nComponents: main contrib\n"),
			releaseOf(t, filepath.Join(served, "debian/dists/bookworm-backports"), "Origin: Debian Backports\nLabel: Debian Backports\nCodename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\nComponents: main contrib\n"),
			releaseOf(t, filepath.Join(served, "vendor"), "Origin: E2E Vendor\nLabel: Of a test\n"),
			releaseOf(t, filepath.Join(served, "nameless"), ""),
		)
		makeDeb(t, served, debPackage{name: "download"})
		makeDeb(t, dir, debPackage{name: "site", depends: "chain-b"})
	})
	served, remote := filepath.Join(dir, "served"), "download_1.0_all.deb"
	content, err := os.ReadFile(filepath.Join(served, remote))
	if err != nil {
		t.Fatal(err)
	}
	// apt keeps what it read of an address, and ports are used again.
	mark := "/" + strings.ToLower(rand.Text()) + "/"
	server := httptest.NewServer(http.StripPrefix(mark, http.FileServer(http.Dir(served))))
	t.Cleanup(server.Close)
	return &debRepository{
		url: server.URL + mark, keyFile: filepath.Join(served, "key.asc"), local: filepath.Join(dir, "site_1.0_all.deb"),
		remote: server.URL + mark + remote, remoteSum: fmt.Sprintf("%x", sha256.Sum256(content)),
	}
}

// makeDeb makes a package in a folder, and returns its path.
func makeDeb(t testing.TB, folder string, p debPackage) string {
	t.Helper()
	if p.version == "" {
		p.version = "1.0"
	}
	work := t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: A Test <test@example.com>\nDescription: of a test\n", p.name, p.version)
	for field, value := range map[string]string{"Depends": p.depends, "Recommends": p.recommends} {
		if value != "" {
			control += field + ": " + value + "\n"
		}
	}
	write(t, filepath.Join(work, "DEBIAN/control"), []byte(control))
	write(t, filepath.Join(work, "usr/share/e2e", p.name), []byte(p.version+"\n"))
	file := filepath.Join(folder, p.name+"_"+p.version+"_all.deb")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, "dpkg-deb", "--root-owner-group", "-Znone", "--build", work, file)
	return file
}

// makeSuite makes packages and their index.
func makeSuite(t testing.TB, served string, s debSuite) {
	t.Helper()
	// Paths in the index are relative to what sources.list has.
	root, index := filepath.Join(served, s.folder), "Packages"
	if base, component, found := strings.Cut(s.folder, "dists/"); found {
		root, index = filepath.Join(served, base), "dists/"+component+"binary-"+runtime.GOARCH+"/Packages"
	}
	var text strings.Builder
	for _, p := range s.packages {
		file := makeDeb(t, filepath.Join(served, s.folder), p)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		control, err := exec.CommandContext(t.Context(), "dpkg-deb", "--field", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		at, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%sFilename: ./%s\nSize: %d\nSHA256: %x\n\n", control, at, len(content), sha256.Sum256(content))
	}
	write(t, filepath.Join(root, index), []byte(text.String()))
}

// releaseOf writes the Release file of all indexes in a folder, and returns its
// path.
func releaseOf(t testing.TB, folder, lines string) string {
	t.Helper()
	text := lines + "Architectures: " + runtime.GOARCH + " all\nDate: " + time.Now().UTC().Format(time.RFC1123) + "\nSHA256:\n"
	for _, pattern := range []string{"Packages", "*/*/Packages"} {
		for _, file := range glob(t, filepath.Join(folder, pattern)) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(folder, file)
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(content), len(content), name)
		}
	}
	file := filepath.Join(folder, "Release")
	write(t, file, []byte(text))
	return file
}

// signReleases signs Release files with a new key, and writes the public one.
func signReleases(t testing.TB, public string, files ...string) {
	t.Helper()
	//nolint:usetesting // the path of the agent's socket must be short
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"GNUPGHOME=" + home}
	defer func() {
		tool(t, env, "gpgconf", "--kill", "all")
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	}()
	tool(t, env, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "e2e <e2e@example.com>", "rsa2048", "sign", "never")
	tool(t, env, "gpg", "--batch", "--armor", "--output", public, "--export")
	for _, file := range files {
		tool(t, env, "gpg", "--batch", "--clearsign", "--output", filepath.Join(filepath.Dir(file), "InRelease"), file)
	}
}
