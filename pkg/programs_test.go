package pkg_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// On a machine with nothing but Go and git, "make test" asks for what the tests
// of the packages run, each package once.
func TestProgramsOfTests(t *testing.T) {
	t.Parallel()
	commands, err := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--dry-run", "-C", "..", "test").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains("\n"+string(commands), "\nhack/deps test\n") {
		t.Errorf("make test runs\n%s", commands)
	}
	// Nothing is installed, and nobody may install it.
	stubs := t.TempDir()
	for name, script := range map[string]string{"dpkg-query": "exit 1", "id": "echo 1000"} {
		if err := os.WriteFile(filepath.Join(stubs, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	deps := func(groups ...string) string {
		cmd := exec.CommandContext(t.Context(), "../hack/deps", groups...)
		cmd.Env = append(os.Environ(), "PATH="+stubs+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("hack/deps %v went well", groups)
		}
		return string(out)
	}
	if out := deps("test"); !strings.HasPrefix(out, "deps: installing curl e2fsprogs python3\n") {
		t.Errorf("hack/deps test: %s", out)
	}
	all, _, _ := strings.Cut(deps(), "\n")
	for _, name := range []string{"curl", "gcc", "python3", "systemd"} {
		if n := strings.Count(all+" ", " "+name+" "); n != 1 {
			t.Errorf("hack/deps installs %s %d times: %s", name, n, all)
		}
	}
}
