//go:build e2e

package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// site is where a test publishes to: a registry behind a recording proxy.
type site struct {
	registry *dockerRegistry
	proxy    *recordingProxy
	ca       *authority
	keys     keys
	// repository is the path in the registry, and name the same with the
	// proxy's address before it.
	repository, name string
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{ca: newAuthority(t), keys: newKeys(t), repository: "os/e2e"}
	s.registry = startRegistry(t, s.ca)
	s.proxy = startProxy(t, s.registry)
	s.name = s.proxy.host + "/" + s.repository
	return s
}

// access are the flags that a command needs to reach the registry.
func (s *site) access() []string {
	return []string{"--cert-dir", s.ca.dir, "--creds", registryUser + ":" + registryPassword}
}

// destination are the lines of a recipe that say where its image goes.
func (s *site) destination(tags ...string) string {
	return "sign: {key: " + s.keys.private + "}\npublish: [{to: " + s.name + ", tags: [" + strings.Join(tags, ", ") + "]}]"
}

func (s *site) publishArgs(p *project) []string {
	return p.args("publish", append(s.access(), "--boot=off")...)
}

func (s *site) publish(t testing.TB, p *project) outcome {
	t.Helper()
	return bootkiln(t, s.publishArgs(p)...)
}

// verify asks bootkiln with that public key.
func (s *site) verify(t testing.TB, key, reference string) outcome {
	t.Helper()
	return bootkiln(t, append([]string{"verify", "--key", key, reference}, s.access()...)...)
}

func TestPublish(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProject(t)
	p.write(t,
		`run: [{name: motd, shell: "echo of a run step > /etc/motd"}]`,
		s.destination("latest", `"{version}"`, `"{date}-{time}"`))
	s.publish(t, p).want(t, 0, "build: isolation: ", "tag: done")

	result := p.result(t)
	if len(result.Published) != 1 {
		t.Fatalf("result.json: %+v", result)
	}
	done := result.Published[0]
	if !done.Signed || !done.Verified || done.Repository != s.name || result.Error != "" ||
		done.MediaType != imgspecv1.MediaTypeImageManifest || result.Checks == nil || result.Checks.Errors != 0 {
		t.Errorf("result.json: %+v", result)
	}
	var stages []string
	for _, stage := range result.Stages {
		stages = append(stages, stage.Name)
	}
	if diff := cmp.Diff([]string{"plan", "preflight", "build", "check", "boot", "describe", "chunk", "push", "sign", "attest", "verify", "tag"}, stages); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	tags := done.Tags
	if len(tags) != 3 || tags[2] != "latest" {
		t.Fatalf("tags %q, want three, the floating one last", tags)
	}
	first := s.proxy.forget()
	t.Run("order", func(t *testing.T) { assertOrder(t, first, done.Digest, tags) })
	t.Run("content", func(t *testing.T) { s.assertContent(t, done.Digest) })
	t.Run("signature", func(t *testing.T) { s.assertSignature(t, done.Digest) })
	t.Run("again", func(t *testing.T) {
		s.publish(t, p).want(t, 0)
		again := p.result(t).Published[0]
		if again.Digest != done.Digest {
			t.Errorf("the same recipe gave %s, and then %s", done.Digest, again.Digest)
		}
		requests := s.proxy.forget()
		// How it came to be is told anew.
		if blobs := s.blobsAgain(t, requests, done.Digest); len(blobs) > 0 {
			t.Errorf("blobs were sent that the registry has: %v", blobs)
		}
		// Tags that name it already are not written again.
		assertOrder(t, requests, again.Digest, again.Tags[:1])
		if len(s.blobsAgain(t, first, done.Digest)) == 0 {
			t.Error("the first publish sent no blob: this test sees nothing")
		}
	})
}

