package place

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/transportimage"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
)

// TestWrite writes each place twice, the second time over the first.
func TestWrite(t *testing.T) {
	t.Parallel()
	first, second := testregistry.NewZstdImage(t, 1, 2, 1000), testregistry.NewZstdImage(t, 2, 3, 1000)
	for _, transport := range []string{"oci", "oci-archive", "docker-archive"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new", "folder")
			p := Place{Transport: transport, Path: filepath.Join(dir, "image"), Name: "1.2", Repository: "localhost/kiln"}
			for i, img := range []testregistry.Image{first, second} {
				if err := p.Ready(); err != nil {
					t.Fatal(err)
				}
				done, err := p.Write(t.Context(), img)
				if err != nil {
					t.Fatal(err)
				}
				if transport != "docker-archive" && done.Digest != img.ManifestDigest(t) {
					t.Errorf("%s became %s", img.ManifestDigest(t), done.Digest)
				}
				if want := transport + ":" + p.Path; !strings.HasPrefix(done.Repository, want) || done.Layers != i+2 || done.Size == 0 {
					t.Errorf("it says %+v", done)
				}
				back, closer, err := transportimage.Open(t.Context(), p.String(), nil, image.LayerOptions{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				config, err := back.Config(t.Context())
				if err != nil || len(config.RootFS.DiffIDs) != i+2 {
					t.Errorf("%v, %v", config, err)
				}
				if err := closer.Close(); err != nil {
					t.Error(err)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
					t.Errorf("in the folder are %v, %v", left, err)
				}
			}
		})
	}
}

// What is not a place of the kind stays as it is.
func TestWriteOverSomethingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	letter := filepath.Join(dir, "letters", "love")
	if err := os.MkdirAll(filepath.Dir(letter), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(letter, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Place{
		{Transport: "oci", Path: filepath.Dir(letter), Name: "latest"},
		{Transport: "oci", Path: letter, Name: "latest"},
		{Transport: "oci-archive", Path: filepath.Dir(letter), Name: "latest"},
		{Transport: "docker-archive", Path: filepath.Dir(letter), Name: "latest", Repository: "localhost/kiln"},
		{Transport: "oci", Path: filepath.Join(letter, "below"), Name: "latest"},
	} {
		if err := p.Ready(); err == nil || !strings.Contains(err.Error(), p.Path) {
			t.Errorf("%s is ready: %v", p, err)
		}
		if _, err := p.Write(t.Context(), testregistry.NewZstdImage(t, 1, 1, 100)); err == nil {
			t.Errorf("%s was written", p)
		}
	}
	if text, err := os.ReadFile(letter); err != nil || string(text) != "dear" {
		t.Errorf("%q, %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
