package image

import "testing"

func TestCalled(t *testing.T) {
	t.Parallel()
	const store = "containers-storage:[overlay@/var/lib/containers/storage+/run/containers/storage]"
	for location, want := range map[string]string{
		store + "localhost/kiln:latest@7cf24c65040f": "localhost/kiln:latest",
		store + "@7cf24c65040f":                      "7cf24c65040f",
		"containers-storage:localhost/kiln:latest":   "localhost/kiln:latest",
		"docker://ghcr.io/me/kiln@sha256:7cf24c65":   "docker://ghcr.io/me/kiln@sha256:7cf24c65",
		"oci:out/layout":                             "oci:out/layout",
		"/mnt/image":                                 "/mnt/image",
	} {
		if got := Called(location); got != want {
			t.Errorf("%q is called %q, want %q", location, got, want)
		}
	}
}
