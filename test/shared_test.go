//go:build e2e

package test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// sharedDir holds what several tests read and none changes. TestMain removes it.
var sharedDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "bootkiln-e2e-") })

// shared is a folder that is made by the first test that needs it.
type shared struct {
	name string
	once sync.Once
	dir  string // "" where it could not be made
}

// folder returns the folder, which the first caller fills.
func (s *shared) folder(t testing.TB, fill func(dir string)) string {
	t.Helper()
	s.once.Do(func() {
		all, err := sharedDir()
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(all, s.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fill(dir)
		if !t.Failed() {
			s.dir = dir
		}
	})
	if s.dir == "" {
		t.Fatalf("the test that was to make the %s could not", s.name)
	}
	return s.dir
}

// runShared runs the tests, and removes what they shared.
func runShared(m *testing.M) int {
	status := m.Run()
	if dir, err := sharedDir(); err != nil || os.RemoveAll(dir) != nil {
		return max(status, 1)
	}
	return status
}
