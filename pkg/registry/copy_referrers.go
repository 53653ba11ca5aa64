package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// longestList bounds what is read of one page of a list of referrers, in bytes,
	// and mostPages how many there are.
	longestList = 8 << 20
	mostPages   = 1000
)

// referrersOf returns the list of what the source has that says it belongs to a
// digest (OCI distribution specification, "Listing Referrers"), in the form of
// the tag which has it where a registry keeps none; nil for nothing. What the
// destination lists by itself needs no such tag: then it is copied here, and the
// list is nil too, unless the source has the tag.
func (c *copier) referrersOf(ctx context.Context, d digest.Digest) (list []byte, copied []digest.Digest, err error) {
	tagged, err := c.from.find(ctx, attachmentTag(d, ""))
	if err != nil {
		return nil, nil, err
	}
	index := imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex}
	if tagged != nil {
		if err := json.Unmarshal(tagged, &index); err != nil {
			return nil, nil, fmt.Errorf("reading the referrers of %s in %q: %w", d, c.from.Repository, err)
		}
	}
	listed, _, err := c.from.referrers(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	missing := lacking(index.Manifests, listed)
	for _, m := range slices.Concat(index.Manifests, missing) {
		copied = append(copied, m.Digest)
	}
	if len(missing) == 0 {
		return tagged, copied, nil
	}
	if tagged == nil {
		_, lists, err := c.to.referrers(ctx, d)
		if err != nil {
			return nil, nil, err
		}
		if lists {
			for _, m := range missing {
				if _, err := c.image(ctx, m.Digest); err != nil {
					return nil, nil, err
				}
			}
			return nil, copied, nil
		}
	}
	index.Manifests = append(index.Manifests, missing...)
	list, err = json.Marshal(index)
	return list, copied, err
}

// referrers asks the registry for what belongs to a digest. lists says that it
// keeps such lists; many do not.
func (s *Session) referrers(ctx context.Context, d digest.Digest) (all []imgspecv1.Descriptor, lists bool, err error) {
	err = s.Do(ctx, "listing the referrers of "+shortName(d)+" in", func(ctx context.Context) error {
		all, lists = nil, false
		at := s.url("referrers/" + d.String())
		for range mostPages {
			page, next, err := s.referrersPage(ctx, at)
			if err != nil || page == nil {
				return err
			}
			lists = true
			for _, m := range page.Manifests {
				if err := m.Digest.Validate(); err != nil {
					return s.fail(Rejected, "listing the referrers of "+shortName(d)+" in", fmt.Errorf("%q: %w", m.Digest, err))
				}
				all = append(all, m)
			}
			if at = next; at == nil {
				return nil
			}
		}
		return s.fail(Rejected, "listing the referrers of "+shortName(d)+" in", errors.New("the list has no end"))
	})
	return all, lists, err
}

// nextPage is the link to the next page of a list (RFC 5988).
var nextPage = regexp.MustCompile(`<([^>]+)>\s*;[^,]*\brel="?next"?`)

// referrersPage reads one page of a list; it is nil where the registry has no
// such lists.
func (s *Session) referrersPage(ctx context.Context, at *url.URL) (page *imgspecv1.Index, next *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", imgspecv1.MediaTypeImageIndex)
	resp, err := (&http.Client{Transport: s.client.Load()}).Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		return nil, nil, nil
	default:
		return nil, nil, &answerError{err: transport.CheckError(resp), retryAfter: retryAfter(resp.Header)}
	}
	if resp.Header.Get("Content-Type") != imgspecv1.MediaTypeImageIndex {
		return nil, nil, nil // a page for people, of a registry that knows no such address
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, longestList))
	if err != nil {
		return nil, nil, readingError(http.MethodGet, at, err)
	}
	page = &imgspecv1.Index{}
	if err := json.Unmarshal(text, page); err != nil {
		return nil, nil, fmt.Errorf("reading a list of referrers of %q: %w", s.Repository, err)
	}
	if link := nextPage.FindStringSubmatch(resp.Header.Get("Link")); link != nil {
		if next, err = at.Parse(link[1]); err != nil || next.Host != at.Host {
			return nil, nil, fmt.Errorf("reading a list of referrers of %q: it goes on at %q", s.Repository, link[1])
		}
	}
	return page, next, nil
}
