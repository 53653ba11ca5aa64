//go:build e2e

package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// traces are what a run of bootkiln has on the machine beside finished images.
type traces struct {
	id         string   // of the build; it is in the names of containers and control groups
	files      []string // the folders of the build and of the push, and open files
	containers []string // IDs of working containers
	layers     []string // IDs of their layers; they are in the paths of mounts
}

// traces looks up what a living run has.
func (r *running) traces(t testing.TB) traces {
	t.Helper()
	store := machineStore(t)
	var found traces
	for _, fd := range glob(t, fmt.Sprintf("/proc/%d/fd/*", r.Process.Pid)) {
		file, err := os.Readlink(fd)
		if err != nil {
			continue // closed by now
		}
		if id, ok := strings.CutPrefix(file, filepath.Join(store.GraphRoot(), "bootkiln", "run-")); ok {
			found.id, _, _ = strings.Cut(id, "/")
			found.files = append(found.files, strings.TrimSuffix(file, id)+found.id)
		}
		if strings.HasPrefix(file, "/var/tmp/") {
			found.files = append(found.files, file)
		}
	}
	slices.Sort(found.files)
	found.files = slices.Compact(found.files)
	if len(found.files) == 0 {
		t.Fatalf("no folder of the run was found:\n%s", r.said())
	}
	if found.id == "" {
		return found
	}
	containers, err := store.Containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if strings.Contains(strings.Join(c.Names, " "), found.id) {
			found.containers = append(found.containers, c.ID)
			found.layers = append(found.layers, c.LayerID)
		}
	}
	if len(found.containers) == 0 {
		t.Errorf("no working container of the build %q was found", found.id)
	}
	return found
}

// left returns those that are there still, or again.
func (tr traces) left(t testing.TB) []string {
	t.Helper()
	store := machineStore(t)
	var left []string
	for _, file := range tr.files {
		if _, err := os.Stat(file); err == nil {
			left = append(left, "file "+file)
		}
	}
	containers, err := store.Containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if slices.Contains(tr.containers, c.ID) || tr.id != "" && strings.Contains(strings.Join(c.Names, " "), tr.id) {
			left = append(left, fmt.Sprint("container ", c.Names))
		}
	}
	for _, layer := range tr.layers {
		if store.Exists(layer) {
			left = append(left, "layer "+layer)
		}
		for _, mount := range mountsBelow(t, filepath.Dir(store.GraphRoot())) {
			if strings.Contains(mount, layer) {
				left = append(left, "mount "+mount)
			}
		}
	}
	if tr.id != "" {
		for _, pattern := range []string{"/sys/fs/cgroup/bootkiln-", "/sys/fs/cgroup/*/bootkiln-"} {
			for _, group := range glob(t, pattern+tr.id) {
				left = append(left, "control group "+group)
			}
		}
	}
	return left
}

// assertGone fails the test if anything is left.
func (tr traces) assertGone(t testing.TB) {
	t.Helper()
	for _, what := range tr.left(t) {
		t.Errorf("%s is left", what)
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// writeSleeper writes a recipe with two steps: one that ends, and one that says
// "asleep" and does not. Its process is named p.sleeper(), and so is one that it
// sent to the background.
func (p *project) writeSleeper(t testing.TB, more string) {
	t.Helper()
	write(t, filepath.Join(p.dir, "sleep.sh"), fmt.Appendf(nil, `
setsid bash -c 'exec -a %[1]s sleep 100000' >/dev/null 2>&1 &
exec -a %[1]s bash -c 'echo asleep; sleep 100000; :'
`, p.sleeper()))
	p.write(t, `run:
  - {name: work, shell: "echo done > /usr/lib/first-step"}
  - {name: sleep, script: sleep.sh}`, more)
}

func (p *project) sleeper() string { return "sleeper-" + p.mark }

// writeAwake writes the same without the step that does not end.
func (p *project) writeAwake(t testing.TB, more string) {
	t.Helper()
	p.write(t, `run:
  - {name: work, shell: "echo done > /usr/lib/first-step"}`, more)
}

func TestInterruptedDuringAStep(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, isolation := range isolations {
			t.Run(signal.String()+" "+string(isolation), func(t *testing.T) {
				p := newProject(t)
				p.writeSleeper(t, "")
				r := start(t, p.args("build", "--isolation", string(isolation))...)
				r.until(t, "| asleep")
				if len(processes(t, p.sleeper())) == 0 {
					t.Error("the step's process was not seen: this test sees nothing")
				}
				begun := r.traces(t)
				if err := r.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if status := r.wait(); status != 130 {
					t.Errorf("exit status %d, want 130\n%s", status, r.said())
				}
				if !strings.Contains(r.said(), "bootkiln: interrupted") {
					t.Errorf("it does not say why it ends:\n%s", r.said())
				}
				if left := processes(t, p.sleeper()); len(left) > 0 {
					t.Errorf("processes are left: %v", left)
				}
				begun.assertGone(t)
				assertEmpty(t, r.tmp)
				if result := p.result(t); result.Error == "" {
					t.Errorf("result.json: %+v", result)
				}
			})
		}
	}
}

// TestKilledDuringAStep runs alone, as the next test does: any build on the machine
// removes what is left here.
func TestKilledDuringAStep(t *testing.T) {
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			p := newProject(t)
			p.writeSleeper(t, "")
			r := start(t, p.args("build", "--isolation", string(isolation))...)
			r.until(t, "| asleep")
			begun := r.traces(t)
			if err := r.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			r.wait()
			if len(begun.left(t)) == 0 {
				t.Error("nothing was left to be cleaned up: this test sees nothing")
			}

			p.writeAwake(t, "")
			o := bootkiln(t, p.args("build", "--isolation", string(isolation))...)
			o.want(t, 0, "Using cache")
			if left := processes(t, p.sleeper()); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
			begun.assertGone(t)
			assertEmpty(t, r.tmp)
			bootkiln(t, "check", p.tag).want(t, 0)
		})
	}
}

func TestKilledDuringThePush(t *testing.T) {
	s, p := newSite(t), newProject(t)
	// Layers that are cut lie in the output folder; others wait in a folder of the
	// run's own.
	p.writeAwake(t, "chunk: off\n"+s.destination(`"{version}"`, "latest"))
	// The first blob hangs; others may arrive before the end.
	hanging := make(chan struct{})
	var once sync.Once
	s.proxy.setStall(func(req *http.Request) bool {
		hang := false
		if req.Method == http.MethodPatch {
			once.Do(func() { hang = true })
		}
		if hang {
			close(hanging)
		}
		return hang
	})
	r := start(t, s.publishArgs(p)...)
	select {
	case <-hanging:
	case <-r.ended:
		t.Fatalf("bootkiln ended before it sent a blob:\n%s", r.said())
	}
	begun := r.traces(t)
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.wait()
	if len(begun.left(t)) == 0 {
		t.Error("nothing was left to be cleaned up: this test sees nothing")
	}
	if tags := s.registry.tags(t, s.repository); len(tags) > 0 {
		t.Errorf("tags after the kill: %q", tags)
	}

	s.proxy.setStall(nil)
	s.proxy.forget()
	s.publish(t, p).want(t, 0, "Using cache")
	begun.assertGone(t)
	assertEmpty(t, r.tmp)
	done := p.result(t).Published[0]
	assertOrder(t, s.proxy.forget(), done.Digest, []string{"12", "latest"})
	s.verify(t, s.keys.public, s.name+":latest").want(t, 0)
	s.assertContent(t, done.Digest)
}
