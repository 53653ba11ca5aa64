package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// createdBy is how the history says who made a layer, and in which form: a
// layer in another one is not taken over, so that a run with the previous
// image at hand writes what any other writes.
const createdBy = "bootkiln chunk " + cacheForm

// lend adds the layers of a previous image that is a layout on this machine,
// and those that are held.
func (c *cache) lend(ctx context.Context, img image.Layered, held map[digest.Digest]bool) error {
	if img == nil {
		return nil
	}
	place, here := strings.CutPrefix(img.Location(), "oci:")
	if !here && len(held) == 0 {
		return nil
	}
	config, err := img.Config(ctx)
	if err != nil {
		return err
	}
	c.lender, _, _ = strings.Cut(place, ":")
	layers := img.Layers()
	if len(config.History) != len(layers) {
		return nil
	}
	for i, l := range layers {
		if config.History[i].CreatedBy != createdBy || l.Digest.Algorithm() != digest.SHA256 {
			continue
		}
		b := blob{diffID: config.RootFS.DiffIDs[i], digest: l.Digest, size: l.Size}
		if held[l.Digest] && l.MediaType == imgspecv1.MediaTypeImageLayerZstd {
			name := config.History[i].Comment
			c.held[name] = append(c.held[name], b)
		}
		if !here {
			continue
		}
		var ok bool
		if b.unpacked, b.size, ok = contentSize(blobPath(c.lender, l.Digest)); ok {
			c.lent[b.unpacked] = append(c.lent[b.unpacked], b)
		}
	}
	return nil
}

// leave returns the layer that is held of an archive, which is not put into the
// layout.
func (c *cache) leave(j *job, diffID digest.Digest) (blob, bool) {
	for _, b := range c.held[j.name] {
		if b.diffID == diffID {
			b.unpacked = j.size
			return b, true
		}
	}
	return blob{}, false
}

// isHeld says whether whoever gets the layout has that blob.
func (c *cache) isHeld(d digest.Digest) bool {
	for _, list := range c.held {
		if slices.ContainsFunc(list, func(b blob) bool { return b.digest == d }) {
			return true
		}
	}
	return false
}

// lay puts a blob into the layout that the cache or the lent layout has under
// its name. Whether that is what the lent one has is for who reads it to find out.
func (c *cache) lay(d digest.Digest, layout string) bool {
	for _, list := range c.sizes {
		for _, b := range list {
			if b.digest != d {
				continue
			}
			if _, err := linkVerified(c.path(b), layout, d); err == nil {
				c.touch(b)
				return true
			}
		}
	}
	return len(c.lent) > 0 && link(blobPath(c.lender, d), blobPath(layout, d)) == nil
}

// contentSize returns what a compressed file says of the size of its content,
// and its own size. What cannot be read is not there to be lent.
func contentSize(name string) (content, own int64, ok bool) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, false
	}
	head := make([]byte, zstd.HeaderMaxSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0, false
	}
	var h zstd.Header
	if err := h.Decode(head[:n]); err != nil || !h.HasFCS {
		return 0, 0, false
	}
	return int64(h.FrameContentSize), info.Size(), true
}

// borrow puts a layer that was lent into the layout, and keeps it in the cache.
// Unlike the cache's own it has not been proven here: that it holds what the
// configuration of its image says is seen by unpacking it.
func (c *cache) borrow(ctx context.Context, t *tools, layout string, size int64, diffID digest.Digest) (blob, bool, error) {
	for _, b := range c.lent[size] {
		if b.diffID != diffID {
			continue
		}
		if err := link(blobPath(c.lender, b.digest), blobPath(layout, b.digest)); err != nil {
			return blob{}, false, fmt.Errorf("using a layer of the previous image: %w", err)
		}
		err := t.readBack(ctx, layout, b, func(io.Reader) error { return nil })
		if err == nil {
			c.keep(layout, b)
			return b, true, nil
		}
		if ctx.Err() != nil {
			return blob{}, false, ctx.Err()
		}
		// It is not what it says, and is made anew.
		if err := os.Remove(blobPath(layout, b.digest)); err != nil {
			return blob{}, false, fmt.Errorf("using a layer of the previous image: %w", err)
		}
	}
	return blob{}, false, nil
}
