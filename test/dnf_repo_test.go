//go:build e2e

package test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dnfBase is made by 'make base': Debian's own dnf, and an empty rpm database.
const dnfBase = "localhost/bootkiln/debian-bootc-dnf:bookworm"

// rpmPackage is a package to be made. It holds the file /usr/share/e2e/NAME,
// with its version.
type rpmPackage struct {
	name     string
	version  string // "1.0" where nothing is said
	requires []string
	// recommends are weak dependencies.
	recommends []string
	// unit is a unit of the system's, "" for none.
	unit string
}

func (p rpmPackage) spec() string {
	var b strings.Builder
	version := p.version
	if version == "" {
		version = "1.0"
	}
	fmt.Fprintf(&b, "Name: %s\nVersion: %s\nRelease: 1\nSummary: Of a test\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n", p.name, version)
	for _, r := range p.requires {
		fmt.Fprintf(&b, "Requires: %s\n", r)
	}
	for _, r := range p.recommends {
		fmt.Fprintf(&b, "Recommends: %s\n", r)
	}
	files := "/usr/share/e2e/" + p.name + "\n"
	install := "mkdir -p %{buildroot}/usr/share/e2e\necho " + version + " >%{buildroot}/usr/share/e2e/" + p.name + "\n"
	if p.unit != "" {
		file := "/usr/lib/systemd/system/" + p.unit
		files += file + "\n"
		install += "mkdir -p %{buildroot}/usr/lib/systemd/system\n" +
			"printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' >%{buildroot}" + file + "\n"
	}
	return b.String() + "%description\nOf a test.\n%install\n" + install + "%files\n" + files
}

// rpmPackages are those of the repository.
var rpmPackages = []rpmPackage{
	{name: "plain"},
	{name: "plain-too"},
	{name: "glob-one"},
	{name: "glob-two"},
	{name: "chain-a", requires: []string{"chain-b"}},
	{name: "chain-b", requires: []string{"chain-c"}},
	{name: "chain-c"},
	{name: "weak", recommends: []string{"weak-extra"}},
	{name: "weak-extra"},
	{name: "two", version: "1.0"},
	{name: "two", version: "2.0"},
	{name: "wants-two", requires: []string{"two"}},
	{name: "broken", requires: []string{"nowhere-to-be-found"}},
	{name: "daemon", unit: "e2e-daemon.service"},
	{name: "unwanted"},
	{name: "needs-unwanted", requires: []string{"unwanted"}},
	{name: "keeps", recommends: []string{"unwanted"}},
	{name: "group-mandatory"},
	{name: "group-default"},
	{name: "group-optional"},
	{name: "desktop-shell"},
}

// vendorPackages are those of a second repository.
var vendorPackages = []rpmPackage{
	{name: "two", version: "3.0"},
	{name: "vendor-only"},
}

// comps has a group and an environment group that holds another one.
const comps = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>e2e-tools</id><name>E2E Tools</name><description>Of a test</description>
    <default>false</default><uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">group-mandatory</packagereq>
      <packagereq type="default">group-default</packagereq>
      <packagereq type="optional">group-optional</packagereq>
    </packagelist>
  </group>
  <group>
    <id>e2e-shell</id><name>E2E Shell</name><description>Of a test</description>
    <default>false</default><uservisible>false</uservisible>
    <packagelist><packagereq type="mandatory">desktop-shell</packagereq></packagelist>
  </group>
  <environment>
    <id>e2e-desktop-environment</id><name>E2E Desktop</name><description>Of a test</description>
    <display_order>1</display_order>
    <grouplist><groupid>e2e-shell</groupid></grouplist>
    <optionlist><groupid>e2e-tools</groupid></optionlist>
  </environment>
