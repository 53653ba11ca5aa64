//go:build e2e

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/test/fakesigstore"
)

// TestIndependentReaders has an image that was published verified by the cosign
// command, copied by skopeo with the policy that bootkiln wrote, which refuses what
// nobody or somebody else signed, and run by Debian's podman. None of them shares a
// build with bootkiln. Debian builds podman without sigstore, so that it can only
// show that it refuses.
func TestIndependentReaders(t *testing.T) {
	t.Parallel()
	s, p, sigstore := newSite(t), newProject(t), fakesigstore.New(t)
	p.write(t, "sign: {key: "+s.keys.private+", keyless: true}", "publish: [{to: "+s.name+", tags: [latest]}]")
	publish := command(t, s.publishArgs(p)...)
	for name, value := range sigstore.Environ() {
		publish.Env = append(publish.Env, name+"="+value)
	}
	publish.run(t).want(t, 0)
	pinned := s.name + "@" + p.result(t).Published[0].Digest.String()
	verify := append([]string{
		"verify", "--attestations", "--certificate-identity", fakesigstore.Subject, "--certificate-oidc-issuer", fakesigstore.Issuer,
		"--trusted-root", sigstore.Root, pinned,
	}, s.access()...)
	o := bootkiln(t, verify...)
	o.want(t, 0)
	for _, words := range []string{"packages     ", "provenance   stated by ", "built by   ", "recipe.yaml (sha256:", "from       base"} {
		if !strings.Contains(o.stdout, words) {
			t.Errorf("verify does not say %q:\n%s", words, o.stdout)
		}
	}

	t.Run("cosign", func(t *testing.T) { s.assertCosign(t, pinned, sigstore) })

	// The same bytes, and nobody signed them there.
	unsigned := s.proxy.host + "/os/unsigned:latest"
	skopeo(t, "copy", "--quiet", "--src-cert-dir", s.ca.dir, "--dest-cert-dir", s.ca.dir, "--src-creds", registryUser+":"+registryPassword,
		"--dest-creds", registryUser+":"+registryPassword, "docker://"+pinned, "docker://"+unsigned)
	etc, other := t.TempDir(), t.TempDir()
	for to, key := range map[string]string{etc: s.keys.public, other: newKeys(t).public} {
		bootkiln(t, "policy", "--key", key, "--to", to, "--yes", "--scope", s.proxy.host+"/os", s.name).want(t, 0)
	}
	t.Run("skopeo", func(t *testing.T) {
		s.assertSkopeo(t, etc, s.name+":latest", "")
		s.assertSkopeo(t, etc, unsigned, noSignature)
		s.assertSkopeo(t, other, s.name+":latest", "cryptographic signature verification failed")
	})
	t.Run("podman", func(t *testing.T) { s.assertPodman(t, etc, pinned, unsigned) })
}

// reader is the path of a command that was built from its own module.
func reader(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.Command("../hack/reader", name).Output()
	if err != nil {
		t.Fatalf("building %s: %v", name, err)
	}
	return strings.TrimSpace(string(path))
}

// cosigner is the cosign command, for a site and a sigstore.
type cosigner struct {
	program string
	args    []string
	root    string
	env     []string
}

func (s *site) cosign(t *testing.T, sigstore *fakesigstore.Sigstore) *cosigner {
	t.Helper()
	c := &cosigner{
		program: reader(t, "cosign"), root: sigstore.Root, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()},
		args: []string{
			"--registry-cacert", filepath.Join(s.ca.dir, "ca.crt"), "--registry-username", registryUser, "--registry-password", registryPassword,
		},
	}
	for name, value := range sigstore.Verifying(t) {
		c.env = append(c.env, name+"="+value)
	}
	return c
}

// byKey asks for a signature by the key, or for an attestation of the type.
func (c *cosigner) byKey(key, image, attestation string) error {
	return c.verify(image, attestation, "--insecure-ignore-tlog=true", "--key", key)
}

// byJob asks for those of the identity.
func (c *cosigner) byJob(subject, image, attestation string) error {
	by := []string{"--offline", "--certificate-identity", subject, "--certificate-oidc-issuer", fakesigstore.Issuer}
	if attestation == "" { // for which alone it takes a trusted root
		by = append(by, "--trusted-root", c.root)
	}
	return c.verify(image, attestation, by...)
}

