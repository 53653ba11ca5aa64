package qemu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
)

// Screenshot returns what the machine's display shows as PNG. dir is a folder
// that QEMU can write to.
func (g *Guest) Screenshot(ctx context.Context, dir string) ([]byte, error) {
	name := filepath.Join(dir, "screen.ppm")
	// Not as PNG, which some builds of QEMU were made without.
	if err := g.qmp.execute(ctx, "screendump", map[string]string{"filename": name}); err != nil {
		return nil, fmt.Errorf("taking a picture of the display: %w", err)
	}
	defer os.Remove(name)
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("taking a picture of the display: %w", err)
	}
	defer f.Close()
	picture, err := readPPM(f)
	if err != nil {
		return nil, fmt.Errorf("reading the picture of the display: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, fmt.Errorf("writing the picture of the display: %w", err)
	}
	return b.Bytes(), nil
}

// largestSide bounds a picture; no display is larger.
const largestSide = 16384

// readPPM reads the one form of ppm(5) that QEMU writes: binary, eight bits a
// colour.
func readPPM(r io.Reader) (image.Image, error) {
	b := bufio.NewReader(r)
	var width, height, most int
	if _, err := fmt.Fscanf(b, "P6\n%d %d\n%d\n", &width, &height, &most); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if width < 1 || height < 1 || width > largestSide || height > largestSide || most != 255 {
		return nil, errors.New("reading the header: no picture of that size")
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, 3*width)
	for y := range height {
		if _, err := io.ReadFull(b, row); err != nil {
			return nil, fmt.Errorf("reading line %d: %w", y, err)
		}
		line := picture.Pix[y*picture.Stride:]
		for x := range width {
			copy(line[4*x:], row[3*x:3*x+3])
			line[4*x+3] = 255
		}
	}
	return picture, nil
}
