package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
)

// attachmentSuffixes end the tags of what lies beside an image: cosign's
// signatures, attestations and bills of materials, and without a suffix the list
// of referrers where a registry keeps none (OCI distribution specification,
// "Referrers Tag Schema").
var attachmentSuffixes = []string{".sig", ".att", ".sbom", referrersSuffix}

const referrersSuffix = ""

func attachmentTag(d digest.Digest, suffix string) string {
	return d.Algorithm().String() + "-" + d.Encoded() + suffix
}

// attachmentOf returns the digest of the image that a tag is an attachment of;
// ok is false for any other tag.
func attachmentOf(tag string) (d digest.Digest, ok bool) {
	algorithm, rest, ok := strings.Cut(tag, "-")
	if !ok {
		return "", false
	}
	for _, suffix := range attachmentSuffixes {
		hex, cut := strings.CutSuffix(rest, suffix)
		if !cut {
			continue
		}
		if d, err := digest.Parse(algorithm + ":" + hex); err == nil {
			return d, true
		}
	}
	return "", false
}

// mergeRounds is how often what another writer overwrote is written again.
const mergeRounds = 3

// attachments copies what lies beside images and indexes, and beside what lies
// beside them: an attestation may be signed.
func (c *copier) attachments(ctx context.Context, copied *Copied, of []digest.Digest) error {
	for at := 0; at < len(of); at++ {
		for _, suffix := range attachmentSuffixes {
			tag := attachmentTag(of[at], suffix)
			source, referrers, err := c.lying(ctx, of[at], suffix)
			if err != nil {
				return err
			}
			for _, d := range referrers {
				if !slices.Contains(of, d) {
					of = append(of, d)
					copied.Referrers = append(copied.Referrers, d)
				}
			}
			there, err := c.attachment(ctx, tag, source)
			if err != nil {
				return err
			}
			if there {
				copied.Attachments = append(copied.Attachments, tag)
			}
		}
	}
	return nil
}

// lying is what lies beside a digest at the source under the tag of a suffix, nil
// for nothing, and the manifests in it that may be signed themselves.
func (c *copier) lying(ctx context.Context, d digest.Digest, suffix string) ([]byte, []digest.Digest, error) {
	if suffix == referrersSuffix {
		return c.referrersOf(ctx, d)
	}
	raw, err := c.from.find(ctx, attachmentTag(d, suffix))
	return raw, nil, err
}

// attachment copies what an attachment's tag names at the source, nil for nothing,
// and reports whether the destination has one now. What it had before stays:
// signatures for its own name may be among it.
func (c *copier) attachment(ctx context.Context, tag string, source []byte) (bool, error) {
	for range mergeRounds {
		there, err := c.to.find(ctx, tag)
		if err != nil || source == nil {
			return there != nil, err
		}
		raw, err := c.merge(ctx, there, source)
		if err != nil {
			return false, fmt.Errorf("copying %q: %w", tag, err)
		}
		if bytes.Equal(raw, there) {
			return true, nil
		}
		if err := c.to.putTag(ctx, tag, raw); err != nil {
			return false, err
		}
	}
	return false, c.to.fail(Inconsistent, "writing the attachment "+tag+" to", fmt.Errorf("it was overwritten %d times", mergeRounds))
}

// merge returns the attachment with all that either side has, the destination's
// own bytes where it lacks nothing, and brings the blobs for it.
func (c *copier) merge(ctx context.Context, there, source []byte) ([]byte, error) {
	if manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(source)) {
		return c.mergeReferrers(ctx, there, source)
	}
	var from, to imgspecv1.Manifest
	if err := json.Unmarshal(source, &from); err != nil {
		return nil, err
	}
	if there == nil {
		return source, c.blobs(ctx, digest.FromBytes(source), source)
	}
	if err := json.Unmarshal(there, &to); err != nil {
		return nil, err
	}
	missing := lacking(to.Layers, from.Layers)
	if len(missing) == 0 {
		return there, nil
	}
	to.Layers = append(to.Layers, missing...)
	var list []blob
	for _, l := range missing {
		list = append(list, blob{digest: l.Digest, size: l.Size, what: layerBlob})
	}
	if err := c.put(ctx, list); err != nil {
		return nil, err
	}
	config, err := c.attachmentConfig(ctx, to.Layers)
	if err != nil {
		return nil, err
	}
	config.MediaType = to.Config.MediaType
	to.Config = config
	return json.Marshal(to)
}

// attachmentConfig makes and uploads the configuration of an attachment in the
// form of an image, whose layers are not compressed.
func (c *copier) attachmentConfig(ctx context.Context, layers []imgspecv1.Descriptor) (imgspecv1.Descriptor, error) {
	config := imgspecv1.Image{RootFS: imgspecv1.RootFS{Type: "layers"}}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
		config.History = append(config.History, imgspecv1.History{})
	}
	text, err := json.Marshal(config)
	if err != nil {
		return imgspecv1.Descriptor{}, err
	}
	b := blob{digest: digest.FromBytes(text), size: int64(len(text)), what: configBlob}
	b.path = filepath.Join(c.work, b.digest.Encoded())
	if err := os.WriteFile(b.path, text, 0o600); err != nil {
		return imgspecv1.Descriptor{}, err
	}
	return imgspecv1.Descriptor{Digest: b.digest, Size: b.size}, c.u.put(ctx, b)
}

// mergeReferrers merges two lists of referrers, and copies those that the
// destination lacks.
func (c *copier) mergeReferrers(ctx context.Context, there, source []byte) ([]byte, error) {
	var from, to imgspecv1.Index
	if err := json.Unmarshal(source, &from); err != nil {
		return nil, err
	}
	if there != nil {
		if err := json.Unmarshal(there, &to); err != nil {
			return nil, err
		}
	}
	missing := lacking(to.Manifests, from.Manifests)
	for _, m := range missing {
		if _, err := c.image(ctx, m.Digest); err != nil {
			return nil, err
		}
	}
	switch {
	case there == nil:
		return source, nil
	case len(missing) == 0:
		return there, nil
	}
	to.Manifests = append(to.Manifests, missing...)
	return json.Marshal(to)
}

// lacking returns what there is in from and not in to. Two signatures of one
// payload differ in their annotations.
func lacking(to, from []imgspecv1.Descriptor) []imgspecv1.Descriptor {
	return slices.DeleteFunc(slices.Clone(from), func(d imgspecv1.Descriptor) bool {
		return slices.ContainsFunc(to, func(e imgspecv1.Descriptor) bool {
			return d.Digest == e.Digest && maps.Equal(d.Annotations, e.Annotations)
		})
	})
}

// putTag writes a manifest under a tag.
func (s *Session) putTag(ctx context.Context, tag string, raw []byte) error {
	return s.Do(ctx, "writing "+tag+" to", func(ctx context.Context) error {
		_, err := s.request(ctx, http.MethodPut, s.url("manifests/"+tag), manifestBody(raw), http.StatusCreated, http.StatusOK, http.StatusAccepted)
		return err
	})
}

// manifestBody gives a request a manifest to send.
func manifestBody(raw []byte) func(*http.Request) {
	return func(req *http.Request) {
		req.ContentLength = int64(len(raw))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
		req.Body, _ = req.GetBody()
		req.Header.Set("Content-Type", manifest.GuessMIMEType(raw))
	}
}
