package boot

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

func TestDrawn(t *testing.T) {
	t.Parallel()
	for colours, want := range map[int]bool{1: false, 2: false, consoleColours: false, consoleColours + 1: true} {
		picture := image.NewNRGBA(image.Rect(0, 0, 64, 8))
		for i := range 64 * 8 {
			picture.SetNRGBA(i%64, i/64, color.NRGBA{R: uint8(i % colours), A: 255})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			t.Fatal(err)
		}
		if got := drawn(b.Bytes()); got != want {
			t.Errorf("a picture of %d colours: got %v, want %v", colours, got, want)
		}
	}
	if drawn([]byte("no picture")) {
		t.Error("what is no picture is one")
	}
}
