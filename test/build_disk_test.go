//go:build e2e

package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/build"
)

// smallDisk mounts an ext4 file system of that many MiB.
func smallDisk(t *testing.T, mib string) string {
	t.Helper()
	dir := t.TempDir()
	file, mount := filepath.Join(dir, "disk"), filepath.Join(dir, "mnt")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"truncate", "-s", mib + "M", file},
		{"mkfs.ext4", "-q", "-m", "0", file},
		{"mount", "-o", "loop", file, mount},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return mount
}

func TestBuildOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStoreIn(t, smallDisk(t, "160"))
			b := s.open(t)
			for _, step := range []struct {
				name, line string
			}{
				// The command fails and says why.
				{"the step", "RUN dd if=/dev/zero of=/fill bs=1M count=1000"},
				// The command does not look at the error of its writes, and
				// the store fails when it keeps the layer.
				{"the commit", "RUN dd if=/dev/zero of=/fill bs=1M count=1000 || true"},
			} {
				rec := newRecorder()
				_, err := b.Build(t.Context(), containerFile(step.line), build.Options{
					Isolation: isolation, Stage: rec, MinFree: -1, Project: fstest.MapFS{},
				})
				var full *build.DiskFullError
				if !errors.As(err, &full) || full.MendHint() == "" {
					t.Errorf("%s: error = %v, want a DiskFullError\n%s", step.name, err, rec.text())
				}
				s.assertClean(t, "")
				var fs unix.Statfs_t
				if err := unix.Statfs(s.graphRoot, &fs); err != nil {
					t.Fatal(err)
				}
				if free := int64(fs.Bavail) * fs.Bsize; free < 64<<20 {
					t.Errorf("%s: only %d bytes are free again", step.name, free)
				}
				mustBuild(t, b, containerFile("RUN echo small > /etc/small"), build.Options{Isolation: isolation, NoCache: true})
			}
		})
	}
}

func TestBuildNeedsSpace(t *testing.T) {
	t.Parallel()
	s := newTestStoreIn(t, smallDisk(t, "160"))
	b := s.open(t)
	_, err := b.Build(t.Context(), containerFile("RUN true"), build.Options{Project: fstest.MapFS{}})
	var space *build.SpaceError
	if !errors.As(err, &space) {
		t.Fatalf("error = %v, want a SpaceError", err)
	}
	if space.Dir != s.graphRoot || space.Needed != build.DefaultMinFree || space.Free <= 0 || space.Free > 160<<20 {
		t.Errorf("%+v", space)
	}
}