// assertOrder fails the test unless no tag was written before the image and its
// signature were there, and the tags in that order.
func assertOrder(t *testing.T, requests []recordedRequest, d digest.Digest, tags []string) {
	t.Helper()
	var written []string
	for _, put := range manifestPuts(requests) {
		if put.status != http.StatusCreated {
			t.Errorf("%s %s: status %d", put.method, put.path, put.status)
		}
		_, name := put.kind()
		switch {
		case name == d.String():
			if len(written) > 0 {
				t.Errorf("the image was pushed after the tags %q", written)
			}
		case name == signatureTag(d), name == attestationTag(d):
			if len(written) > 0 {
				t.Errorf("%s was written after the tags %q", name, written)
			}
		default:
			if put.content != d {
				t.Errorf("tag %q was put on %s, which is not the image", name, put.content)
			}
			if !put.signed {
				t.Errorf("tag %q was written while the image had no signature", name)
			}
			written = append(written, name)
		}
	}
	if diff := cmp.Diff(tags, written); diff != "" {
		t.Errorf("tags as written (-want +got):\n%s", diff)
	}
}

// assertContent reads all that the registry has of the image.
func (s *site) assertContent(t *testing.T, d digest.Digest) {
	t.Helper()
	for _, reference := range append(s.registry.tags(t, s.repository), d.String()) {
		if strings.HasSuffix(reference, ".sig") || strings.HasSuffix(reference, ".att") {
			continue
		}
		if got := digest.FromBytes(s.registry.manifest(t, s.repository, reference)); got != d {
			t.Errorf("%s is %s, want %s", reference, got, d)
		}
	}
	var m imgspecv1.Manifest
	if err := json.Unmarshal(s.registry.manifest(t, s.repository, d.String()), &m); err != nil {
		t.Fatal(err)
	}
	if m.MediaType != imgspecv1.MediaTypeImageManifest || m.Config.MediaType != imgspecv1.MediaTypeImageConfig {
		t.Errorf("media types %q and %q are not OCI's", m.MediaType, m.Config.MediaType)
	}
	if len(m.Layers) < 3 {
		t.Errorf("%d layers, want those of the base and one for each step", len(m.Layers))
	}
	for _, layer := range m.Layers {
		content := readAll(t, s.registry.blob(t, s.repository, layer.Digest.String()))
		if layer.MediaType != imgspecv1.MediaTypeImageLayerZstd || !bytes.HasPrefix(content, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
			t.Errorf("layer %s is %q and begins with %x: not zstd", layer.Digest, layer.MediaType, content[:4])
		}
		if int64(len(content)) != layer.Size || digest.FromBytes(content) != layer.Digest {
			t.Errorf("layer %s does not hold what the manifest says", layer.Digest)
		}
	}
}

// assertSignature asks bootkiln, the policy engine with a policy written by
// hand, and openssl, which knows nothing of containers. (Debian's skopeo has
// signatures of this kind compiled out.)
func (s *site) assertSignature(t *testing.T, d digest.Digest) {
	t.Helper()
	other := newKeys(t)
	// The same image but for an annotation: once without a signature, and once
	// with that of the other one.
	var m map[string]any
	if err := json.Unmarshal(s.registry.manifest(t, s.repository, d.String()), &m); err != nil {
		t.Fatal(err)
	}
	variant := func(tag string) digest.Digest {
		t.Helper()
		m["annotations"] = map[string]string{"variant": tag}
		content, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		s.registry.putManifest(t, s.repository, tag, content)
		return digest.FromBytes(content)
	}
	unsigned, tampered := variant("unsigned"), variant("tampered")
	s.registry.putManifest(t, s.repository, signatureTag(tampered), s.registry.manifest(t, s.repository, signatureTag(d)))

	for _, c := range []struct {
		name, key string
		digest    digest.Digest
		status    int
		says      string
	}{
		{"signed", s.keys.public, d, 0, ""},
		{"another key", other.public, d, 4, "none of its signatures was made with an accepted key"},
		{"unsigned", s.keys.public, unsigned, 4, "it carries no signature"},
		{"tampered", s.keys.public, tampered, 4, "its content is not what was signed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reference := s.name + "@" + c.digest.String()
			o := s.verify(t, c.key, reference)
			o.want(t, c.status, c.says)
			if got, _, _ := strings.Cut(o.stdout, "\n"); (got == reference) != (c.status == 0) {
				t.Errorf("verify prints %q", got)
			}
			policy, registries := s.writePolicy(t, c.key)
			if err := s.askEngine(t, policy, registries, reference); (err == nil) != (c.status == 0) {
				t.Errorf("the policy engine says: %v", err)
			}
		})
	}

	openssl := exec.Command("openssl", "dgst", "-sha256", "-verify", s.keys.public, "-signature")
	payload := s.signature(t, d, openssl)
	if out, err := openssl.CombinedOutput(); err != nil {
		t.Errorf("openssl says: %v: %s", err, out)
	}
	want := signedPayload{}
	want.Critical.Type = "cosign container image signature"
	want.Critical.Image.Digest = d
	want.Critical.Identity.Reference = s.name
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Errorf("what was signed (-want +got):\n%s", diff)
	}
}

