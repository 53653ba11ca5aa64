package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	digest "github.com/opencontainers/go-digest"
)

// PartialError says that an OCI layout lacks layers of the image that its index
// names.
type PartialError struct {
	// Location is the image's; Dir is the layout's folder, an absolute path.
	Location, Dir string
	// Manifest is the digest of the image, which is the same wherever else it is.
	Manifest digest.Digest
	// Missing of the image's Layers are not there.
	Missing, Layers int
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("reading layers of %q: %d of %d are not in it", e.Location, e.Missing, e.Layers)
}

// Unwrap says that a file is missing.
func (e *PartialError) Unwrap() error { return fs.ErrNotExist }

// MendHint says what to do.
func (e *PartialError) MendHint() string {
	return fmt.Sprintf("'bootkiln publish' leaves layers in the registry that has them: name docker://REPOSITORY@%s instead, which is whole; "+
		"a layout from elsewhere has to be copied again", e.Manifest)
}

// Whole returns a [*PartialError] for an image in an OCI layout of which layers
// are not there, so that who needs them all hears of it before the work begins.
// What they hold is not looked at. Of images that are kept in another way
// nothing is known: it returns nil.
func Whole(img Image) error {
	layered, ok := img.(*layeredImage)
	if !ok {
		return nil
	}
	layout, ok := layered.src.(layoutBlobs)
	if !ok {
		return nil
	}
	missing := 0
	for _, l := range layered.layers {
		if err := l.Digest.Validate(); err != nil {
			return fmt.Errorf("reading layers of %q: digest %q: %w", layered.location, l.Digest, err)
		}
		_, err := os.Stat(layout.path(l.Digest))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case err != nil:
			return fmt.Errorf("reading layers of %q: %w", layered.location, err)
		}
	}
	if missing == 0 {
		return nil
	}
	return &PartialError{
		Location: layered.location, Dir: string(layout), Manifest: layered.manifest,
		Missing: missing, Layers: len(layered.layers),
	}
}
