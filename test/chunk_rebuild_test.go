//go:build e2e

package test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChunkRebuild builds a recipe twice from the same packages. What differs is
// one file that the recipe makes anew, and that is the file which is blamed.
func TestChunkRebuild(t *testing.T) {
	t.Parallel()
	p := newAPTProject(t, newDebRepository(t))
	folder := "/usr/lib/" + p.mark
	p.write(t, "packages: {install: [two, chain-a]}", `run: [{name: clock, shell: "mkdir `+folder+` && date +%N >`+folder+`/made"}]`, "boot: off")
	dir, cache := t.TempDir(), t.TempDir()
	bootkiln(t, p.args("build", "--no-cache")...).want(t, 0)
	first := filepath.Join(dir, "first")
	chunkTo(t, first, cache, p.tag)
	bootkiln(t, p.args("build", "--no-cache")...).want(t, 0)
	again := chunkTo(t, filepath.Join(dir, "second"), cache, p.tag, "--previous", "oci:"+first)

	update := again.Update
	if update.Reused != update.Layers-1 || again.Reused != update.Reused {
		t.Errorf("%d of %d layers are as they were, %d from the cache", update.Reused, update.Layers, again.Reused)
	}
	got := map[string][]string{}
	for _, c := range update.Causes {
		got[c.Group] = c.Files
	}
	if diff := cmp.Diff(map[string][]string{folder: {folder[1:] + "/made: content"}}, got); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}