// signedPayload is what a signature is of, as containers-signature(5) has it.
type signedPayload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// signature reads the one signature of the image. The command gets its file and
// that of the payload as further arguments.
func (s *site) signature(t *testing.T, d digest.Digest, verifier *exec.Cmd) signedPayload {
	t.Helper()
	var m imgspecv1.Manifest
	if err := json.Unmarshal(s.registry.manifest(t, s.repository, signatureTag(d)), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Layers) != 1 {
		t.Fatalf("%d signatures, want one", len(m.Layers))
	}
	signed := readAll(t, s.registry.blob(t, s.repository, m.Layers[0].Digest.String()))
	raw, err := base64.StdEncoding.DecodeString(m.Layers[0].Annotations["dev.cosignproject.cosign/signature"])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "signature"), filepath.Join(dir, "payload")}
	write(t, files[0], raw)
	write(t, files[1], signed)
	verifier.Args = append(verifier.Args, files...)
	var payload signedPayload
	if err := json.Unmarshal(signed, &payload); err != nil {
		t.Fatal(err)
	}
	return payload
}

// writePolicy writes what containers-policy.json(5) and
// containers-registries.d(5) ask of a machine that accepts that key alone.
func (s *site) writePolicy(t *testing.T, key string) (policy, registries string) {
	t.Helper()
	dir := t.TempDir()
	policy, registries = filepath.Join(dir, "policy.json"), filepath.Join(dir, "registries.d")
	content, err := json.Marshal(map[string]any{
		"default": []any{map[string]any{"type": "reject"}},
		"transports": map[string]any{"docker": map[string]any{s.name: []any{map[string]any{
			"type": "sigstoreSigned", "keyPath": key, "signedIdentity": map[string]any{"type": "matchRepository"},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, policy, content)
	write(t, filepath.Join(registries, "e2e.yaml"), []byte("docker:\n  "+s.proxy.host+": {use-sigstore-attachments: true}\n"))
	return policy, registries
}

// askEngine asks the policy engine of containers/image as podman does.
func (s *site) askEngine(t *testing.T, policyFile, registries, reference string) error {
	t.Helper()
	policy, err := signature.NewPolicyFromFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := signature.NewPolicyContext(policy)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Destroy(); err != nil {
			t.Error(err)
		}
	}()
	ref, err := docker.ParseReference("//" + reference)
	if err != nil {
		t.Fatal(err)
	}
	src, err := ref.NewImageSource(t.Context(), &types.SystemContext{
		RegistriesDirPath: registries, DockerCertPath: s.ca.dir,
		DockerAuthConfig: &types.DockerAuthConfig{Username: registryUser, Password: registryPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	allowed, err := engine.IsRunningImageAllowed(t.Context(), image.UnparsedInstance(src, nil))
	if allowed != (err == nil) {
		t.Errorf("the engine allows %v, and says %v", allowed, err)
	}
	return err
}
