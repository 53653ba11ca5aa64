//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/test/listing"
)

// chunkTo cuts an image into layers, and returns what the program says of it.
func chunkTo(t testing.TB, dir, cache, name string, args ...string) *chunk.Report {
	t.Helper()
	o := bootkiln(t, append([]string{"chunk", name, "--to", "oci:" + dir, "--cache", cache, "--format", "json"}, args...)...)
	o.want(t, 0)
	report := &chunk.Report{}
	if err := json.Unmarshal([]byte(o.stdout), report); err != nil {
		t.Fatal(err)
	}
	return report
}

// TestChunkBase cuts the base into layers, lets Debian's skopeo bring them into
// the store, where overlayfs stacks them, and finds the base there again.
func TestChunkBase(t *testing.T) {
	t.Parallel()
	const name = "localhost/bootkiln-test/chunked:1"
	dir, cache := filepath.Join(t.TempDir(), "layout"), t.TempDir()
	first := chunkTo(t, dir, cache, debianBase)
	if len(first.Layers) < 50 || len(first.Layers) > 128 || first.Reused != 0 {
		t.Errorf("%d layers, %d of them reused", len(first.Layers), first.Reused)
	}

	if out, err := exec.Command("skopeo", "copy", "--quiet", "oci:"+dir, "containers-storage:"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { removeImage(t, name) })
	if diff := cmp.Diff(filesBelow(t, mounted(t, debianBase)), filesBelow(t, mounted(t, name))); diff != "" {
		t.Errorf("files (-base +chunked):\n%.4000s", diff)
	}
	if diff := cmp.Diff(foundIn(t, debianBase), foundIn(t, name)); diff != "" {
		t.Errorf("findings (-base +chunked):\n%s", diff)
	}
	if diff := cmp.Diff(foundIn(t, debianBase), foundIn(t, "oci:"+dir)); diff != "" {
		t.Errorf("findings (-base +layout):\n%s", diff)
	}

	// Once more: out of the cache, and next to itself.
	manifest := contentOf(t, filepath.Join(dir, "index.json"))
	for place, args := range map[string][]string{
		"out of the cache": {dir, cache, debianBase},
		"with a previous":  {dir + "-p", t.TempDir(), debianBase, "--previous", "oci:" + dir},
		"what was chunked": {dir + "-c", cache, "oci:" + dir, "--previous", "oci:" + dir},
	} {
		again := chunkTo(t, args[0], args[1], args[2], args[3:]...)
		if !bytes.Equal(contentOf(t, filepath.Join(args[0], "index.json")), manifest) {
			t.Errorf("%s: another manifest", place)
		}
		if place == "out of the cache" && again.Reused != len(first.Layers) {
			t.Errorf("%d of %d layers from the cache", again.Reused, len(first.Layers))
		}
	}
}

// TestChunkDiskFull says so where the layers have no room, and leaves none; where
// only the cache has none, they are made.
func TestChunkDiskFull(t *testing.T) {
	t.Parallel()
	disk, dir := t.TempDir(), filepath.Join(t.TempDir(), "layout")
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	bootkiln(t, "chunk", debianBase, "--to", "oci:"+filepath.Join(disk, "layout"), "--cache", "").
		want(t, 1, "no room for the layers in \""+disk+`"`, "hint: make room there")
	assertEmpty(t, disk)
	report := chunkTo(t, dir, filepath.Join(disk, "cache"), debianBase)
	if len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "layers are not kept for the next run") {
		t.Errorf("notes: %q", report.Notes)
	}
}

func contentOf(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func removeImage(t testing.TB, name string) {
	t.Helper()
	store := machineStore(t)
	img, err := store.Image(name)
	if err == nil {
		_, err = store.DeleteImage(img.ID, true)
	}
	if err != nil && err != storage.ErrImageUnknown {
		t.Error(err)
	}
}

// foundIn returns the findings of a check that are not about layers and history.
func foundIn(t testing.TB, name string) []string {
	t.Helper()
	o := bootkiln(t, "check", "--format", "json", name)
	var report check.Report
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatalf("%v: %s", err, o.stderr)
	}
	var list []string
	for _, f := range report.Findings {
		list = append(list, fmt.Sprintf("%+v", f))
	}
	return list
}

// filesBelow describes what is under a folder but for times, the content of the
// folders that every machine mounts over, and labels of SELinux.
func filesBelow(t testing.TB, dir string) map[string]string {
	t.Helper()
	root, err := image.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return listing.Of(t, root, func(name, attr string) bool {
		top, _, below := strings.Cut(name, "/")
		return attr == "security.selinux" || below && slices.Contains([]string{"dev", "proc", "run", "sys", "tmp"}, top)
	})
}
