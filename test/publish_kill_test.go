//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
		raw := x.named(t, repository, tag)
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

// named returns the manifest that a tag names, nil for one that names none yet:
// this registry lists a tag before it has written what it names, and answers 404,
// or 500 where the file is there and empty.
func (x *transaction) named(t *testing.T, repository, tag string) []byte {
	t.Helper()
	resp, err := x.registry.do(t, http.MethodGet, "/v2/"+repository+"/manifests/"+tag, manifestType("Accept"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusInternalServerError:
		return nil
	default:
		t.Errorf("%s:%s: %s", repository, tag, resp.Status)
		return nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// watch looks at the tags all the time until the returned function is called.
func (x *transaction) watch(t *testing.T, repository string) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				x.whole(t, repository)
			}
		}
	})
	return func() { close(done); wg.Wait() }
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

// TestKilledDuringThePublish kills a publish at ten requests, before, while and
// after the registry did what it was asked for, and resumes it; with a registry
// that keeps an upload whose connection broke, and with one that loses it.
func TestKilledDuringThePublish(t *testing.T) {
	x := newTransaction(t)
	x.Forget()
	x.aim(t)
	bootkiln(t, x.publishing("--resume")...).want(t, 0, "cut already")
	all := len(x.Requests())
	whole := x.sentTo(x.repository)
	if all < 40 || whole == 0 {
		t.Fatalf("%d requests sent %d bytes: this test sees nothing", all, whole)
	}
	// What is signed anew is sent anew.
	signatures := whole - x.layoutSize(t)
	dice := rand.New(rand.NewPCG(7, 7))
	for _, keeps := range []bool{true, false} {
		name := "lost"
		if keeps {
			name = "kept"
		}
		x := &transaction{registryBed: newRegistryBed(t, registryConfig{keeps: keeps}), project: x.project, keys: x.keys}
		for i := range 10 {
			// One of each tenth, so that every part of the way is hit.
			at := all*i/10 + dice.IntN(all/10)
			t.Run(fmt.Sprintf("uploads are %s, at request %d of %d", name, at, all), func(t *testing.T) {
				repository := x.aim(t)
				hit, dead := make(chan struct{}), make(chan struct{})
				x.Mend()
				x.Forget()
				x.Fail(t, faultproxy.Fault{
					Skip: at, Read: []int64{0, 1 << 20, -1}[i%3], Cut: faultproxy.Closed, Then: func() { close(hit); <-dead },
				})
				stop := x.watch(t, repository)
				r := start(t, x.publishing("--resume")...)
				select {
				case <-hit:
				case <-r.ended:
					t.Errorf("it ended before:\n%s", r.said())
				}
				if err := r.Process.Kill(); err != nil {
					t.Error(err)
				}
				r.wait()
				close(dead)
				x.whole(t, repository)

				x.Mend()
				bootkiln(t, x.publishing("--resume")...).want(t, 0, "was built already")
				stop()
				tags := x.whole(t, repository)
				if len(tags) != 2 || tags["latest"] != x.result(t).Published[0].Digest || tags["latest"] != tags["12"] {
					t.Errorf("tags %v", tags)
				}
				// What had arrived is not sent again, and of what was under way nothing, or
				// where the registry lost it, that alone.
				for blob, n := range x.arrived(t, repository) {
					if n > 1 {
						t.Errorf("%s was sent %d times", blob, n)
					}
				}
				most := whole + signatures
				if !keeps {
					most += parallel * x.largest(t)
				}
				if sent := x.sentTo(repository); sent > most {
					t.Errorf("%d bytes were sent, of %d: %+v", sent, whole, x.uploads(repository))
				}
				if _, err := os.Stat(filepath.Join(x.out, "uploads.json")); err == nil {
					t.Error("an upload is still remembered")
				}
			})
		}
	}
}

// parallel is how many blobs are under way at a time.
const parallel = 4