func (c *cosigner) verify(image, attestation string, by ...string) error {
	what := []string{"verify"}
	if attestation != "" {
		what = []string{"verify-attestation", "--type", attestation}
	}
	cmd := exec.Command(c.program, slices.Concat(what, c.args, by, []string{image})...)
	cmd.Env = c.env
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cosign %q: %w\n%s", what, err, said)
	}
	return nil
}

// assertCosign asks the command, with the key and for the identity of the job.
func (s *site) assertCosign(t *testing.T, pinned string, sigstore *fakesigstore.Sigstore) {
	c := s.cosign(t, sigstore)
	other := newKeys(t)
	for _, what := range []string{"", "spdxjson", "slsaprovenance1"} {
		for name, err := range map[string]error{
			"its key": c.byKey(s.keys.public, pinned, what), "its job": c.byJob(fakesigstore.Subject, pinned, what),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"another key": c.byKey(other.public, pinned, what), "another job": c.byJob(fakesigstore.Subject+"2", pinned, what),
		} {
			if err == nil || !strings.Contains(err.Error(), "no matching ") && !strings.Contains(err.Error(), "invalid signature") {
				t.Errorf("%s, %q: %v", name, what, err)
			}
		}
	}
}

const noSignature = "A signature was required, but no signature exists"

// assertSkopeo copies an image with a policy, which lets it pass where refused is
// "", and else says so.
func (s *site) assertSkopeo(t *testing.T, etc, image, refused string) {
	t.Helper()
	cmd := exec.Command(reader(t, "skopeo"), "--tmpdir", t.TempDir(), "--policy", filepath.Join(etc, "containers/policy.json"),
		"--registries.d", filepath.Join(etc, "containers/registries.d"), "copy", "--quiet",
		"--src-cert-dir", s.ca.dir, "--src-creds", registryUser+":"+registryPassword, "docker://"+image, "dir:"+t.TempDir())
	said, err := cmd.CombinedOutput()
	if (err == nil) != (refused == "") || !strings.Contains(string(said), refused) {
		t.Errorf("skopeo copy of %s: %v, want %q\n%s", image, err, refused, said)
	}
}

// assertPodman pulls an unsigned image on a machine whose /etc/containers is the
// policy's, and runs the other as this machine may.
func (s *site) assertPodman(t *testing.T, etc, signed, unsigned string) {
	//nolint:usetesting // podman takes no runroot of more than 50 characters
	store, err := os.MkdirTemp("", "readers-")
	if err != nil {
		t.Fatal(err)
	}
	podman := func(containers string, args ...string) ([]byte, error) {
		// podman takes registries.d from nowhere else.
		script := `mount --bind "$1" /etc/containers; shift; exec podman "$@"`
		return exec.Command("unshare", append([]string{
			"--mount", "sh", "-euc", script, "sh", containers,
			"--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--runtime", "runc", "--cgroup-manager", "cgroupfs",
		}, args...)...).CombinedOutput()
	}
	const machine = "/etc/containers"
	t.Cleanup(func() {
		if said, err := podman(machine, "rmi", "--all", "--force"); err != nil {
			t.Errorf("podman rmi: %v\n%s", err, said)
		}
		if err := os.RemoveAll(store); err != nil {
			t.Error(err)
		}
	})
	pull := []string{"pull", "--quiet", "--cert-dir", s.ca.dir, "--creds", registryUser + ":" + registryPassword}
	said, err := podman(filepath.Join(etc, "containers"), append(pull, unsigned)...)
	if err == nil || !strings.Contains(string(said), noSignature) {
		t.Errorf("podman pull of an unsigned image: %v\n%s", err, said)
	}
	if said, err := podman(machine, append(pull, signed)...); err != nil {
		t.Fatalf("podman pull: %v\n%s", err, said)
	}
	// podman's own limits are higher than a container that runs the tests may set.
	said, err = podman(machine, "run", "--rm", "--network=none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
		signed, "cat", "/etc/os-release")
	if err != nil || !strings.Contains(string(said), "ID=debian") {
		t.Errorf("podman run: %v\n%s", err, said)
	}
}
