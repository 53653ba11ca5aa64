package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the real machine is differs; that each question gets an answer, and that
// nothing is left behind, does not.
func TestExamineThisMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	findings := Examine(t.Context(), Options{
		GraphRoot: filepath.Join(dir, "not", "made"), TempDir: dir, OutDir: dir, Platforms: []string{"linux/arm64", "linux/amd64"},
	})
	for _, check := range []string{
		"root", "kernel", "graph-root", "temp-dir", "out-dir", "overlay", "file-features", "free-space", "memory", "open-files",
		"cgroup", "shared-mount", "clock", "containers-config", "kvm", "qemu", "binfmt",
	} {
		if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == check }) {
			t.Errorf("nothing is said about %s", check)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Error("an overlay is still mounted")
	}
}

func TestProbeSystem(t *testing.T) {
	t.Parallel()
	sys := ProbeSystem()
	if release, machine, err := sys.Uname(); err != nil || release == "" || machine == "" {
		t.Errorf("Uname = %q, %q, %v", release, machine, err)
	}
	if room, err := sys.Statfs(t.TempDir()); err != nil || room.Free == 0 {
		t.Errorf("Statfs = %+v, %v", room, err)
	}
	if soft, hard, err := sys.OpenFiles(); err != nil || soft == 0 || hard < soft {
		t.Errorf("OpenFiles = %d, %d, %v", soft, hard, err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := sys.Statfs(missing); !os.IsNotExist(err) {
		t.Errorf("Statfs of a missing folder: %v", err)
	}
	if err := sys.MountOverlay(missing); !os.IsNotExist(err) {
		t.Errorf("MountOverlay in a missing folder: %v", err)
	}
	if _, err := sys.ProbeFiles(missing); !os.IsNotExist(err) {
		t.Errorf("ProbeFiles in a missing folder: %v", err)
	}
	// Names differ in case wherever this test runs; the rest takes root.
	if features, err := sys.ProbeFiles(t.TempDir()); err != nil || features.Case != nil {
		t.Errorf("ProbeFiles = %+v, %v", features, err)
	}
}