// TestPublishFaultMatrix refuses each step of the transaction once and for all. No
// tag names what is not whole, the status is that of a registry, and the next run
// needs no more than what was missing.
func TestPublishFaultMatrix(t *testing.T) {
	x := newTransaction(t)
	denied := []byte(`{"errors":[{"code":"DENIED","message":"made up"}]}`)
	for _, c := range []struct {
		name         string
		method, path string
		// restart has the registry restarted instead of refusing.
		restart bool
		// tags is how many there are afterwards.
		tags int
	}{
		{"preflight refused", "POST", `/blobs/uploads/$`, false, 0},
		{"manifest refused", "PUT", `/manifests/sha256:`, false, 0},
		{"signature refused", "PUT", `/manifests/sha256-[0-9a-f]+\.sig$`, false, 0},
		{"attestation refused", "PUT", `/manifests/sha256-[0-9a-f]+\.att$`, false, 0},
		{"first tag refused", "PUT", `/manifests/12$`, false, 0},
		{"last tag refused", "PUT", `/manifests/latest$`, false, 1},
		{"restarted before the manifest", "PUT", `/manifests/sha256:`, true, 2},
		{"restarted before the signature", "PUT", `/manifests/sha256-[0-9a-f]+\.sig$`, true, 2},
		{"restarted before the attestation", "PUT", `/manifests/sha256-[0-9a-f]+\.att$`, true, 2},
		{"restarted before the tag", "PUT", `/manifests/12$`, true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository := x.aim(t)
			x.Mend()
			x.Forget()
			fault := faultproxy.Fault{Method: c.method, Path: c.path, Status: http.StatusForbidden, Body: denied, Times: -1}
			if c.restart {
				fault = faultproxy.Fault{Method: c.method, Path: c.path, Cut: faultproxy.Reset, Then: func() { x.registry.restart(t) }}
			}
			x.Fail(t, fault)
			stop := func() {}
			if !c.restart { // a watcher cannot look into a registry that is down
				stop = x.watch(t, repository)
			}
			o := bootkiln(t, x.publishing("--resume")...)
			stop()
			if c.restart {
				o.want(t, 0)
			} else {
				o.want(t, 5, "the login has no right to do this", "hint: ")
			}
			if tags := x.whole(t, repository); len(tags) != c.tags {
				t.Errorf("tags %v", tags)
			}
			x.Mend()
			x.Forget()
			bootkiln(t, x.publishing("--resume")...).want(t, 0)
			if tags := x.whole(t, repository); len(tags) != 2 {
				t.Errorf("tags %v", tags)
			}
			if sent := x.sentTo(repository); c.name != "preflight refused" && sent > 1<<20 {
				t.Errorf("%d bytes were sent again", sent) // those of a signature may be
			}
		})
	}
}

// TestPublishToSeveralTargets has one that fails, and places that are no registry.
func TestPublishToSeveralTargets(t *testing.T) {
	x := newTransaction(t)
	places := t.TempDir()
	name := "localhost/bootkiln/" + x.mark + "-copy"
	repository := x.aim(t,
		"  - {to: "+x.Host+"/os/mirror}",
		fmt.Sprintf("  - {to: %q, tags: [\"{version}\"]}", "oci-archive:"+places+"/image-{version}.tar"),
		fmt.Sprintf("  - {to: %q}", "docker-archive:"+places+"/docker.tar"),
		fmt.Sprintf("  - {to: %q}", "oci:"+places+"/layout"),
		fmt.Sprintf("  - {to: %q}", "containers-storage:"+name))
	t.Cleanup(func() {
		if _, err := machineStore(t).DeleteImage(name+":latest", true); err != nil {
			t.Error(err)
		}
	})
	x.Fail(t, faultproxy.Fault{Method: "PUT", Path: "/v2/" + repository + "/manifests/sha256:", Status: 403, Times: -1})
	o := bootkiln(t, x.publishing("--resume")...)
	o.want(t, 5, "1 of 6 targets failed: "+x.Host+"/"+repository)
	result := x.result(t)
	if p := result.Published; len(p) != 6 || p[0].Error == "" || p[1].Error != "" || !p[1].Verified || p[2].Digest != p[1].Digest || p[4].Digest != p[1].Digest {
		t.Errorf("%+v", p)
	}
	if tags := x.whole(t, "os/mirror"); len(tags) != 1 {
		t.Errorf("the mirror has %v", tags)
	}
	for _, place := range []string{"oci-archive:" + places + "/image-12.tar", "docker-archive:" + places + "/docker.tar", "oci:" + places + "/layout", name} {
		bootkiln(t, "check", place).want(t, 0)
	}
	x.Mend()
	x.Forget()
	o = bootkiln(t, x.publishing("--resume", "--if-changed")...)
	o.want(t, 0, "os/mirror:latest names ", ", which is this image: nothing is written")
	if !strings.Contains(o.stdout, "bootc switch --enforce-container-sigpolicy "+x.Host+"/"+repository+":latest") {
		t.Errorf("it prints:\n%s", o.stdout)
	}
	if p := x.result(t).Published; p[0].Unchanged || !p[1].Unchanged {
		t.Errorf("%+v", p)
	}
	if sent := x.sentTo("os/mirror"); sent != 0 {
		t.Errorf("%d bytes were sent to the mirror again", sent)
	}

	// A recipe of another image is one.
	recipe, err := os.ReadFile(x.recipe())
	if err != nil {
		t.Fatal(err)
	}
	write(t, x.recipe(), bytes.Replace(recipe, []byte("of a test"), []byte("of another"), 1))
	bootkiln(t, x.publishing("--resume")...).want(t, 3, "changed-recipe", "publish without --resume")
	if err := os.Remove(filepath.Join(x.out, "journal.json")); err != nil {
		t.Fatal(err)
	}
	bootkiln(t, x.publishing("--resume")...).want(t, 2, "reading journal", "publish without --resume")
}
