//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/trust"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// smallLayout is an OCI layout of one layer, for one machine, made on a day.
func smallLayout(t testing.TB, arch, created string) *ociLayout {
	t.Helper()
	l := &ociLayout{dir: t.TempDir()}
	put := func(mediaType string, v any) imgspecv1.Descriptor {
		content, ok := v.([]byte)
		if !ok {
			var err error
			if content, err = json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
		d := digest.FromBytes(content)
		write(t, filepath.Join(l.dir, "blobs/sha256", d.Encoded()), content)
		return imgspecv1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
	}
	// Nobody unpacks it.
	layer := put(imgspecv1.MediaTypeImageLayerZstd, bytes.Repeat([]byte(arch+created), 1<<17))
	top := put(imgspecv1.MediaTypeImageManifest, imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest,
		Config: put(imgspecv1.MediaTypeImageConfig, json.RawMessage(fmt.Sprintf(
			`{"os":"linux","architecture":%q,"created":"%sT00:00:00Z","rootfs":{"type":"layers","diff_ids":[%q]}}`, arch, created, layer.Digest))),
		Layers: []imgspecv1.Descriptor{layer},
	})
	l.manifest = top.Digest
	index := put("", imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex, Manifests: []imgspecv1.Descriptor{top},
	})
	text := readBytes(t, filepath.Join(l.dir, "blobs/sha256", index.Digest.Encoded()))
	write(t, filepath.Join(l.dir, "index.json"), text)
	write(t, filepath.Join(l.dir, imgspecv1.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

// TestMoveBetweenRegistries makes an index of two platforms in one registry,
// moves it to another with signatures and attestations, over a line that breaks,
// and deletes there what is old.
func TestMoveBetweenRegistries(t *testing.T) {
	t.Parallel()
	source := newRegistryBed(t, registryConfig{})
	target := newRegistryBed(t, registryConfig{storage: fmt.Sprintf("filesystem: {rootdirectory: %s}, delete: {enabled: true}", t.TempDir())})
	keys := newKeys(t)
	certs := t.TempDir()
	for _, b := range []*registryBed{source, target} {
		write(t, filepath.Join(certs, b.Host+".crt"), readBytes(t, filepath.Join(b.ca.dir, "ca.crt")))
	}
	login := registryUser + ":" + registryPassword
	access := []string{"--quiet", "--creds", login, "--cert-dir", certs}
	do := func(status int, args ...string) outcome {
		t.Helper()
		o := bootkiln(t, append(args, access...)...)
		o.want(t, status)
		return o
	}
	push := func(b *registryBed, arch, created string) string {
		t.Helper()
		p, err := registry.Push(t.Context(), smallLayout(t, arch, created), b.name, b.options(t))
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest.String()
	}
	one := func(status int, b *registryBed, tag string, members ...string) string {
		t.Helper()
		return strings.TrimSpace(do(status, append([]string{"index", "--sign-by", keys.private, b.name + ":" + tag}, members...)...).stdout)
	}
	index := one(0, source, "latest", push(source, "amd64", "2026-02-01"), push(source, "arm64", "2026-02-02"))

	// The line to either registry breaks off once.
	cut := target.Fail(t, faultproxy.Fault{Method: http.MethodPatch, Path: "/blobs/uploads/", Read: 1 << 18, Cut: faultproxy.Reset})
	read := source.Fail(t, faultproxy.Fault{Method: http.MethodGet, Path: "/blobs/", Cut: faultproxy.Truncated})
	copied := strings.TrimSpace(do(0, "copy", "--source-creds", login, "--key", keys.public, source.name+":latest", target.name).stdout)
	if cut() == 0 || read() == 0 {
		t.Error("no line broke")
	}
	if _, want, _ := strings.Cut(index, "@"); !strings.HasSuffix(copied, want) {
		t.Errorf("copied %s, want %s", copied, want)
	}
	// The signatures name the old place; a client whose policy asks for that accepts
	// them, also by tag.
	do(4, "verify", "--key", keys.public, target.name)
	for name, as := range map[string]string{"the old name": source.name, "the new name": ""} {
		dir := t.TempDir()
		policy := trust.Policy{Scope: target.name, Keys: [][]byte{readBytes(t, keys.public)}, SignedAs: as}
		if err := policy.Write(dir, dir); err != nil {
			t.Fatal(err)
		}
		err := (&site{ca: target.ca}).askEngine(t, filepath.Join(dir, "containers/policy.json"), filepath.Join(dir, "containers/registries.d"), target.name+":latest")
		if (err == nil) != (as != "") {
			t.Errorf("the policy engine, which asks for %s: %v", name, err)
		}
	}
	// Signed for the new place, and nothing is sent again.
	target.Forget()
	do(0, "copy", "--source-creds", login, "--sign-by", keys.private, "--tag", "10.1", source.name+":latest", target.name)
	do(0, "verify", "--key", keys.public, target.name+":10.1")
	for _, r := range target.Requests() {
		if r.Method == http.MethodPatch && r.Body > 1<<16 {
			t.Errorf("a layer was sent again: %v", r)
		}
	}

	// An older index that shares the image for arm64, and an older image.
	shared := memberDigests(t, target, copied)[1]
	older := one(0, target, "10.0", push(target, "amd64", "2026-01-01"), shared)
	old := push(target, "amd64", "2025-12-01")
	do(0, "sign", "--key", keys.private, target.name+"@"+old)
	if err := registry.Tag(t.Context(), pinnedAs(target.name, old), "9.0", target.options(t)); err != nil {
		t.Fatal(err)
	}
	rules := []string{"prune", "--keep-last", "1", target.name}
	before := do(0, rules...).stdout
	if !strings.Contains(before, "would be deleted") || !strings.Contains(do(0, "tags", target.name).stdout, "9.0 ") {
		t.Errorf("a dry run says\n%s", before)
	}
	do(0, append(rules, "--yes")...)
	var left []string
	for line := range strings.Lines(do(0, "tags", "--all", target.name).stdout) {
		left = append(left, strings.Fields(line)[0])
	}
	want := []string{"10.1", "latest"}
	for _, d := range append(memberDigests(t, target, copied), digestOf(copied)) {
		want = append(want, signatureTag(digest.Digest(d)))
	}
	// How an index was made is said of it alone.
	want = append(want, attestationTag(digest.Digest(digestOf(copied))))
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	do(0, "verify", "--key", keys.public, target.name)
	do(5, "verify", "--key", keys.public, older)
	if again := do(0, append(rules, "--yes")...).stdout; !strings.Contains(again, "nothing to delete") {
		t.Errorf("a second run says\n%s", again)
	}
	// The other registry deletes nothing, and says so.
	one(0, source, "old", push(source, "amd64", "2025-01-01"))
	refused := do(5, "prune", "--keep-last", "1", "--yes", source.name)
	if !strings.Contains(refused.stderr, "REGISTRY_STORAGE_DELETE_ENABLED=true") {
		t.Errorf("a registry that deletes nothing: %s", refused.stderr)
	}
}

// digestOf is the digest of "repository@digest".
func digestOf(pinned string) string {
	_, d, _ := strings.Cut(pinned, "@")
	return d
}

func pinnedAs(repository, d string) image.Pinned {
	return image.Pinned{Repository: repository, Digest: digest.Digest(d), MediaType: imgspecv1.MediaTypeImageIndex}
}

// memberDigests are the images of an index.
func memberDigests(t *testing.T, b *registryBed, pinned string) (list []string) {
	t.Helper()
	members, err := registry.Members(t.Context(), pinnedAs(b.name, digestOf(pinned)), b.options(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		list = append(list, m.Digest.String())
	}
	return list
}

func readBytes(t testing.TB, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
