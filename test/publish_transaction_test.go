//go:build e2e

package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// transaction is a project that was built and published once, so that each further
// publish is the transaction alone: it resumes that run, with another target.
type transaction struct {
	*registryBed
	*project
	keys keys
	n    int
}

func newTransaction(t *testing.T) *transaction {
	t.Helper()
	x := &transaction{registryBed: newRegistryBed(t, registryConfig{}), project: newProject(t), keys: newKeys(t)}
	x.aim(t)
	bootkiln(t, x.publishing()...).want(t, 0)
	return x
}

// aim has the recipe name a repository that there is not yet, and returns it.
func (x *transaction) aim(t *testing.T, more ...string) string {
	t.Helper()
	x.n++
	x.repository = fmt.Sprintf("os/e2e-%d", x.n)
	x.project.write(t, append([]string{
		"chunk: {layers: 8}", "boot: off", "sign: {key: " + x.keys.private + "}",
		fmt.Sprintf("publish:\n  - {to: %s/%s, tags: [latest, \"{version}\"]}", x.Host, x.repository),
	}, more...)...)
	return x.repository
}

func (x *transaction) publishing(more ...string) []string {
	return x.args("publish", append([]string{"--cert-dir", x.ca.dir, "--creds", registryUser + ":" + registryPassword}, more...)...)
}

// whole fails the test unless each tag of the repository names an image that is
// there with all its blobs, signed and attested. It returns the tags.
func (x *transaction) whole(t *testing.T, repository string) map[string]digest.Digest {
	t.Helper()
	tags := map[string]digest.Digest{}
	for _, tag := range x.registry.tags(t, repository) {
		if strings.HasPrefix(tag, "sha256-") {
			continue
		}
		raw := x.registry.named(t, repository, tag)
		if raw == nil {
			continue
		}
		tags[tag] = digest.FromBytes(raw)
		var m imgspecv1.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Errorf("%s:%s: %v", repository, tag, err)
		}
		for _, beside := range []string{".sig", ".att"} {
			if !x.registry.has(t, repository, "sha256-"+tags[tag].Encoded()+beside) {
				t.Errorf("%s:%s has no %s", repository, tag, beside)
			}
		}
		for _, b := range append(m.Layers, m.Config) {
			resp, err := x.registry.do(t, http.MethodHead, "/v2/"+repository+"/blobs/"+b.Digest.String(), nil, nil)
			if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != b.Size {
				t.Errorf("%s:%s lacks %s: %v", repository, tag, b.Digest, err)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	}
	return tags
}

// watch looks at the tags all the time until the returned function is called.
func (x *transaction) watch(t *testing.T, repository string) (stop func()) {
	t.Helper()
	return again(50*time.Millisecond, func() { x.whole(t, repository) })
}

// largest is the size of the largest blob of the layout.
func (x *transaction) largest(t *testing.T) (n int64) {
	t.Helper()
	blobs, err := os.ReadDir(filepath.Join(x.out, "layout", "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		n = max(n, info.Size())
	}
	return n
}

// layoutSize is what a push sends of the layout that sends everything once.
func (x *transaction) layoutSize(t *testing.T) (n int64) {
	t.Helper()
	var m imgspecv1.Manifest
	if err := json.Unmarshal(x.registry.manifest(t, x.repository, "latest"), &m); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(m.Layers, m.Config) {
		n += b.Size
	}
	return n
}

// sentTo is how many bytes of blobs were sent to a repository since the last
// Forget.
func (x *transaction) sentTo(repository string) int64 {
	return x.Sent(http.MethodPatch, "/v2/"+repository+"/blobs/uploads/")
}

// uploads are the requests for uploads to a repository.
func (x *transaction) uploads(repository string) []faultproxy.Request {
	return slices.DeleteFunc(x.Requests(), func(r faultproxy.Request) bool {
		return !strings.HasPrefix(r.Path, "/v2/"+repository+"/blobs/uploads/")
	})
}

// arrived counts how often the registry took each blob of a repository.
func (x *transaction) arrived(t *testing.T, repository string) map[string]int {
	t.Helper()
	blobs := map[string]int{}
	for _, r := range x.uploads(repository) {
		if r.Method != http.MethodPut || r.Status != http.StatusCreated {
			continue
		}
		query, err := url.ParseQuery(r.Query)
		if err != nil {
			t.Error(err)
		}
		blobs[query.Get("digest")]++
	}
	if len(blobs) < 8 {
		t.Errorf("only %d blobs were seen: this test sees nothing", len(blobs))
	}
	return blobs
}
