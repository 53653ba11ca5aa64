package qemu

import (
	"bytes"
	"image/color"
	"strings"
	"testing"
)

func TestReadPPM(t *testing.T) {
	t.Parallel()
	picture, err := readPPM(strings.NewReader("P6\n2 1\n255\n\x01\x02\x03\xff\xfe\xfd"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := picture.Bounds().String(), "(0,0)-(2,1)"; got != want {
		t.Errorf("bounds: got %s, want %s", got, want)
	}
	for x, want := range []color.NRGBA{{1, 2, 3, 255}, {255, 254, 253, 255}} {
		if got := picture.At(x, 0); got != want {
			t.Errorf("point %d: got %v, want %v", x, got, want)
		}
	}
	for _, bad := range []string{"", "P5\n1 1\n255\n\x00", "P6\n0 1\n255\n", "P6\n99999 99999\n255\n", "P6\n1 1\n65535\n\x00\x00\x00", "P6\n2 2\n255\n\x00\x00\x00"} {
		if _, err := readPPM(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as a picture", bad)
		}
	}
}

func FuzzReadPPM(f *testing.F) {
	f.Add([]byte("P6\n2 1\n255\n\x01\x02\x03\xff\xfe\xfd"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) > 20 {
			b = b[:20] // a header that claims a large picture costs memory
		}
		_, _ = readPPM(bytes.NewReader(b))
	})
}
