//go:build e2e

package test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The rendered text is no secret language: Debian's own buildah, years older
// than the library, makes the same kind of image of it.
func TestPlainBuildahBuildsTheExample(t *testing.T) {
	t.Parallel()
	const recipe = "../examples/debian-minimal/recipe.yaml"
	dir := t.TempDir()
	file, context := filepath.Join(dir, "Containerfile"), filepath.Join(dir, "context")
	bootkiln(t, "render", "--offline", "--output", file, "--context", context, recipe).want(t, 0)

	tag := "localhost/bootkiln/plain-" + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		if out, err := exec.Command("buildah", "rmi", tag).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	out, err := exec.CommandContext(t.Context(), "buildah", "build", "--isolation", "chroot", "--format", "oci",
		"--pull-never", "--tag", tag, "--file", file, context).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	bootkiln(t, "check", tag).want(t, 0)
}

// TestPlainBuildahGivesSecretsInVariables needs nothing that is newer either.
func TestPlainBuildahGivesSecretsInVariables(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t,
		"secrets: [{id: token, env: E2E_TOKEN}]",
		"run:",
		`  - name: token`,
		`    secrets: [{id: token, env: STEP_TOKEN}]`,
		`    shell: |`,
		`      test "$STEP_TOKEN" = 'correct horse "battery" staple'`)
	file, context := filepath.Join(p.dir, "Containerfile"), filepath.Join(p.dir, "context")
	bootkiln(t, "render", "--output", file, "--context", context, p.recipe()).want(t, 0)
	cmd := exec.CommandContext(t.Context(), "buildah", "build", "--isolation", "chroot", "--format", "oci",
		"--pull-never", "--tag", p.tag, "--secret", "id=token,env=E2E_TOKEN", "--file", file, context)
	cmd.Env = append(os.Environ(), `E2E_TOKEN=correct horse "battery" staple`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
