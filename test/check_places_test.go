//go:build e2e

package test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/check"
)

// mess are lines of a recipe that break rules, with what each place has to get
// right on the way to them: files of two layers, some removed, replaced,
// linked, owned by others, or with names of any bytes. It leaves out the
// initramfs, of which another test has plenty.
const mess = `labels: {containers.bootc: "yes", org.opencontainers.image.version: ""}
run:
  - name: mess
    shell: |
      mkdir -p /usr/share/kiln /var/lib/kiln
      cp /usr/bin/env /usr/share/kiln/env && chmod 4755 /usr/share/kiln/env
      ln /usr/share/kiln/env /usr/share/kiln/twin
      touch "$(printf '/usr/share/kiln/caf\351')"
      echo x > /usr/share/kiln/open && chmod 0666 /usr/share/kiln/open
      echo x > /usr/share/kiln/foreign && chown 4242:4343 /usr/share/kiln/foreign
      mkfifo /usr/lib/pipe
      rm /usr/lib/systemd/system/default.target /etc/os-release
      ln -s ../usr/lib/os-release /etc/os-release
      rmdir /var/opt && sed -i '\,/var/opt ,d' /usr/lib/tmpfiles.d/debian-packages.conf
      mkdir -p /usr/lib/bootc/kargs.d && echo 'args = []' > /usr/lib/bootc/kargs.d/10-kiln.toml
      ln -s /usr/lib/systemd/system/gone.service /etc/systemd/system/multi-user.target.wants/gone.service`

// places puts an image of the machine's store where else images are. Each
// place has the arguments of check for it.
func places(t *testing.T, name string, r *dockerRegistry) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	layout := "oci:" + dir + "/layout:kiln"
	fast := 1
	copyImage(t, "containers-storage:"+name, layout, &types.SystemContext{CompressionFormat: &compression.Zstd, CompressionLevel: &fast})
	archive, dockerArchive := "oci-archive:"+dir+"/oci.tar", "docker-archive:"+dir+"/docker.tar"
	copyImage(t, layout, archive, nil)
	copyImage(t, layout, dockerArchive, nil)
	remote := "docker://" + r.host + "/os/places:kiln"
	copyImage(t, layout, remote, r.access())
	return map[string][]string{
		"store": {name}, "layout": {layout}, "OCI archive": {archive}, "Docker archive": {dockerArchive},
		"registry": {remote, "--cert-dir", r.ca.dir, "--creds", registryUser + ":" + registryPassword},
	}
}

// access is how to write to a registry.
func (r *dockerRegistry) access() *types.SystemContext {
	return &types.SystemContext{
		DockerCertPath: r.ca.dir, DockerAuthConfig: &types.DockerAuthConfig{Username: registryUser, Password: registryPassword},
	}
}

// copyImage copies an image.
func copyImage(t testing.TB, from, to string, into *types.SystemContext) {
	t.Helper()
	parse := func(name string) types.ImageReference {
		ref, err := alltransports.ParseImageName(name)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = policy.Destroy() }()
	if _, err := copy.Image(t.Context(), policy, parse(to), parse(from), &copy.Options{DestinationCtx: into}); err != nil {
		t.Fatalf("copying %q to %q: %v", from, to, err)
	}
}

// checked runs check, whose report must be one.
func checked(t testing.TB, cmd *invocation) *check.Report {
	t.Helper()
	o := cmd.run(t)
	if o.status != 0 && o.status != 4 {
		o.want(t, 0)
	}
	var report check.Report
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatalf("check prints %q: %v", o.stdout, err)
	}
	report.Image = ""
	return &report
}

