package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// errNotResumed is a refusal to go on with an upload that broke off.
var errNotResumed = errors.New("the registry does not go on with an upload that broke off")

// errBodyGone ends the second sending of a body; see fixedScheme.
var errBodyGone = errors.New("the token ended as the upload began")

// transfer is the way of one blob to the registry, over all its tries. It knows
// the upload that the registry began for it, so that a try can go on where the
// one before it broke off.
type transfer struct {
	u    *uploader
	blob blob
	file *os.File
	// location is where the registry wants the rest, nil for no upload.
	location *url.URL
	// has is how far the registry had come when it was last asked or told so;
	// best is the most of that over all uploads.
	has, best int64
	// sent is how many bytes went into connections, over all tries.
	sent atomic.Int64
	// broken says that the last try, or the earlier process, ended while the body
	// was sent; longest is how much of it had gone out then, at most over all tries.
	broken  bool
	longest int64
	// lost is how many bytes the registry did not keep, over all tries.
	lost int64
	// shown is how the blob is shown, nil for not at all, and counted how far.
	shown   progress.Transfer
	counted atomic.Int64
	// remembered is what [Options.Uploads] has of it.
	remembered string
}

func (t *transfer) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	if t.shown != nil {
		t.shown.Done("stopped")
	}
}

// end tells how it ended well.
func (t *transfer) end(step blobStep, note string) {
	t.remember(nil)
	if t.blob.what == layerBlob {
		t.show().Done(note)
		t.shown = nil
	}
	t.event(blobEvent{Step: step})
}

func (t *transfer) show() progress.Transfer {
	if t.shown == nil {
		t.shown = t.u.s.options.stage().Transfer(shortName(t.blob.digest), t.blob.size)
	}
	return t.shown
}

func (t *transfer) event(e blobEvent) {
	e.Digest, e.Size, e.Sent = t.blob.digest, t.blob.size, t.sent.Load()
	t.u.event(e)
}

// try makes one try, and reports whether it got further than any before it.
func (t *transfer) try(ctx context.Context) (further bool, err error) {
	s := t.u.s
	best := t.best
	err = s.attend(ctx, "uploading the "+t.blob.String()+" to", true, func(ctx context.Context, storing func()) error {
		err := t.bring(ctx, storing)
		var answer *answerError
		if errors.As(err, &answer) {
			answer.upload = true
		}
		return err
	})
	if err == nil {
		return true, nil
	}
	var e *Error
	// What ended all may be another blob's failure, which keeps its name.
	if errors.As(err, &e) && e.Blob == "" {
		e.Blob, e.Size = t.blob.digest, t.blob.size
		switch {
		case e.Class == Expired || e.Class == Unauthorized:
			// A registry that reports the end of a token as "denied" brings nobody
			// to fetch a new one.
			if renewed := s.attend(ctx, "logging in to", true, func(ctx context.Context, _ func()) error { return s.login(ctx) }); renewed != nil {
				s.options.log().Debug("renewing the token", "error", renewed)
			}
		case e.Class == SessionLost:
			t.location = nil
		}
	}
	t.event(blobEvent{Step: blobFailed, Err: err})
	return t.best > best, err
}

// bring is a try: it looks whether the blob is there, takes up the upload that
// broke off or begins one, sends what is missing, and ends it.
func (t *transfer) bring(ctx context.Context, storing func()) error {
	s := t.u.s
	switch _, err := s.request(ctx, http.MethodHead, s.url("blobs/"+t.blob.digest.String()), nil, http.StatusOK); {
	case err == nil:
		if t.sent.Load() > 0 && t.has == t.blob.size {
			t.end(blobArrived, "done") // the answer was lost
		} else {
			t.end(blobExists, "exists")
		}
		return nil
	case classify(err, false) != Missing:
		return err
	}
	if t.location != nil {
		t.resume(ctx)
	}
	if t.location == nil {
		if mounted, err := t.begin(ctx); mounted || err != nil {
			return err
		}
	}
	if t.has < t.blob.size {
		if err := t.send(ctx, storing); err != nil {
			return err
		}
	}
	storing()
	to := *t.location
	query := to.Query()
	query.Set("digest", t.blob.digest.String())
	to.RawQuery = query.Encode()
	_, err := s.request(ctx, http.MethodPut, &to, func(req *http.Request) {
		req.Header.Set("Content-Type", "application/octet-stream")
	}, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		if evidenceOf(err).code == "DIGEST_INVALID" {
			t.location = nil
			if damaged := t.verify(); damaged != nil {
				return damaged
			}
		}
		return err
	}
	t.end(blobArrived, "done")
	return nil
}

