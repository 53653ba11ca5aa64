//go:build e2e

package test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"go.podman.io/storage"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
)

// sleeper returns a Containerfile whose step starts processes with mark in
// their command lines, one of them detached, says "sleeping", and never ends.
func sleeper(mark string) *containerfile.File {
	return containerFile(
		"RUN echo kept > /etc/kept",
		fmt.Sprintf("RUN setsid nohup sh -c 'sleep 100000; echo %[1]s' >/dev/null 2>&1 & echo sleeping; sh -c 'sleep 100000; echo %[1]s'", mark),
	)
}

func TestBuildIsStopped(t *testing.T) {
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			mark := "mark-" + rand.Text()
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("the user wants to go home")
			rec := newRecorder()
			var running []string
			rec.seen = func(line string) {
				if line == "sleeping" {
					running = processes(t, mark)
					s.noteRuns(t)
					cancel(why)
				}
			}
			_, err := b.Build(ctx, sleeper(mark), build.Options{Isolation: isolation, Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
			if !errors.Is(err, why) {
				t.Errorf("error = %v, want the cause", err)
			}
			if len(running) == 0 || len(s.runs) != 1 {
				t.Errorf("while the step ran, processes %v and builds %v were seen", running, s.runs)
			}
			s.assertClean(t, mark)
			// The store works, and keeps what was done.
			again := mustBuild(t, b, containerFile("RUN echo kept > /etc/kept"), build.Options{Isolation: isolation})
			if !strings.Contains(again.text(), "Using cache") {
				t.Errorf("the finished step was lost:\n%s", again.text())
			}
		})
	}
}

func TestBuildIsStoppedBeforeItBegins(t *testing.T) {
	s := newTestStore(t)
	b := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Build(ctx, containerFile("RUN true"), build.Options{MinFree: -1, Project: fstest.MapFS{}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	s.assertClean(t, "")
}

// The victim is this test program, started again to be killed: it builds
// sleeper(mark) in the store that the variables name, or reads the base where
// the mark is "read".
const (
	victimEnv          = "BOOTKILN_TEST_VICTIM" // the mark
	victimStoreEnv     = "BOOTKILN_TEST_STORE"
	victimIsolationEnv = "BOOTKILN_TEST_ISOLATION"
)

func victim() int {
	build.RedirectLogs(nil)
	s := &testStore{}
	s.graphRoot, s.runRoot, _ = strings.Cut(os.Getenv(victimStoreEnv), ":")
	b, err := build.Open(context.Background(), s.options())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if os.Getenv(victimEnv) == "read" {
		img, err := b.Image(context.Background(), baseName)
		if err == nil {
			_, err = img.Root(context.Background())
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("sleeping")
		select {}
	}
	rec := newRecorder()
	rec.seen = func(line string) { fmt.Println(line) }
	_, err = b.Build(context.Background(), sleeper(os.Getenv(victimEnv)), build.Options{
		Isolation: build.Isolation(os.Getenv(victimIsolationEnv)), Stage: rec, MinFree: -1, Project: fstest.MapFS{},
	})
	fmt.Println(err)
	return 1
}

// A process that is killed while it reads an image leaves a mount, which the
// next one takes back, and no other.
func TestImageReaderIsKilled(t *testing.T) {
	s := newTestStore(t)
	b := s.open(t)
	img, err := b.Image(t.Context(), baseName)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dead := s.startVictim(t, "read", "")
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = dead.Wait()
	other, err := build.Open(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Stat("bin/busybox"); err != nil {
		t.Errorf("the image of the living process was unmounted: %v", err)
	}
	if err := mine.Close(); err != nil {
		t.Error(err)
	}
	s.assertClean(t, "")
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// startVictim returns a victim whose step runs.
func (s *testStore) startVictim(t *testing.T, mark string, isolation build.Isolation) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(),
		victimEnv+"="+mark, victimStoreEnv+"="+s.graphRoot+":"+s.runRoot, victimIsolationEnv+"="+string(isolation))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "sleeping" {
			return cmd
		}
		said = append(said, lines.Text())
	}
	t.Fatalf("the victim ended early:\n%s", strings.Join(said, "\n"))
	return nil
}

func TestBuildIsKilled(t *testing.T) {
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			// A container that is not ours must survive.
			other, err := s.store(t).CreateContainer("", []string{"busybox-working-container"}, "", "", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			mark, liveMark := "mark-"+rand.Text(), "mark-"+rand.Text()
			dead := s.startVictim(t, mark, isolation)
			alive := s.startVictim(t, liveMark, isolation)
			if err := dead.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = dead.Wait()

			before := s.noteRuns(t)
			b := s.open(t)
			after := s.noteRuns(t)
			if len(before) != 2 || len(after) != 1 {
				t.Errorf("folders of builds: %v before the next run, %v after it", before, after)
			}
			if left := processes(t, mark); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
			if len(processes(t, liveMark)) == 0 || alive.ProcessState != nil {
				t.Error("the living build was touched")
			}
			if len(after) == 1 {
				live := strings.TrimPrefix(filepath.Base(after[0]), "run-")
				containers, err := s.store(t).Containers()
				if err != nil {
					t.Fatal(err)
				}
				count := map[bool]int{}
				for _, c := range containers {
					count[strings.Contains(strings.Join(c.Names, " "), live)]++
				}
				if count[true] == 0 || count[false] != 1 {
					t.Errorf("%d containers of the living build and %d others, want some and one", count[true], count[false])
				}
			}

			if err := alive.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = alive.Wait()
			mustBuild(t, b, containerFile("RUN true"), build.Options{Isolation: isolation})
			if _, err := s.store(t).Container(other.ID); err != nil {
				t.Errorf("the other program's container: %v", err)
			}
			if err := s.store(t).DeleteContainer(other.ID); err != nil && !errors.Is(err, storage.ErrContainerUnknown) {
				t.Fatal(err)
			}
			s.assertClean(t, mark)
			s.assertClean(t, liveMark)
		})
	}
}

// A worker that is killed alone, as the kernel does it when memory is short,
// is an error with a reason, and leaves nothing. It kills the workers of all builds
// of this process, so there must be no other.
func TestBuildWorkerIsKilled(t *testing.T) {
	s := newTestStore(t)
	b := s.open(t)
	mark := "mark-" + rand.Text()
	rec := newRecorder()
	rec.seen = func(line string) {
		if line != "sleeping" {
			return
		}
		for _, p := range processes(t, "bootkiln-build-worker") {
			var pid, parent int
			if _, err := fmt.Sscanf(p, "/proc/%d ", &pid); err != nil {
				t.Errorf("reading %q: %v", p, err)
				continue
			}
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			if _, err := fmt.Sscanf(rest[2:], "%d", &parent); err != nil {
				t.Errorf("reading the parent in %q: %v", stat, err)
				continue
			}
			if parent == os.Getpid() {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		}
	}
	_, err := b.Build(t.Context(), sleeper(mark), build.Options{Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
	if err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("error = %v", err)
	}
	s.assertClean(t, mark)
}
