//go:build e2e

package test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/build"
)

// build builds the project's recipe.
func (p *project) build(t testing.TB, flags ...string) outcome {
	t.Helper()
	o := bootkiln(t, p.args("build", flags...)...)
	o.want(t, 0)
	return o
}

// The commands do by hand, one by one, what publish does.
func TestCommandsOnABuiltImage(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProject(t)
	p.write(t)
	if o := p.build(t); o.stdout != p.tag+"\n" {
		t.Errorf("build prints %q, want %q", o.stdout, p.tag)
	}

	// Without a key there is no tag.
	o := bootkiln(t, append([]string{"push", "--boot=off", p.tag, s.name + ":latest"}, s.access()...)...)
	o.want(t, 2, "would name an unsigned image", "hint: ")
	o = bootkiln(t, append([]string{"push", "--boot=off", p.tag, s.name}, s.access()...)...)
	o.want(t, 0)
	reference := strings.TrimSpace(o.stdout)
	name, hash, _ := strings.Cut(reference, "@")
	if name != s.name || digest.Digest(hash).Validate() != nil {
		t.Fatalf("push prints %q", o.stdout)
	}
	if tags := s.registry.tags(t, s.repository); len(tags) > 0 {
		t.Errorf("tags %q of an unsigned image", tags)
	}

	s.verify(t, s.keys.public, reference).want(t, 4, "it carries no signature")
	signing := append([]string{"sign", "--key", s.keys.private, reference}, s.access()...)
	bootkiln(t, signing...).want(t, 0)
	s.verify(t, s.keys.public, reference).want(t, 0)
	s.proxy.forget()
	bootkiln(t, signing...).want(t, 0)
	if puts := manifestPuts(s.proxy.forget()); len(puts) > 0 {
		t.Errorf("a second signature was written: %v", puts)
	}

	// The whole transaction, of what is in the registry already.
	o = bootkiln(t, append([]string{
		"push", "--boot=off", "--sign-by", s.keys.private, "--tag", "stable", "--format", "json", p.tag, s.name + ":latest",
	}, s.access()...)...)
	o.want(t, 0)
	requests := s.proxy.forget()
	assertOrder(t, requests, digest.Digest(hash), []string{"stable", "latest"})
	if blobs := s.blobsAgain(t, requests, digest.Digest(hash)); len(blobs) > 0 {
		t.Errorf("blobs were sent that the registry has: %v", blobs)
	}
	var result struct {
		Published []struct {
			Digest           digest.Digest
			Signed, Verified bool
		}
	}
	if err := json.Unmarshal([]byte(o.stdout), &result); err != nil {
		t.Fatalf("push prints %q: %v", o.stdout, err)
	}
	if len(result.Published) != 1 || result.Published[0].Digest.String() != hash || !result.Published[0].Signed || !result.Published[0].Verified {
		t.Errorf("push prints %s", o.stdout)
	}
	s.verify(t, s.keys.public, s.name+":stable").want(t, 0)
}

// findings are what check prints as JSON.
type findings struct {
	Findings []struct{ Rule, Severity, Path, Message string }
	Rules    []struct{ ID, Status string }
}

func checkJSON(t *testing.T, status int, args ...string) findings {
	t.Helper()
	o := bootkiln(t, append([]string{"check", "--format", "json"}, args...)...)
	o.want(t, status)
	var f findings
	if err := json.Unmarshal([]byte(o.stdout), &f); err != nil {
		t.Fatalf("check prints %q: %v", o.stdout, err)
	}
	return f
}

// A folder is judged like the image that it is a copy of.
func TestCheckOfAFolder(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t, `run: [{name: break some rules, shell: "cd /usr/lib/modules/* && rm initramfs.img && mkdir /boot/x && mkfifo /usr/lib/fifo && mkdir /usr/lib/modules/5.5.5"}]`)
	bootkiln(t, p.args("build")...).want(t, 4)
	stored := checkJSON(t, 4, p.tag)
	for _, rule := range []string{"initramfs-missing", "special-files", "nonempty-boot", "stale-modules"} {
		found := false
		for _, f := range stored.Findings {
			found = found || f.Rule == rule
		}
		if !found {
			t.Errorf("rule %s found nothing: %+v", rule, stored.Findings)
		}
	}

	store := machineStore(t)
	image, err := store.Image(p.tag)
	if err != nil {
		t.Fatal(err)
	}
	mounted, err := store.MountImage(image.ID, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := store.UnmountImage(image.ID, true); err != nil {
			t.Error(err)
		}
	})
	folder := t.TempDir()
	if out, err := exec.Command("cp", "--archive", mounted+"/.", folder).CombinedOutput(); err != nil {
		t.Fatalf("copying the image: %v: %s", err, out)
	}
	copied := checkJSON(t, 4, "--rootfs", folder)
	if diff := cmp.Diff(stored.Findings, copied.Findings, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("findings (-image +folder):\n%s", diff)
	}
	for i, r := range copied.Rules {
		want := stored.Rules[i]
		if slices.Contains(configurationRules, r.ID) {
			want.Status = "not-applicable"
		}
		if r != want {
			t.Errorf("rule %+v of the folder, want %+v", r, want)
		}
	}
}

func TestBuildCommandIsolation(t *testing.T) {
	t.Parallel()
	words := map[build.Isolation]string{build.IsolationOCI: "isolation: runc", build.IsolationChroot: "isolation: chroot"}
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			p := newProject(t)
			p.write(t, `run: [{name: work, shell: "id > /usr/lib/ran"}]`)
			o := p.build(t, "--isolation", string(isolation))
			if !strings.Contains(o.stderr, words[isolation]) {
				t.Errorf("it does not say %q:\n%s", words[isolation], o.stderr)
			}
			for _, f := range checkJSON(t, 0, p.tag).Findings {
				if f.Rule != "initramfs-mode" { // the base's own: see warned
					t.Errorf("finding: %+v", f)
				}
			}
		})
	}
}
