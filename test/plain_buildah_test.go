//go:build e2e

package test

import (
	"crypto/rand"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The rendered text is no secret language: Debian's own buildah, years older
// than the library, makes the same kind of image of it.
func TestPlainBuildahBuildsTheExample(t *testing.T) {
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
