package provenance

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

func complete() Build {
	return Build{
		Name: "kiln", Recipe: "recipe.yaml", RecipeDigest: digest.FromString("recipe"),
		Containerfile: digest.FromString("FROM x"),
		Base:          Base{Image: "quay.io/centos-bootc/centos-bootc:stream10", Digest: digest.FromString("base")},
		Source:        &Source{URI: "git+https://github.com/me/kiln", Commit: strings.Repeat("c", 40)},
		Packages:      []string{"pkg:rpm/centos/bash@5.2.26-6.el10?arch=x86_64"},
		Builder: Builder{
			ID:      "https://github.com/me/kiln/.github/workflows/image.yml@refs/heads/main",
			Version: map[string]string{"bootkiln": "1.2.0", "go.podman.io/buildah": "v1.45.0"},
		},
		Invocation: "https://github.com/me/kiln/actions/runs/7/attempts/1",
		Started:    time.Unix(1_700_000_000, 0), Finished: time.Unix(1_700_000_600, 0),
		Reports: map[string]digest.Digest{"check.json": digest.FromString("check"), "boot.json": digest.FromString("boot")},
	}
}

func TestPredicate(t *testing.T) {
	t.Parallel()
	text, err := Predicate(complete())
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/provenance.json", text)
	for range 20 { // protojson decides once a process, maps each time
		if again, err := Predicate(complete()); err != nil || !bytes.Equal(text, again) {
			t.Fatalf("the same build has two predicates (%v):\n%s", err, again)
		}
	}
	valid(t, text)
}

func TestIndexPredicate(t *testing.T) {
	t.Parallel()
	b := complete()
	x := Index{
		Name: b.Name, Recipe: b.Recipe, RecipeDigest: b.RecipeDigest, Repository: "ghcr.io/me/kiln",
		Images: []Member{{"linux/amd64", digest.FromString("amd64")}, {"linux/arm64", digest.FromString("arm64")}},
		Source: b.Source, Builder: b.Builder, Invocation: b.Invocation, Started: b.Started, Finished: b.Finished,
	}
	text, err := IndexPredicate(x)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/index.json", text)
	valid(t, text)

	// From the command line
	x.Recipe, x.RecipeDigest, x.Source = "", "", nil
	if text, err = IndexPredicate(x); err != nil || strings.Contains(string(text), "recipe.yaml") {
		t.Errorf("%v\n%s", err, text)
	}
	valid(t, text)
	for name, spoil := range map[string]func(*Index){
		"no digest":  func(x *Index) { x.Images[0].Digest = "" },
		"no builder": func(x *Index) { x.Builder.ID = "" },
	} {
		bad := x
		bad.Images = slices.Clone(x.Images)
		spoil(&bad)
		if _, err := IndexPredicate(bad); err == nil || !strings.HasPrefix(err.Error(), "writing the provenance of the index ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"quay.io/me/os:1":                 "docker://quay.io/me/os:1",
		"localhost:5000/os":               "docker://localhost:5000/os",
		"docker://quay.io/me/os:1":        "docker://quay.io/me/os:1",
		"containers-storage:localhost/os": "containers-storage:localhost/os",
	} {
		if got := uri(reference); got != want {
			t.Errorf("%q: %q, want %q", reference, got, want)
		}
	}
}

// valid asks SLSA's own types.
func valid(t *testing.T, text []byte) {
	t.Helper()
	var read slsa.Provenance
	if err := protojson.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if err := read.Validate(); err != nil {
		t.Error(err)
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Build){
		"no builder":        func(b *Build) { b.Builder.ID = "" },
		"no recipe digest":  func(b *Build) { b.RecipeDigest = "" },
		"no base digest":    func(b *Build) { b.Base.Digest = "sha256:short" },
		"no report digest":  func(b *Build) { b.Reports["check.json"] = "" },
		"name is not UTF-8": func(b *Build) { b.Name = "\xff" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := complete()
			spoil(&b)
			if text, err := Predicate(b); err == nil || !strings.HasPrefix(err.Error(), "writing the provenance of ") {
				t.Errorf("the error is %v, the text\n%s", err, text)
			}
		})
	}
}
