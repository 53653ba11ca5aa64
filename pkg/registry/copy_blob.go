package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// blobs copies all that a manifest names.
func (c *copier) blobs(ctx context.Context, d digest.Digest, raw []byte) error {
	// Docker's manifests have these fields in the same places.
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("reading the manifest %s of %q: %w", d, c.from.Repository, err)
	}
	if m.SchemaVersion != 2 || m.Config.Digest == "" {
		return c.from.fail(Rejected, "reading the manifest "+shortName(d)+" of", fmt.Errorf("it is of a form that is no longer written (schema %d)", m.SchemaVersion))
	}
	var list []blob
	for i, desc := range append(m.Layers, m.Config) {
		if err := desc.Digest.Validate(); err != nil {
			return fmt.Errorf("reading the manifest %s of %q: %q: %w", d, c.from.Repository, desc.Digest, err)
		}
		if len(desc.URLs) > 0 {
			continue // lies elsewhere, and may not be passed on
		}
		b := blob{digest: desc.Digest, size: desc.Size, what: layerBlob}
		if i == len(m.Layers) {
			b.what = configBlob
		}
		list = append(list, b)
	}
	return c.put(ctx, list)
}

// put copies blobs, several at a time.
func (c *copier) put(ctx context.Context, list []blob) error {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed error
		seen   = map[digest.Digest]bool{}
	)
	for _, b := range list {
		if seen[b.digest] {
			continue
		}
		seen[b.digest] = true
		wg.Go(func() {
			c.slots <- struct{}{}
			defer func() { <-c.slots }()
			mu.Lock()
			stop := failed != nil
			mu.Unlock()
			if stop {
				return
			}
			err := c.blob(ctx, b)
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if err := c.u.err(); err != nil {
		return err // the first one, and not what came of it
	}
	return failed
}

// blob copies one blob: it is taken over within the registry, or becomes a file
// and goes from there as every blob does, so that an upload that breaks off can
// be taken up again.
func (c *copier) blob(ctx context.Context, b blob) error {
	there, err := c.to.has(ctx, "blobs/"+b.digest.String())
	if err != nil || there {
		return err
	}
	if c.mount(ctx, b) {
		return nil
	}
	b.path = filepath.Join(c.work, b.digest.Encoded())
	defer os.Remove(b.path)
	if err := c.download(ctx, b); err != nil {
		return err
	}
	return c.u.put(ctx, b)
}

// mount has the registry take the blob over from the repository it is in,
// before it is read for nothing; what goes wrong is no reason not to send it.
func (c *copier) mount(ctx context.Context, b blob) bool {
	for from, client := range c.u.mounts {
		to := c.to.url("blobs/uploads/")
		to.RawQuery = url.Values{"mount": {b.digest.String()}, "from": {from}}.Encode()
		got, err := ask(ctx, client, http.MethodPost, to, nil, http.StatusCreated, http.StatusAccepted)
		if err != nil {
			c.to.options.log().Debug("taking a blob over", "from", from, "error", err)
			continue
		}
		if got.status == http.StatusCreated {
			c.u.event(blobEvent{Step: blobMounted, Digest: b.digest, Size: b.size})
			return true
		}
		// An upload was begun instead, which is good for any blob. Registries clean
		// up by themselves what nobody ends.
		c.u.begun.CompareAndSwap(nil, got.location)
	}
	return false
}

// download writes a blob of the source to its file and compares its digest. A
// try goes on behind what the one before it brought.
func (c *copier) download(ctx context.Context, b blob) (err error) {
	file, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("making a temporary file: %w", err)
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	o := c.from.options
	best := int64(0)
	return o.retry(ctx, nil, func() (bool, error) {
		err := c.from.attend(ctx, "reading the "+b.String()+" of", false, func(ctx context.Context, _ func()) error {
			return c.from.readBlob(ctx, b, file)
		})
		at, seekErr := file.Seek(0, io.SeekEnd)
		further := seekErr == nil && at > best
		best = max(best, at)
		return further, err
	})
}

// readBlob reads the rest of a blob into a file, and compares the whole.
func (s *Session) readBlob(ctx context.Context, b blob, file *os.File) error {
	at, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if at < b.size || b.size == 0 {
		if err := s.readRest(ctx, b, file, at); err != nil {
			return err
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	verifier := b.digest.Verifier()
	n, err := io.Copy(verifier, file)
	if err != nil {
		return err
	}
	if n != b.size || !verifier.Verified() {
		if err := file.Truncate(0); err != nil {
			return err
		}
		return s.fail(Inconsistent, "reading the "+b.String()+" of", fmt.Errorf("%d bytes came, which do not have this digest", n))
	}
	return nil
}

func (s *Session) readRest(ctx context.Context, b blob, file *os.File, at int64) error {
	from := s.url("blobs/" + b.digest.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return err
	}
	if at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	resp, err := (&http.Client{Transport: s.client.Load()}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK:
		at = 0
		if err := file.Truncate(0); err != nil {
			return err
		}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return &answerError{err: transport.CheckError(resp), retryAfter: retryAfter(resp.Header)}
	default:
		if at > 0 {
			// It may be the part that was asked for: some give a blob as a whole alone.
			if err := file.Truncate(0); err != nil {
				return err
			}
			return s.readRest(ctx, b, file, 0)
		}
		return &answerError{err: transport.CheckError(resp), retryAfter: retryAfter(resp.Header)}
	}
	into := &writeErrors{w: io.NewOffsetWriter(file, at)}
	// Never more than was announced: the answer is the registry's.
	_, err = io.Copy(into, io.LimitReader(resp.Body, b.size+1))
	if into.err != nil {
		return into.err
	}
	if err != nil {
		return readingError(http.MethodGet, from, err)
	}
	return nil
}

// writeErrors keeps a failure to write apart from one to read.
type writeErrors struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (w *writeErrors) Write(p []byte) (n int, err error) {
	n, w.err = w.w.Write(p)
	return n, w.err
}
