//go:build e2e

package test

import (
	"crypto/rand"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
)

// stored puts a specimen into the machine's store, until the end of the test.
func stored(t *testing.T, config *imgspecv1.Image, s *specimen) (name string) {
	t.Helper()
	mark := "e2e-" + strings.ToLower(rand.Text())
	name = "localhost/bootkiln/" + mark + ":latest"
	tool(t, nil, "buildah", "from", "--pull-never", "--name", mark, debianBase)
	defer tool(t, nil, "buildah", "rm", mark)
	dir, err := exec.CommandContext(t.Context(), "buildah", "mount", mark).Output()
	if err != nil {
		t.Fatal(err)
	}
	s.mutate(mutantIn(t, config, strings.TrimSpace(string(dir))))
	tool(t, nil, "buildah", "unmount", mark)
	tool(t, nil, "buildah", "commit", "--quiet", "--format", "oci", mark, name)
	t.Cleanup(func() {
		if _, err := machineStore(t).DeleteImage(name, true); err != nil {
			t.Errorf("removing image %q: %v", name, err)
		}
	})
	return name
}

// gated are the specimens that every run tries to publish: one that the checks
// refuse, one that cannot even be tried, and one that only a boot refuses.
var gated = []string{"no initramfs", "no ostree-prepare-root", "a kernel argument without which there is no initramfs"}

// TestBootGate publishes and pushes images that do not boot, which no tag ever
// names. One that comes into a registry in another way boots from there no more
// than from here.
func TestBootGate(t *testing.T) {
	t.Parallel()
	_, config := debian(t)
	site := newSite(t)
	for i := range corpus {
		s := &corpus[i]
		if s.bootable() || *matrixFile == "" && !slices.Contains(gated, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			name, p := stored(t, config, s), newProject(t)
			write(t, p.recipe(), []byte("version: 1\nname: e2e\nbase: {image: \"containers-storage:"+name+"\"}\n"+
				"kernel: {initramfs: never}\nfiles:\n  - {content: x, destination: /usr/lib/"+p.mark+"/file}\n"+
				"boot: {mode: ostree}\n"+site.destination("latest")+"\n"))
			words := append([]string{"check: failed"}, s.rules...)
			if len(s.rules) == 0 {
				words = []string{"check: done", "boot: failed", s.ostree.Summary()}
			}
			bootkiln(t, p.args("publish", site.access()...)...).want(t, 4, append(words, "build: done")...)
			if r := p.result(t); len(r.Published) > 0 || r.Error == "" {
				t.Errorf("result.json: %+v", r)
			}
			bootkiln(t, append([]string{"push", "--sign-by", site.keys.private, name, site.name + ":latest"}, site.access()...)...).want(t, 4, words...)
			if tags := site.registry.tags(t, site.repository); len(tags) > 0 {
				t.Errorf("the registry has the tags %q", tags)
			}
			if puts := manifestPuts(site.proxy.forget()); len(puts) > 0 {
				t.Errorf("manifests were sent: %v", puts)
			}
		})
	}
}

// TestBootOfWhatWasPulled boots an image from the registry that it was pushed
// to, by its digest, as bootc would deploy it, and finds what was found before.
func TestBootOfWhatWasPulled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	o := bootkiln(t, append([]string{"push", "--sign-by", s.keys.private, "--format", "json", debianBase, s.name + ":latest"}, s.access()...)...)
	o.want(t, 0, "boot: done", "tag: done")
	var pushed pipeline.Result
	if err := json.Unmarshal([]byte(o.stdout), &pushed); err != nil {
		t.Fatal(err)
	}
	if pushed.Boot == nil || pushed.Boot.Verdict != boot.Booted {
		t.Fatalf("boot of what was built: %+v", pushed.Boot)
	}
	out := t.TempDir()
	pulled := s.boot(t, 0, pushed.Published[0].Pinned.String(), "--expect-active", "dbus.service", "--out", out)
	wantBase(t, pulled, disk.OSTree, "graphical.target", out)
	if pulled.Verdict != pushed.Boot.Verdict || pulled.Mode != pushed.Boot.Mode || pulled.Target != pushed.Boot.Target {
		t.Errorf("boot of what was built: %+v\nof what was pulled: %+v", pushed.Boot, pulled)
	}
	t.Logf("%s, %s: %.0f s as it was built, %.0f s as it was pulled", pulled.Verdict, pulled.Mode, pushed.Boot.Seconds, pulled.Seconds)

	_, config := debian(t)
	i := slices.IndexFunc(corpus, func(s specimen) bool { return s.name == "no ostree-prepare-root" })
	bad := stored(t, config, &corpus[i])
	copyImage(t, "containers-storage:"+bad, "docker://"+s.registry.host+"/os/bad:unsigned", s.registry.access())
	here := bootkiln(t, "boot", "--mode", "ostree", "--format", "json", bad)
	here.want(t, 4)
	var built boot.Result
	if err := json.Unmarshal([]byte(here.stdout), &built); err != nil {
		t.Fatal(err)
	}
	there := s.boot(t, 4, s.proxy.host+"/os/bad:unsigned", "--mode", "ostree")
	if built.Failure.Class != there.Failure.Class || built.Failure.Explanation != there.Failure.Explanation {
		t.Errorf("failure as it was built: %+v\nas it was pulled: %+v", built.Failure, there.Failure)
	}
}

// boot boots an image of the registry.
func (s *site) boot(t *testing.T, status int, reference string, more ...string) boot.Result {
	t.Helper()
	args := append([]string{"boot", "--format", "json", "docker://" + reference}, more...)
	o := bootkiln(t, append(args, s.access()...)...)
	o.want(t, status)
	var r boot.Result
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}
