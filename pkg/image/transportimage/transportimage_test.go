package transportimage_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/transportimage"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
)

// listing describes every file of an image.
func listing(t *testing.T, img image.Image) string {
	t.Helper()
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var b strings.Builder
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, name, info.Mode(), info.Size(), image.StatOf(info).UID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parse(t *testing.T, name string) types.ImageReference {
	t.Helper()
	ref, err := alltransports.ParseImageName(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestEveryPlaceIsTheSame has one image in every transport that hands out
// blobs, and finds the same files in each.
func TestEveryPlaceIsTheSame(t *testing.T) {
	t.Parallel()
	local := testregistry.NewImage(t, 7, 3, 30_000)
	dir := strings.TrimPrefix(local.Location(), "oci:")
	layout, err := image.OpenLayout(t.Context(), dir, "", image.LayerOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := listing(t, layout)
	anything := &signature.Policy{Default: []signature.PolicyRequirement{signature.NewPRInsecureAcceptAnything()}}
	for _, transport := range []string{"oci-archive", "docker-archive", "dir"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			at := filepath.Join(t.TempDir(), "image")
			name := transport + ":" + at
			if transport == "docker-archive" {
				name += ":localhost/x:latest"
			}
			policy, err := signature.NewPolicyContext(anything)
			if err != nil {
				t.Fatal(err)
			}
			defer policy.Destroy() //nolint:errcheck // frees memory
			if _, err := copy.Image(t.Context(), policy, parse(t, name), parse(t, local.Location()), nil); err != nil {
				t.Fatal(err)
			}
			img, closer, err := transportimage.Open(t.Context(), name, nil, image.LayerOptions{TempDir: t.TempDir()}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			if got := listing(t, img); got != want {
				t.Errorf("files:\n%s\nwant:\n%s", got, want)
			}
			if strings.TrimSuffix(img.Location(), ":") != name {
				t.Errorf("location %q, want %q", img.Location(), name)
			}
		})
	}
}

func TestOpenWhatIsNotThere(t *testing.T) {
	t.Parallel()
	name := "oci-archive:" + filepath.Join(t.TempDir(), "nonesuch.tar")
	_, _, err := transportimage.Open(t.Context(), name, nil, image.LayerOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "opening image") || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("error: %v", err)
	}
}
