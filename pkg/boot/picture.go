package boot

import (
	"bytes"
	"context"
	"image/color"
	"image/png"
	"slices"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
)

// picture takes pictures of the display until two in a row are the same, and are
// more than the console that was there before: a display manager is active long
// before it has drawn itself.
func (b *booting) picture(ctx context.Context, g *qemu.Guest) ([]byte, error) {
	pace := paceOf(b.accel)
	b.Stage.Infof("waiting for the display to be drawn")
	var last []byte
	for end := time.Now().Add(pace.display); ; {
		picture, err := g.Screenshot(ctx, b.Dir)
		if err != nil {
			return nil, err
		}
		if slices.Equal(picture, last) && drawn(picture) || time.Now().After(end) {
			return picture, nil
		}
		last = picture
		select {
		case <-time.After(pace.display / 10):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-g.Done():
			return last, nil
		}
	}
}

// consoleColours is how many colours a text console has at most.
const consoleColours = 16

// drawn reports whether a picture (PNG) shows more than an empty screen or a text
// console.
func drawn(picture []byte) bool {
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return false
	}
	colours := map[color.Color]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if colours[img.At(x, y)] = true; len(colours) > consoleColours {
				return true
			}
		}
	}
	return false
}
