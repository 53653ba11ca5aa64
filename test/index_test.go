//go:build e2e

package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sbom"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/test/fakesigstore"
)

// TestSeveralPlatforms publishes a recipe for two platforms: the image of this
// machine's without a tag, that of the other by a stand-in for its machine, and
// then the index of both. Readers find all that is signed and said of them.
func TestSeveralPlatforms(t *testing.T) {
	t.Parallel()
	here, there := runtime.GOARCH, "arm64"
	if here == there {
		there = "amd64"
	}
	s, p, sigstore := newSite(t), newProject(t), fakesigstore.New(t)
	p.write(t, "sign: {key: "+s.keys.private+", keyless: true}", "platforms: [linux/"+here+", linux/"+there+"]",
		"publish: [{to: "+s.name+", tags: [latest]}]")
	run := func(status int, args ...string) outcome {
		t.Helper()
		cmd := command(t, args...)
		for name, value := range sigstore.Environ() {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		o := cmd.run(t)
		o.want(t, status)
		return o
	}
	run(0, append(s.publishArgs(p), "--no-tags")...)
	s.assertTags(t)

	o := s.options(t)
	img, err := image.OpenLayout(t.Context(), relabelled(t, filepath.Join(p.out, "layout"), there), "", image.LayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := registry.Push(t.Context(), img, s.name, o)
	if err != nil {
		t.Fatal(err)
	}
	result := p.result(t)
	own := result.Published[0].Pinned
	result.Published[0].Pinned = other
	results := []string{filepath.Join(p.out, "result.json"), filepath.Join(t.TempDir(), "result.json")}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	write(t, results[1], text)
	index := append([]string{"index", "--recipe", p.recipe()}, s.access()...)

	// What was said there has to be found, and one platform is none.
	if o := run(4, append(index, results...)...); !strings.Contains(o.stderr, other.String()) || !strings.Contains(o.stderr, "carries no attestation") {
		t.Errorf("it says\n%s", o.stderr)
	}
	run(1, append(index, results[0])...)
	s.assertTags(t)

	for _, by := range s.signers(t, sigstore) {
		for kind, name := range map[string]string{sbom.PredicateType: pipeline.SBOMName, provenance.PredicateType: pipeline.ProvenanceName} {
			if err := by.Attest(t.Context(), other, kind, []byte(p.file(t, name)), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.proxy.forget()
	run(0, append(index, results...)...)
	s.assertTags(t, "latest")
	made := s.pinned(t, "latest")
	assertOrder(t, s.proxy.forget(), made.Digest, []string{"latest"})

	// Clients ask for the index and for an image in it; who reads attestations, too.
	byKey := []string{"--key", s.keys.public}
	byJob := []string{"--trusted-root", sigstore.Root, "--certificate-identity", fakesigstore.Subject, "--certificate-oidc-issuer", fakesigstore.Issuer}
	for _, by := range [][]string{byKey, byJob} {
		args := slices.Concat([]string{"verify", "--attestations"}, by, s.access())
		said := run(0, append(args, s.name+":latest")...).stdout
		for _, words := range []string{
			own.Digest.String() + "\n", other.Digest.String() + "\n", "from       linux/arm64 docker://" + s.name, "from       recipe.yaml (sha256:",
		} {
			if !strings.Contains(said, words) {
				t.Errorf("verify %q does not say %q:\n%s", by, words, said)
			}
		}
		if n := strings.Count(said, "  packages     "); n != 2 {
			t.Errorf("verify %q lists the packages of %d images, not of 2:\n%s", by, n, said)
		}
	}
	c := s.cosign(t, sigstore)
	for _, asked := range []struct{ image, attestation string }{
		{s.name + ":latest", ""},
		{s.name + ":latest", "slsaprovenance1"},
		{own.String(), ""},
		{own.String(), "spdxjson"},
		{other.String(), ""},
		{other.String(), "spdxjson"},
		{other.String(), "slsaprovenance1"},
	} {
		if err := c.byKey(s.keys.public, asked.image, asked.attestation); err != nil {
			t.Errorf("by the key: %v", err)
		}
		if err := c.byJob(fakesigstore.Subject, asked.image, asked.attestation); err != nil {
			t.Errorf("by the job: %v", err)
		}
	}
	assertNoSecrets(t, sigstore, p.file(t, pipeline.ProvenanceName), p.file(t, pipeline.SBOMName), p.file(t, "result.json"))

	// The same again is the same index, under the same tag.
	run(0, append(index, results[1], results[0])...)
	if again := s.pinned(t, "latest"); again.Digest != made.Digest {
		t.Errorf("the same images gave %s, and then %s", made.Digest, again.Digest)
	}
}

// relabelled is a copy of an OCI layout whose image says that it is for another
// architecture.
func relabelled(t *testing.T, layout, architecture string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(layout)); err != nil {
		t.Fatal(err)
	}
	blob := func(d digest.Digest) string { return filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded()) }
	read := func(path string, v any) {
		t.Helper()
		if err := json.Unmarshal(readBytes(t, path), v); err != nil {
			t.Fatal(err)
		}
	}
	encode := func(v any) []byte {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	put := func(d *imgspecv1.Descriptor, v any) {
		t.Helper()
		text := encode(v)
		d.Digest, d.Size = digest.FromBytes(text), int64(len(text))
		write(t, blob(d.Digest), text)
	}
	var index imgspecv1.Index
	read(filepath.Join(dir, "index.json"), &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("the layout has %d images", len(index.Manifests))
	}
	var manifest imgspecv1.Manifest
	read(blob(index.Manifests[0].Digest), &manifest)
	config := map[string]any{}
	read(blob(manifest.Config.Digest), &config)
	config["architecture"] = architecture
	put(&manifest.Config, config)
	put(&index.Manifests[0], manifest)
	if index.Manifests[0].Platform != nil {
		index.Manifests[0].Platform.Architecture = architecture
	}
	write(t, filepath.Join(dir, "index.json"), encode(index))
	return dir
}

// options reach the registry as the commands do.
func (s *site) options(t *testing.T) registry.Options {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "registries.conf")
	write(t, conf, nil)
	return registry.Options{
		CertDir: s.ca.dir, RegistriesConf: conf, BlobInfoCacheDir: t.TempDir(), TempDir: t.TempDir(),
		Credentials: &registry.Credentials{Username: registryUser, Password: registryPassword},
	}
}

// signers are those of the recipe.
func (s *site) signers(t *testing.T, sigstore *fakesigstore.Sigstore) []*sign.Signer {
	t.Helper()
	key, err := sign.LoadKey(t.Context(), s.keys.private, func() ([]byte, error) { return []byte(keyPassword), nil })
	if err != nil {
		t.Fatal(err)
	}
	environ := sigstore.Environ()
	keyless, err := sign.NewKeyless(t.Context(), sign.KeylessOptions{
		Fulcio: sigstore.URL, Rekor: sigstore.URL, TrustedRoot: sigstore.Root, Now: time.Now,
		Token: sign.Token(func(name string) (string, bool) { v, ok := environ[name]; return v, ok }),
	})
	if err != nil {
		t.Fatal(err)
	}
	return []*sign.Signer{key, keyless}
}

// pinned is what a tag names.
func (s *site) pinned(t *testing.T, tag string) image.Pinned {
	t.Helper()
	p, err := registry.Resolve(t.Context(), s.name+":"+tag, s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// assertTags fails the test unless these are the tags of images.
func (s *site) assertTags(t *testing.T, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(s.registry.tags(t, s.repository), func(tag string) bool { return strings.HasPrefix(tag, "sha256-") })
	if !slices.Equal(got, want) {
		t.Errorf("the tags are %q, not %q", got, want)
	}
}

// assertNoSecrets fails the test where a text holds what the run was given in
// confidence.
func assertNoSecrets(t *testing.T, sigstore *fakesigstore.Sigstore, texts ...string) {
	t.Helper()
	secrets := map[string]string{
		"the key's password": keyPassword, "the registry's password": registryPassword,
		"the runner's token": sigstore.Environ()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
	}
	for _, text := range texts {
		for name, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in a text that is published", name)
			}
		}
	}
}