</comps>
`

// rpmRepository is a repository that real tools made, served on loopback.
type rpmRepository struct {
	// url is that of the repository, vendor that of another one; key and keyFile
	// are the address and the file of the key that their packages are signed
	// with, but for the packages "forged" (another key) and "unsigned".
	url, vendor, key, keyFile string
	// local is a file with the package "site", which is unsigned and in no
	// repository; remote and remoteSum are the address and the SHA-256 of a
	// file with the package "download", likewise.
	local             string
	remote, remoteSum string
}

var rpmRepositories = shared{name: "rpm-repositories"}

// newRPMRepository serves the repositories, which all tests share, at an address of
// its own.
func newRPMRepository(t testing.TB) *rpmRepository {
	t.Helper()
	dir := rpmRepositories.folder(t, func(dir string) { makeRPMRepository(t, dir) })
	download := rpmsIn(t, filepath.Join(dir, "served", "download"))[0]
	content, err := os.ReadFile(download)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)

	// dnf keeps what it read of an address, and ports are used again.
	mark := "/" + strings.ToLower(rand.Text()) + "/"
	server := httptest.NewServer(http.StripPrefix(mark, http.FileServer(http.Dir(filepath.Join(dir, "served")))))
	t.Cleanup(server.Close)
	at := server.URL + mark
	return &rpmRepository{
		url: at + "repository", vendor: at + "vendor", key: at + "key.asc", keyFile: filepath.Join(dir, "served", "key.asc"),
		local:  rpmsIn(t, filepath.Join(dir, "local"))[0],
		remote: at + "download/" + filepath.Base(download), remoteSum: hex.EncodeToString(sum[:]),
	}
}

// makeRPMRepository makes the repositories in a folder, with new keys.
func makeRPMRepository(t testing.TB, dir string) {
	t.Helper()
	in := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	repository, vendor := in("served", "repository"), in("served", "vendor")
	buildRPMs(t, repository, rpmPackages...)
	buildRPMs(t, vendor, vendorPackages...)
	buildRPMs(t, in("forged"), rpmPackage{name: "forged"})
	buildRPMs(t, in("unsigned"), rpmPackage{name: "unsigned"})
	signRPMs(t, in("served", "key.asc"), append(rpmsIn(t, repository), rpmsIn(t, vendor)...)...)
	signRPMs(t, in("other.asc"), rpmsIn(t, in("forged"))...)
	for _, name := range []string{"forged", "unsigned"} {
		for _, file := range rpmsIn(t, in(name)) {
			if err := os.Rename(file, filepath.Join(repository, filepath.Base(file))); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, in("comps.xml"), []byte(comps))
	tool(t, nil, "createrepo_c", "--quiet", "--groupfile", in("comps.xml"), repository)
	tool(t, nil, "createrepo_c", "--quiet", vendor)
	buildRPMs(t, in("local"), rpmPackage{name: "site", requires: []string{"plain-too"}})
	buildRPMs(t, in("served", "download"), rpmPackage{name: "download"})
}

// file is the text of a repository file of dnf.
func (r *rpmRepository) file() string {
	return "[e2e]\nname=Of a test\nbaseurl=" + r.url + "\ngpgkey=" + r.key + "\ngpgcheck=1\nenabled=1\n"
}

// buildRPMs makes packages, and puts them into dir.
func buildRPMs(t testing.TB, dir string, packages ...rpmPackage) {
	t.Helper()
	work := t.TempDir()
	args := []string{"-bb", "--quiet", "--define", "_topdir " + work, "--define", "_rpmdir " + dir, "--define", "_build_name_fmt %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"}
	for i, p := range packages {
		spec := filepath.Join(work, fmt.Sprintf("%d.spec", i))
		write(t, spec, []byte(p.spec()))
		args = append(args, spec)
	}
	tool(t, nil, "rpmbuild", args...)
}

// signRPMs signs packages with a new key, and writes the public one to a file.
func signRPMs(t testing.TB, public string, packages ...string) {
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
	name := strings.TrimSuffix(filepath.Base(public), ".asc")
	tool(t, env, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name+" <"+name+"@example.com>", "rsa2048", "sign", "never")
	tool(t, env, "gpg", "--batch", "--armor", "--output", public, "--export")
	tool(t, env, "rpmsign", append([]string{"--define", "__gpg /usr/bin/gpg", "--define", "_gpg_path " + home, "--define", "_gpg_name " + name, "--addsign"}, packages...)...)
}

// tool runs a program of the test bed, with env added to the environment.
func tool(t testing.TB, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// rpmsIn lists the package files in a folder, of which there is one at least.
func rpmsIn(t testing.TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(list) == 0 {
		t.Fatalf("packages in %q: %q, %v", dir, list, err)
	}
	return list
}
