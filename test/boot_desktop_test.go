//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/boot"
)

// TestGraphicalBoot builds the graphical example, as bootc would deploy it, and
// boots it to its login screen, of which there is a picture. It takes five to
// twelve minutes in emulation, so it goes with the matrix.
func TestGraphicalBoot(t *testing.T) {
	if *matrixFile == "" {
		return
	}
	recipe, err := os.ReadFile("../examples/debian-desktop/recipe.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// On a base of its own, so that what is cached of it is found and removed.
	p := newDesktopProject(t, nil)
	text := strings.Replace(string(recipe), debianBase, p.base, 1)
	if text == string(recipe) {
		t.Fatalf("the example is not made from %s", debianBase)
	}
	write(t, p.recipe(), []byte(text))
	bootkiln(t, p.args("build", "--boot=auto")...).want(t, 0, "boot: done")
	var r boot.Result
	if err := json.Unmarshal([]byte(p.file(t, boot.ReportName)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != boot.Booted || r.Target != "graphical.target" || r.Screenshot == "" {
		t.Errorf("boot.json: %+v", r)
	}
	picture, err := png.Decode(bytes.NewReader([]byte(p.file(t, boot.ScreenshotName))))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[color.Color]bool{}
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			colours[picture.At(x, y)] = true
		}
	}
	// The console of the kernel has 16.
	if len(colours) <= 16 {
		t.Errorf("the picture has %d colours: nobody drew a login screen", len(colours))
	}
	t.Logf("%s with %s: %.0f s (%s), a picture of %v with %d colours", r.Mode, r.Accelerator, r.Seconds, r.Times, picture.Bounds().Size(), len(colours))
}
