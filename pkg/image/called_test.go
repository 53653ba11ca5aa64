package image

import "testing"

func TestCalled(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"containers-storage:[overlay@/var/lib/containers/storage+/run/containers/storage]localhost/kiln:latest@7cf24c65040f": "localhost/kiln:latest",
		"containers-storage:[overlay@/var/lib/containers/storage+/run/containers/storage]@7cf24c65040f":                      "7cf24c65040f",
		"containers-storage:localhost/kiln:latest":                                                                           "localhost/kiln:latest",
		"docker://ghcr.io/me/kiln@sha256:7cf24c65040f":                                                                       "docker://ghcr.io/me/kiln@sha256:7cf24c65040f",
		"oci:out/layout": "oci:out/layout",
		"/mnt/image":     "/mnt/image",
	} {
		if got := Called(location); got != want {
			t.Errorf("%q is called %q, want %q", location, got, want)
		}
	}
}
