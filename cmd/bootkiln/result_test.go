package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
)

var published = &pipeline.Result{
	Name: "kiln", Recipe: "recipe.yaml", Image: "containers-storage:localhost/kiln:latest",
	Published: []pipeline.Published{
		{
			Pinned: image.Pinned{Repository: "ghcr.io/me/kiln", Digest: "sha256:12ab", Size: 1_234_567_890, Layers: 12},
			Signed: true, Verified: true, Engine: pipeline.PolicyEngine, Tags: []string{"1.0.20231114", "latest"},
		},
		{Pinned: image.Pinned{Repository: "quay.io/me/kiln", Digest: "sha256:34cd", Size: 999, Layers: 1}, Tags: []string{}, Kept: []string{"1.0", "latest"}},
		{Pinned: image.Pinned{Repository: "quay.io/me/index", Digest: "sha256:56ef", MediaType: imgspecv1.MediaTypeImageIndex}, Tags: []string{}, Unchanged: true},
		{Target: "oci:out/kiln", Error: "no room", Tags: []string{}},
	},
	Chunks:              &chunk.Report{Update: &chunk.Prediction{Bytes: 45_600_000, Total: 1_234_567_890, Layers: 12, Reused: 9}},
	OptionalUnavailable: []string{"rare", "rarer"},
	Stages:              []pipeline.StageTime{{Name: "plan", Seconds: 0.04}, {Name: "build", Seconds: 62.5}},
}

func TestWriteResult(t *testing.T) {
	t.Parallel()
	e, stdout, stderr := testEnv(nil)
	if err := e.writeResult(published); err != nil {
		t.Fatal(err)
	}
	const want = `ghcr.io/me/kiln:1.0.20231114
ghcr.io/me/kiln:latest
  digest    sha256:12ab
  size      1.2 GB in 12 layers
  machines  bootc switch --enforce-container-sigpolicy ghcr.io/me/kiln:latest
            the image itself demands no signature of its updates: add to the recipe
            trust: {keys: [cosign.pub], scope: ghcr.io/me/kiln}
quay.io/me/kiln
  digest    sha256:34cd
  size      999 B in 1 layer
  kept      1.0, latest: what is there is newer
quay.io/me/index
  digest    sha256:56ef
  size      an index of images
  unchanged there already: no tag was written
  optional  without rare, rarer
  update    46 MB in 3 layers of 12, for machines with the previous image
  time      plan 0.0 s, build 62.5 s (62.5 s)
`
	if diff := cmp.Diff(want, stdout.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %s", stderr)
	}
}

// Machines accept no signature without a key, so none is told to follow it.
func TestSwitchCommandWithoutKey(t *testing.T) {
	t.Parallel()
	p := published.Published[0]
	p.Engine = pipeline.Cosign
	if got := switchCommand(p); got != "" {
		t.Errorf("machines are told to run %q", got)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	const want = "### kiln\n\nIt failed:\n\n    the image fails\n    ```\n" + `
` + "`ghcr.io/me/kiln@sha256:12ab`" + `, 1.2 GB in 12 layers

* ` + "`ghcr.io/me/kiln:1.0.20231114`" + `
* ` + "`ghcr.io/me/kiln:latest`" + `

    bootc switch --enforce-container-sigpolicy ghcr.io/me/kiln:latest

` + "`quay.io/me/kiln@sha256:34cd`" + `, 999 B in 1 layer


` + "`quay.io/me/index@sha256:56ef`" + `, an index of images


It was there already.

Nothing came to ` + "`oci:out/kiln`" + `.

The update: 46 MB in 3 layers of 12, for machines with the previous image.

Optional packages that could not be installed:

    rare
    rarer

| stage | seconds |
|---|---:|
| plan | 0.0 |
| build | 62.5 |
`
	// What an error quotes cannot end the block that it is shown in.
	got := summary(published, errors.New("the image fails\n```"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
