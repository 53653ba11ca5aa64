package boot

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/png"
	"slices"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
)

// picture takes a picture of the display. Where there is a display manager it
// goes on until two in a row are the same, and are more than the console that was
// there before: a display manager is active long before it has drawn itself.
func (b *booting) picture(ctx context.Context, g *qemu.Guest) ([]byte, error) {
	pace := paceOf(b.accel)
	if !b.manager {
		return g.Screenshot(ctx, b.Dir)
	}
	b.Stage.Infof("waiting for the display to be drawn")
	var last []byte
	for end := time.Now().Add(pace.display); ; {
		picture, err := g.Screenshot(ctx, b.Dir)
		if err != nil {
			return nil, err
		}
		if slices.Equal(picture, last) && drawn(picture) {
			return picture, nil
		}
		if time.Now().After(end) {
			if !drawn(picture) {
				b.note(fmt.Sprintf("The display manager runs, and has drawn nothing after %v: the picture shows what there is", pace.display))
			}
			return picture, nil
		}
		last = picture
		select {
		case <-time.After(pace.display / 20):
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
