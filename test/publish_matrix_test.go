//go:build e2e

package test

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// TestTransaction is of one image, which goes to many repositories.
func TestTransaction(t *testing.T) {
	t.Parallel()
	x := newTransaction(t)
	t.Run("refused", x.testRefused)
	t.Run("first publish", x.testFirst)
	t.Run("without tags", x.testWithoutTags)
	t.Run("beside another", x.testBesideAnother)
}

// testRefused refuses each step of the transaction once and for all. No tag names
// what is not whole, the status is that of a registry, and the next run needs no
// more than what was missing.
func (x *transaction) testRefused(t *testing.T) {
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
	t.Parallel()
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
	for place, foreign := range map[string]string{
		"oci-archive:" + places + "/image-12.tar": "", "docker-archive:" + places + "/docker.tar": "", "oci:" + places + "/layout": "",
		name: "containers-storage:" + name + ":latest",
	} {
		bootkiln(t, "check", place).want(t, 0)
		// Debian's skopeo reads all of it.
		skopeo(t, "copy", "--quiet", cmp.Or(foreign, place), "dir:"+t.TempDir())
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
