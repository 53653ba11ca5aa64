package pipeline

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

const rhelTargets = `
version: 1
name: kiln
base: {image: "BASE", distro: DISTRO}
sign: {key: "env://KEY"}
publish:
  - {to: registry.lan/a, private: true}
  - {to: registry.lan/b}
  - {to: "localhost:5000/c"}
  - {to: quay.io/me/d, private: false}
`

func rhelRecipe(base, distro string) string {
	return strings.NewReplacer("BASE", base, "DISTRO", distro).Replace(rhelTargets)
}

// restricted returns the places and messages of what an image may not be
// pushed to; any other error is a failure.
func restricted(t *testing.T, err error) []string {
	t.Helper()
	var problems *diag.ListError
	if !errors.As(err, &problems) {
		t.Fatalf("want problems of the recipe, got %v", err)
	}
	var got []string
	for _, d := range problems.List {
		if d.Code != CodeRestricted || d.Hint == "" {
			t.Errorf("want a restricted image with a hint, got %+v", d)
		}
		got = append(got, d.Path+": "+d.String())
	}
	return got
}

// Before anything is asked of the registry or built.
func TestGuardOfBase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ base, distro, why string }{
		"by name":   {"registry.redhat.io/rhel10/rhel-bootc:10.0", "rhel-10", `its base is "registry.redhat.io/rhel10/rhel-bootc:10.0"`},
		"by distro": {"containers-storage:localhost/base", "rhel-9", "its base is rhel 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, in := newKiln(t), load(t, rhelRecipe(c.base, c.distro))
			_, err := Run(t.Context(), in, k.services())
			want := []string{
				"publish[1].to: recipe.yaml:8:10: the image is Red Hat Enterprise Linux (" + c.why + `), and everyone may be able to pull it from "registry.lan/b" (restricted-image)`,
				"publish[3].to: recipe.yaml:10:10: the image is Red Hat Enterprise Linux (" + c.why + `), and everyone may be able to pull it from "quay.io/me/d" (restricted-image)`,
			}
			if diff := cmp.Diff(want, restricted(t, err)); diff != "" {
				t.Error(diff)
			}
			if len(k.calls) > 0 {
				t.Errorf("did %v", k.calls)
			}
			// For one's own use it may be built.
			if _, err := Build(t.Context(), in, k.services()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the base does not tell is seen in the image, which is then pushed
// nowhere, not even to the targets that may have it.
func TestGuardOfImage(t *testing.T) {
	t.Parallel()
	rhel := fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{"usr/lib/os-release": fakeimage.Text("ID=rhel\n")})
	k, in := newKiln(t), load(t, rhelRecipe("registry.access.redhat.com/ubi10/ubi", "rhel-10"))
	k.img = rhel
	_, err := Run(t.Context(), in, k.services())
	if got := restricted(t, err); len(got) != 2 || !strings.Contains(got[0], "its os-release says ID=rhel") {
		t.Errorf("got %q", got)
	}
	if last := k.calls[len(k.calls)-1]; last != "build" {
		t.Errorf("went on to %q", last)
	}

	k = newKiln(t)
	_, err = Push(t.Context(), in, rhel, k.services())
	if got := restricted(t, err); len(got) != 2 || len(k.calls) > 0 {
		t.Errorf("got %q after %v", got, k.calls)
	}
	// Those that may have it get it.
	in.Recipe.Publish = append(in.Recipe.Publish[:1:1], in.Recipe.Publish[2])
	if result, err := Push(t.Context(), in, rhel, newKiln(t).services()); err != nil || len(result.Published) != 2 {
		t.Errorf("published %v, %v", result.Published, err)
	}
}

// An image of Universal Base Images may go anywhere.
func TestGuardLetsPass(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, rhelRecipe("registry.access.redhat.com/ubi10/ubi", "rhel-10"))
	k.img = fakeimage.New(t, imgspecv1.Image{Config: imgspecv1.ImageConfig{Labels: map[string]string{
		"com.redhat.license_terms": "https://www.redhat.com/en/about/red-hat-end-user-license-agreements#UBI",
	}}}, fakeimage.Files{"usr/lib/os-release": fakeimage.Text("ID=rhel\n")})
	if result, err := Run(t.Context(), in, k.services()); err != nil || len(result.Published) != 4 {
		t.Errorf("published %v, %v", result.Published, err)
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for repository, want := range map[string]bool{
		"localhost/a": true, "localhost:5000/a/b": true, "127.0.0.1:5000/a": true, "127.8.9.1/a": true, "[::1]:5000/a": true, "[::1]/a": true,
		"localhost.example/a": false, "10.0.0.1:5000/a": false, "ghcr.io/localhost/a": false, "[::2]:5000/a": false, "": false,
	} {
		if got := isLoopback(repository); got != want {
			t.Errorf("%q: %t", repository, got)
		}
	}
}
