package chunk_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// forged is an image in a registry with another layer in the place of one of its
// own, and all that names it in accord with that.
type forged struct {
	configured
	at    int
	layer imgspecv1.Descriptor
	blob  []byte
}

func (forged) Location() string { return "docker://registry.lan/a:latest" }

func (f forged) Layers() []imgspecv1.Descriptor {
	list := f.configured.Layers()
	list[f.at] = f.layer
	return list
}

func (f forged) OpenBlob(ctx context.Context, at int) (io.ReadCloser, error) {
	if at == f.at {
		return io.NopCloser(bytes.NewReader(f.blob)), nil
	}
	return f.configured.OpenBlob(ctx, at)
}

// forge replaces the layer by an archive.
func forge(t *testing.T, img image.Image, at int, archive []byte, pack func([]byte) []byte) forged {
	t.Helper()
	f := forged{at: at, blob: pack(archive)}
	diffID := digest.FromBytes(archive)
	changed := changedConfig(t, img, func(c *imgspecv1.Image) {
		plan, err := chunk.DecodePlan(c.Config.Labels[chunk.PlanLabel])
		if err != nil {
			t.Fatal(err)
		}
		for i := range plan.Layers {
			if plan.Layers[i].DiffID == c.RootFS.DiffIDs[at].String() {
				plan.Layers[i].DiffID = diffID.String()
			}
		}
		if c.Config.Labels[chunk.PlanLabel], err = plan.Encode(); err != nil {
			t.Fatal(err)
		}
		c.RootFS.DiffIDs[at] = diffID
	})
	f.configured = changed.(configured)
	f.layer = f.configured.Layers()[at]
	f.layer.Digest, f.layer.Size = digest.FromBytes(f.blob), int64(len(f.blob))
	return f
}

// collide returns other content with the same XXH64, whose rounds can be undone:
// what one block of 32 bytes adds to a state, the next takes away.
func collide(content string) string {
	const p1, p2 = 11400714785074694791, 14029467366897019727
	inverse := uint64(1) // of p2
	for range 6 {
		inverse *= 2 - p2*inverse
	}
	round := func(state, in uint64) uint64 { return bits.RotateLeft64(state+in*p2, 31) * p1 }
	b := []byte(content)
	word := func(at int) []byte { return b[at : at+8] }
	state := uint64(p1)
	state += p2 // of the first of four, with no seed
	first := binary.LittleEndian.Uint64(word(0))
	before, after := round(state, first), round(state, first+1)
	binary.LittleEndian.PutUint64(word(0), first+1)
	binary.LittleEndian.PutUint64(word(32), binary.LittleEndian.Uint64(word(32))+(before-after)*inverse)
	return string(b)
}

// TestForgedLayer has a layer in the previous image, of which something may be
// dead, that whoever may write to the registry has made. It looks like the image to
// who reads it without care, and is something else to others.
func TestForgedLayer(t *testing.T) {
	t.Parallel()
	p := desktop(1)
	first, _ := rewrite(t, p.image(t, nil), fourLayers)
	p.update("p1")
	source := p.image(t, nil)
	honest, report := rewrite(t, source, after(fourLayers, first))
	stale := staleOf(report)
	at := slices.IndexFunc(first.(image.Layered).Layers(), func(d imgspecv1.Descriptor) bool { return d.Digest == stale[0].Digest })
	const live, dead = "usr/bin/p3", "usr/bin/p1"
	if content := p.files["p3"][live].Content; collide(content) == content || xxhash.Sum64String(collide(content)) != xxhash.Sum64String(content) {
		t.Fatal("no collision")
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := func(b []byte) []byte { return encoder.EncodeAll(b, nil) }
	record := func(key, value string) func(*tar.Header) {
		return func(h *tar.Header) {
			h.PAXRecords = maps.Clone(h.PAXRecords)
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[key] = value
		}
	}
	for name, test := range map[string]struct {
		name    string
		header  func(*tar.Header)
		content func(string) string
		behind  []byte
		pack    func([]byte) []byte
	}{
		"the same fast sum":            {name: live, content: collide},
		"attributes in other records":  {name: live, header: record("LIBARCHIVE.xattr.security.capability", "AQAAAgAgAAAAAAAAAAAAAAAAAAA=")},
		"the name of an owner":         {name: live, header: func(h *tar.Header) { h.Uname = "daemon" }},
		"of a dead file":               {name: dead, header: func(h *tar.Header) { h.Gname = "daemon" }},
		"a folder of another time":     {name: "usr/bin", header: func(h *tar.Header) { h.ModTime = h.ModTime.AddDate(1, 0, 0) }},
		"a dead file without end":      {name: dead, header: func(h *tar.Header) { h.Size = 8 << 20 }, content: func(string) string { return strings.Repeat("0", 8<<20) }},
		"more behind the end":          {behind: bytes.Repeat([]byte("x"), 1024)},
		"an archive behind the end":    {behind: []byte{}},
		"as two frames, one after all": {pack: func(b []byte) []byte { return append(whole(b[:1024]), whole(b[1024:])...) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			to := tar.NewWriter(&b)
			r, err := first.(image.Layered).OpenLayer(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			found := test.name == ""
			for from := tar.NewReader(r); ; {
				h, err := from.Next()
				if err == io.EOF {
					break
				}
				content, rerr := io.ReadAll(from)
				if err != nil || rerr != nil {
					t.Fatal(err, rerr)
				}
				h.Format, h.Xattrs = tar.FormatPAX, nil //nolint:staticcheck // the reader fills in the records a second time
				if strings.TrimSuffix(h.Name, "/") == test.name {
					found = true
					if test.header != nil {
						test.header(h)
					}
					if test.content != nil {
						content = []byte(test.content(string(content)))
					}
				}
				if err := to.WriteHeader(h); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Write(content); err != nil {
					t.Fatal(err)
				}
			}
			if err := to.Close(); err != nil || !found {
				t.Fatal(err, found)
			}
			archive := b.Bytes()
			if test.behind != nil && len(test.behind) == 0 {
				test.behind = slices.Clone(archive)
			}
			archive = append(archive, test.behind...)
			if test.pack == nil {
				test.pack = whole
			}
			got, report := rewrite(t, source, after(fourLayers, forge(t, first, at, archive, test.pack)))
			if notes := strings.Join(report.Notes, "\n"); len(staleOf(report)) > 0 || !strings.Contains(notes, "could not stay") {
				t.Errorf("it stays: %v, notes: %s", staleOf(report), notes)
			}
			sameImage(t, source, got)
		})
	}
	t.Run("as it was", func(t *testing.T) {
		t.Parallel()
		r, err := first.(image.Layered).OpenLayer(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		archive, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got, report := rewrite(t, source, after(fourLayers, forge(t, first, at, archive, whole)))
		if len(staleOf(report)) != 1 {
			t.Errorf("it does not stay: %v", report.Notes)
		}
		sameImage(t, source, got)
		sameImage(t, source, honest)
		other := changedConfig(t, first, func(c *imgspecv1.Image) { c.History[at].CreatedBy = "somebody else" })
		if _, report := rewrite(t, source, after(fourLayers, other)); len(staleOf(report)) > 0 {
			t.Error("a layer stays that was made in another way")
		}
	})
}
