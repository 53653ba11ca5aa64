package registry_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// files lists the regular files of an image.
func files(t *testing.T, img image.Image) map[string]string {
	t.Helper()
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	found := map[string]string{}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := fs.ReadFile(root, name)
		found[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOpenImage(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testregistry.Auth{
		"anonymous": testregistry.Anonymous, "basic": testregistry.Basic, "token": testregistry.Token,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: auth})
			o := options(t, r)
			local := testregistry.NewImage(t, 1, 3, 20_000)
			p, err := registry.Push(t.Context(), local, r.Host+"/me/os", o)
			if err != nil {
				t.Fatal(err)
			}
			// One failure on the way passes by itself.
			r.Fail(t, testregistry.Fault{Method: http.MethodGet, Path: "/blobs/", Status: http.StatusBadGateway})
			img, closer, err := registry.OpenImage(t.Context(), p.String(), o, image.LayerOptions{TempDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			if got := files(t, img); len(got) == 0 {
				t.Error("the image in the registry has no files")
			}
			if config, err := img.Config(t.Context()); err != nil || config.Architecture == "" {
				t.Errorf("configuration: %+v, %v", config, err)
			}
		})
	}
}

// TestOpenImageByCredentials has an auth file that cannot be read.
func TestOpenImageByCredentials(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	o := options(t, r)
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 2, 1, 1_000), r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	o.AuthFile = t.TempDir() // a folder
	o.Credentials = &registry.Credentials{Username: testregistry.User, Password: testregistry.Password}
	_, closer, err := registry.OpenImage(t.Context(), p.String(), o, image.LayerOptions{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closer.Close()
}

func TestOpenImageErrors(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	o := options(t, r)
	_, _, err := registry.OpenImage(t.Context(), r.Host+"/me/os:nonesuch", o, image.LayerOptions{})
	wantError(t, err, registry.Missing, "me/os", "check the name")
	o.AuthFile = r.WriteAuth(t, testregistry.User, "wrong")
	_, _, err = registry.OpenImage(t.Context(), r.Host+"/me/os:latest", o, image.LayerOptions{})
	wantError(t, err, registry.Unauthorized, "me/os", "check the user name")
}

// Two images that are compared have most layers in common: each is asked for
// once.
func TestOpenImagesThatShareLayers(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	lo := image.LayerOptions{TempDir: t.TempDir(), Shared: &image.SharedLayers{}}
	var roots []image.Root
	for _, layers := range []int{2, 3} { // of one seed: the first two are the same
		p, err := registry.Push(t.Context(), testregistry.NewImage(t, 4, layers, 300_000), r.Host+"/me/os", o)
		if err != nil {
			t.Fatal(err)
		}
		img, closer, err := registry.OpenImage(t.Context(), p.String(), o, lo)
		if err != nil {
			t.Fatal(err)
		}
		defer closer.Close()
		r.Forget() // manifest and configuration
		root, err := img.Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		roots = append(roots, root)
		if n, want := r.Count(http.MethodGet, "/blobs/"), []int{2: 2, 3: 1}[layers]; n != want {
			t.Errorf("%d layers are asked for %d times, want %d", layers, n, want)
		}
	}
	for i := range 2 {
		var contents [2][]byte
		for j, root := range roots {
			var err error
			if contents[j], err = fs.ReadFile(root, fmt.Sprintf("usr/file-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if len(contents[0]) != 300_000 || !bytes.Equal(contents[0], contents[1]) {
			t.Errorf("file %d: %d and %d bytes", i, len(contents[0]), len(contents[1]))
		}
	}
}
