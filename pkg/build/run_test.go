package build

import (
	"os"
	"path/filepath"
	"testing"

	"go.podman.io/storage"
)

func TestRunsAreLocked(t *testing.T) {
	t.Parallel()
	d := runDir{root: filepath.Join(t.TempDir(), "bootkiln")}
	alive, err := d.create()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := d.create()
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.holdBallast(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(dead.ballast()); err != nil || fi.Size() != ballastSize {
		t.Errorf("ballast: %v, %v", fi, err)
	}
	dead.unlock()
	// Things that are not runs stay.
	for _, name := range []string{"run-of-the-mill.txt", "other"} {
		if err := os.WriteFile(filepath.Join(d.root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg"} {
		if err := os.Mkdir(filepath.Join(d.root, runPrefix+id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	found, err := d.abandoned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].id != dead.id || found[0].suffix() != dead.suffix() {
		t.Errorf("abandoned runs: %+v, want %s", found, dead.id)
	}
	// It is this one's now.
	if again, err := d.abandoned(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("taken runs are found again: %v, %v", again, err)
	}
	alive.unlock()
}

// A worker that outlives its caller keeps its run until it is dead, and nobody
// else from building.
func TestRunWaitsForItsWorker(t *testing.T) {
	t.Parallel()
	d := runDir{root: filepath.Join(t.TempDir(), "bootkiln")}
	r, err := d.create()
	if err != nil {
		t.Fatal(err)
	}
	worker := r.worker
	r.worker = nil
	r.unlock() // the caller is dead
	done := make(chan []*run)
	go func() {
		found, err := d.abandoned(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- found
	}()
	select {
	case found := <-done:
		t.Errorf("found %v while the worker lives", found)
	default:
	}
	other, err := d.create()
	if err != nil {
		t.Fatal(err)
	}
	defer other.unlock()
	worker.Close()
	if found := <-done; len(found) != 1 {
		t.Errorf("found %v when the worker is dead", found)
	}
}

func TestIsOurs(t *testing.T) {
	t.Parallel()
	r := &run{id: "0123456789abcdef"}
	for name, want := range map[string]bool{
		"busybox-bootkiln-0123456789abcdef":    true,
		"busybox-bootkiln-0123456789abcdef-12": true,
		"bootkiln-0123456789abcdef":            true,
		"busybox-bootkiln-fedcba9876543210":    false,
		"busybox-working-container":            false,
		"mybootkiln-0123456789abcdef":          false,
		"busybox-bootkiln-0123456789abcdef0":   false,
		"busybox-bootkiln-0123456789abcdef-":   false,
		"busybox-bootkiln-0123456789abcdef-x1": false,
	} {
		if got := isOurs(storage.Container{Names: []string{name}}, r); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
