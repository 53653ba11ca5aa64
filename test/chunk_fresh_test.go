//go:build e2e

package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
)

// TestPublishFromAFreshMachine publishes an update from a machine that has nothing
// but the recipe: layers that the registry has are neither compressed nor
// written. A repository that lacks them gets them all the same.
func TestPublishFromAFreshMachine(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProject(t)
	publish := func(text, to, says string, args ...string) *chunk.Report {
		t.Helper()
		s.name = s.proxy.host + "/" + to
		p.write(t, `run: [{name: motd, shell: "echo `+text+` > /etc/motd"}]`, s.destination("latest"))
		cmd := command(t, append(s.publishArgs(p), args...)...)
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+t.TempDir())
		cmd.run(t).want(t, 0, says)
		return p.result(t).Chunks
	}
	if first := publish("old", "os/e2e", "is not there yet"); first.Held != 0 {
		t.Errorf("%d layers are left out of the first image", first.Held)
	}

	p.out = filepath.Join(t.TempDir(), "out")
	second := publish("new", "os/e2e", "are left in the registry")
	update := second.Update
	if update.Reused < 50 || update.Layers-update.Reused > 10 || second.Held != update.Reused || second.Reused != second.Held {
		t.Errorf("of %d layers, %d are as they were, %d left where they are", update.Layers, update.Reused, second.Held)
	}
	layout := func() (blobs, layers int) {
		files, err := os.ReadDir(filepath.Join(p.out, "layout/blobs/sha256"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files), len(p.result(t).Chunks.Layers)
	}
	if blobs, layers := layout(); blobs != layers-second.Held+2 {
		t.Errorf("%d blobs in the layout", blobs)
	}
	bootkiln(t, "check", "oci:"+filepath.Join(p.out, "layout")).want(t, 1, "are not in it", "name docker://"+p.result(t).Published[0].Pinned.String()+" instead")
	assertWhole(t, s, p)

	// The same image goes to a repository that has nothing of it.
	elsewhere := publish("new", "os/elsewhere", "lacks layers that were left out", "--resume")
	if blobs, layers := layout(); elsewhere.Held != 0 || blobs != layers+2 {
		t.Errorf("%d of %d layers are left out of what nobody has; %d blobs in the layout", elsewhere.Held, layers, blobs)
	}
	assertWhole(t, s, p)
}

// assertWhole pulls what was published with skopeo, and finds the image in it that
// was cut: its layers give the same layers again.
func assertWhole(t *testing.T, s *site, p *project) {
	t.Helper()
	dir := t.TempDir()
	pulled := filepath.Join(dir, "pulled")
	out, err := exec.Command("skopeo", "copy", "--quiet", "--src-cert-dir", s.ca.dir, "--src-creds", registryUser+":"+registryPassword,
		"docker://"+s.name+":latest", "oci:"+pulled).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	chunkTo(t, filepath.Join(dir, "again"), "", "oci:"+pulled, "--previous", "oci:"+pulled)
	var index imgspecv1.Index
	if err := json.Unmarshal(contentOf(t, filepath.Join(dir, "again/index.json")), &index); err != nil {
		t.Fatal(err)
	}
	if got, want := index.Manifests[0].Digest, p.result(t).Published[0].Digest; got != want || !strings.HasPrefix(want.String(), "sha256:") {
		t.Errorf("what was pulled is %s, and what was published %s", got, want)
	}
}