// begin has the registry take the blob over from another repository, or begin
// an upload.
func (t *transfer) begin(ctx context.Context) (mounted bool, err error) {
	s := t.u.s
	t.has = 0
	for from, client := range t.u.mounts {
		mounted, err := t.mount(ctx, client, from)
		if err != nil {
			s.options.log().Debug("taking a blob over", "from", from, "error", err)
		}
		if mounted || ctx.Err() != nil {
			return mounted, ctx.Err()
		}
	}
	if t.location == nil {
		t.location = t.u.begun.Swap(nil)
	}
	if t.location != nil {
		return false, nil
	}
	got, err := s.request(ctx, http.MethodPost, s.url("blobs/uploads/"), nil, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	if t.location = got.location; t.location == nil {
		return false, s.noLocation()
	}
	return false, nil
}

// mount takes the blob over from a repository that has it. A registry may begin
// an ordinary upload instead.
func (t *transfer) mount(ctx context.Context, client *http.Client, from string) (bool, error) {
	there := t.u.s.url("")
	there.Path = "/v2/" + from + "/blobs/" + t.blob.digest.String()
	if _, err := ask(ctx, client, http.MethodHead, there, nil, http.StatusOK); err != nil {
		return false, err
	}
	to := t.u.s.url("blobs/uploads/")
	to.RawQuery = url.Values{"mount": {t.blob.digest.String()}, "from": {from}}.Encode()
	got, err := ask(ctx, client, http.MethodPost, to, nil, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	if got.status == http.StatusCreated {
		t.end(blobMounted, "mounted")
		return true, nil
	}
	t.location = got.location
	return false, nil
}

// noLocation is the failure of a registry that began an upload nowhere.
func (s *Session) noLocation() error {
	return s.fail(Rejected, "uploading to", errors.New("the registry does not say where an upload goes on"))
}

// resume asks how much of the upload the registry has. Whatever keeps it from
// saying so is reason enough to begin anew.
func (t *transfer) resume(ctx context.Context) {
	s := t.u.s
	location := t.location
	t.location = nil
	if t.u.whole.Load() {
		return
	}
	got, err := s.request(ctx, http.MethodGet, location, nil, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err != nil {
		s.options.log().Debug("asking how far an upload came", "error", err)
		return
	}
	// "0-N", both inclusive (distribution-spec, "Pushing a blob in chunks");
	// nothing at all is "0-0" with some and no header with others.
	_, last, _ := strings.Cut(got.header.Get("Range"), "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n <= 0 || n >= t.blob.size {
		return
	}
	// What an earlier process sent was not lost by this one.
	t.lost = max(t.lost-(n+1-t.has), 0)
	t.has = n + 1
	t.best = max(t.best, t.has)
	if t.location = got.location; t.location == nil {
		t.location = location
	}
}

// send sends all that the registry lacks in one request.
func (t *transfer) send(ctx context.Context, storing func()) error {
	if t.file == nil {
		file, err := os.Open(t.blob.path)
		if err != nil {
			return fmt.Errorf("reading the %s: %w", t.blob, err)
		}
		t.file = file
	}
	from := t.has
	t.remember(t.location)
	t.event(blobEvent{Step: blobBegun, Offset: from})
	if t.blob.what == layerBlob {
		t.show()
	}
	body := &blobBody{Reader: io.NewSectionReader(t.file, from, t.blob.size-from), read: func(n, count int64) {
		t.sent.Add(n)
		// What is sent again is not shown again.
		if more := from + count - t.counted.Load(); t.shown != nil && more > 0 {
			t.counted.Add(more)
			t.shown.Add(more)
		}
	}, end: storing}
	got, err := t.u.s.request(ctx, http.MethodPatch, t.location, func(req *http.Request) {
		req.Body, req.ContentLength = body, t.blob.size-from
		req.Header.Set("Content-Type", "application/octet-stream")
		if from > 0 {
			req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", from, t.blob.size-1))
		}
		if t.broken {
			// A server that refuses a body before it has read it closes the
			// connection, and its answer may be lost in that. Asked first, it
			// answers before the body is sent.
			req.Header.Set("Expect", "100-continue")
		}
	}, http.StatusAccepted, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	t.broken = err != nil
	if err != nil {
		t.longest = max(t.longest, from+body.count.Load())
		t.lost += body.count.Load()
		var answer *answerError
		if errors.As(err, &answer) && from > 0 {
			switch evidenceOf(err).status {
			case http.StatusRequestedRangeNotSatisfiable, http.StatusRequestEntityTooLarge, http.StatusBadRequest:
				t.u.whole.Store(true)
				t.location = nil
				return fmt.Errorf("%w: %w", errNotResumed, err)
			}
		}
		return err
	}
	t.has, t.best = t.blob.size, t.blob.size
	if t.location = got.location; t.location == nil {
		return t.u.s.noLocation()
	}
	t.remember(t.location)
	return nil
}

// verify compares the file with its digest, when the registry says that it
// differs.
func (t *transfer) verify() error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the %s: %w", t.blob, err)
	}
	is, err := digest.FromReader(t.file)
	if err != nil {
		return fmt.Errorf("reading the %s: %w", t.blob, err)
	}
	if is != t.blob.digest {
		return fmt.Errorf("reading the %s: %q has the digest %s: the file was damaged or changed", t.blob, t.blob.path, is)
	}
	return nil
}

// blobBody is a request's body, which can be sent once.
type blobBody struct {
	io.Reader
	read  func(n, count int64)
	end   func()
	begun atomic.Bool
	count atomic.Int64
}

// first reports whether nobody asked before.
func (b *blobBody) first() bool { return !b.begun.Swap(true) }

func (b *blobBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read(int64(n), b.count.Add(int64(n)))
	if err == io.EOF {
		b.end()
	}
	return n, err
}

func (b *blobBody) Close() error { return nil }