// stranger makes an invocation one of a user who has nothing: no rights, no
// store, no way into the folders of others.
func (cmd *invocation) stranger(t testing.TB) (home string) {
	t.Helper()
	const nobody = 65534
	dir, err := os.MkdirTemp("", "bootkiln-stranger-") //nolint:usetesting // the way to t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	home, cmd.tmp = filepath.Join(dir, "home"), filepath.Join(dir, "tmp")
	for _, own := range []string{home, cmd.tmp} {
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(own, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	// What the command reads is root's, in folders that nobody else may enter.
	lend := func(file string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lent := filepath.Join(dir, filepath.Base(file))
		// What another test starts meanwhile would hold it open, and it could not be run.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if err := os.WriteFile(lent, data, 0o755); err != nil {
			t.Fatal(err)
		}
		return lent
	}
	cmd.Path = lend(cmd.Path)
	for i, arg := range cmd.Args {
		if arg == "--cert-dir" {
			cmd.Args[i+1] = filepath.Dir(lend(filepath.Join(cmd.Args[i+1], "ca.crt")))
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Dir = home
	cmd.Env = append(slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "XDG_") }), "HOME="+home, "TMPDIR="+cmd.tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return home
}

// An image has the same findings wherever it is.
func TestCheckFindsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	p, r := newProject(t), startRegistry(t, newAuthority(t))
	p.write(t, mess)
	bootkiln(t, p.args("build")...).want(t, 4) // it is in the store all the same
	all := places(t, p.tag, r)
	// What is in a registry is published there, if nothing else is said.
	args := func(place string) []string {
		return append([]string{"check", "--format", "json", "--published", "registry.example/os"}, all[place]...)
	}
	want := checked(t, command(t, args("store")...))
	var broken []string
	for _, o := range want.Rules {
		if o.Status == check.StatusFound {
			broken = append(broken, o.ID)
		}
		if o.Status == check.StatusCouldNotRun {
			t.Errorf("%s could not run: %s", o.ID, o.Reason)
		}
	}
	for _, id := range []string{
		"default-target", "kargs-d", "label-bootc-value", "label-version", "special-files", "unit-links", "unnamed-owners", "utf8-names",
		"var-links", "var-tmpfiles", "world-writable",
	} {
		if !slices.Contains(broken, id) {
			t.Errorf("rule %s found nothing", id)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(all)) {
		if place == "store" {
			continue
		}
		t.Run(place, func(t *testing.T) {
			if diff := cmp.Diff(want, checked(t, command(t, args(place)...)), unexported); diff != "" {
				t.Errorf("other than in the store (-store +%s):\n%s", place, diff)
			}
		})
	}
	t.Run("registry, without root and store", func(t *testing.T) {
		cmd := command(t, args("registry")...)
		home := cmd.stranger(t)
		if diff := cmp.Diff(want, checked(t, cmd), unexported); diff != "" {
			t.Errorf("other than root's (-root +nobody):\n%s", diff)
		}
		assertEmpty(t, home)
	})
	t.Run("folder", func(t *testing.T) {
		got := checked(t, command(t, "check", "--format", "json", "--published", "registry.example/os", "--rootfs", mounted(t, p.tag)))
		assertFolderReport(t, want, got)
	})
}

// unexported leaves the rules' own texts out of a comparison: JSON has none.
var unexported = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".rule" }, cmp.Ignore())

// configurationRules are about what a folder does not have: the image's
// configuration.
var configurationRules = []string{"architecture", "history", "label-bootc", "label-bootc-value", "label-ostree", "label-version"}

// assertFolderReport compares the report about an image with that about its
// root file system as a folder.
func assertFolderReport(t *testing.T, img, folder *check.Report) {
	t.Helper()
	ofFiles := func(r *check.Report) (findings []check.Finding, rules []check.Outcome) {
		for _, f := range r.Findings {
			if !slices.Contains(configurationRules, f.Rule) {
				findings = append(findings, f)
			}
		}
		for _, o := range r.Rules {
			if !slices.Contains(configurationRules, o.ID) {
				rules = append(rules, o)
			}
		}
		return findings, rules
	}
	wantFindings, wantRules := ofFiles(img)
	gotFindings, gotRules := ofFiles(folder)
	if diff := cmp.Diff(wantFindings, gotFindings); diff != "" {
		t.Errorf("findings (-image +folder):\n%s", diff)
	}
	if diff := cmp.Diff(wantRules, gotRules, unexported); diff != "" {
		t.Errorf("rules (-image +folder):\n%s", diff)
	}
	for _, o := range folder.Rules {
		if slices.Contains(configurationRules, o.ID) && o.Status != check.StatusNotApplicable {
			t.Errorf("%s on a folder: %s, want %s", o.ID, o.Status, check.StatusNotApplicable)
		}
	}
}

// mounted mounts an image of the machine's store for reading, until the end of
// the test.
func mounted(t testing.TB, name string) string {
	t.Helper()
	store := machineStore(t)
	img, err := store.Image(name)
	if err != nil {
		t.Fatalf("%v: run 'make base'", err)
	}
	dir, err := store.MountImage(img.ID, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := store.UnmountImage(img.ID, false); err != nil {
			t.Error(err)
		}
	})
	return dir
}
