package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
)

// parallelUploads is how many blobs are under way at once. Registries limit the
// time of one upload, and uploads share the line: so a failure halves the
// number, and each blob that arrives adds one.
const parallelUploads = 4

// blob is a file that the registry shall have.
type blob struct {
	digest digest.Digest
	size   int64
	path   string
	// what it is called in messages: "layer", "configuration".
	what string
}

func (b blob) String() string {
	return fmt.Sprintf("%s %s (%s)", b.what, shortName(b.digest), humanize.IBytes(uint64(b.size)))
}

// shortName is how a blob is called on a line.
func shortName(d digest.Digest) string {
	name := d.Encoded()
	return name[:min(len(name), 12)]
}

// uploader sends the blobs of one image. Its methods may be called at the same
// time.
type uploader struct {
	s    *Session
	gate *gate
	// cancel ends what is under way after a failure that is final for all.
	cancel context.CancelCauseFunc
	// begun is an upload that no blob has yet, nil for none.
	begun atomic.Pointer[url.URL]
	// mounts are clients that may also read another repository of the registry,
	// by its path.
	mounts map[string]*http.Client
	// whole says that the registry refuses to go on with an upload that broke
	// off, as it does when it limits the size of a chunk.
	whole atomic.Bool
	// arrived counts the blobs that did.
	arrived atomic.Int64

	mu sync.Mutex
	// failed is the first failure for good.
	failed error
	// told is what became of the blobs.
	told tally
}

// newUploader returns an uploader, and the context for its calls. The caller
// calls end when all is over.
func (s *Session) newUploader(ctx context.Context) (_ context.Context, u *uploader, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	u = &uploader{s: s, gate: newGate(parallelUploads), cancel: cancel, mounts: map[string]*http.Client{}}
	for _, from := range s.options.MountFrom {
		named, err := reference.ParseNormalizedNamed(from)
		if err != nil || reference.Domain(named) != s.host || named.Name() == s.Repository {
			continue
		}
		client, err := s.mountClient(ctx, reference.Path(named))
		if err != nil {
			s.options.log().Debug("asking for the right to take blobs over", "from", named.Name(), "error", err)
			continue
		}
		u.mounts[reference.Path(named)] = client
	}
	return ctx, u, func() { cancel(nil) }
}

// mountClient logs in with the right to read another repository too. That is a
// token of its own: a token service may refuse it, or give a token that lacks
// the right to write.
func (s *Session) mountClient(ctx context.Context, from string) (client *http.Client, err error) {
	err = s.attend(ctx, "logging in to", true, func(ctx context.Context, _ func()) error {
		c, err := transport.NewWithContext(ctx, s.repo.Registry, s.authenticator(), transport.NewUserAgent(s.base, userAgent),
			[]string{s.repo.Scope(transport.PushScope), "repository:" + from + ":" + transport.PullScope})
		client = &http.Client{Transport: c}
		return err
	})
	return client, err
}

// authenticator gives the session's login to go-containerregistry.
func (s *Session) authenticator() authn.Authenticator {
	return authn.FromConfig(authn.AuthConfig{
		Username: s.sys.DockerAuthConfig.Username, Password: s.sys.DockerAuthConfig.Password,
		IdentityToken: s.sys.DockerAuthConfig.IdentityToken,
	})
}

// putAll brings all blobs, the largest first, so that none is left alone at the
// end.
func (u *uploader) putAll(ctx context.Context, blobs []blob) error {
	blobs = slices.SortedFunc(slices.Values(blobs), func(a, b blob) int { return cmp.Compare(b.size, a.size) })
	blobs = slices.CompactFunc(blobs, func(a, b blob) bool { return a.digest == b.digest })
	var wg sync.WaitGroup
	for _, b := range blobs {
		wg.Go(func() { _ = u.put(ctx, b) })
	}
	wg.Wait()
	return u.err()
}

// err is the first failure for good, nil where there was none.
func (u *uploader) err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failed
}

// put brings one blob. It returns when the registry has it, or when it or
// another one has failed for good: what is under way is brought to its end then
// where the failure was this blob's own, and nothing new is begun.
func (u *uploader) put(ctx context.Context, b blob) error {
	t := &transfer{u: u, blob: b}
	t.recall()
	defer t.close()
	seen := u.arrived.Load()
	err := u.s.options.retry(ctx, nil, func() (bool, error) {
		if err := u.gate.enter(ctx); err != nil {
			return false, err
		}
		if err := u.err(); err != nil {
			u.gate.leave(true)
			return false, err
		}
		further, err := t.try(ctx)
		u.gate.leave(err == nil)
		if err == nil {
			u.arrived.Add(1)
			return true, nil
		}
		// That others arrive is a sign of life, but none for a large blob that
		// breaks off each time: only time would be lost.
		now := u.arrived.Load()
		others := now > seen
		seen = now
		return further || others && t.lost < smallLayer, err
	})
	if err != nil {
		u.fail(t.explain(err))
	}
	return err
}

func (u *uploader) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed != nil {
		return
	}
	u.failed = err
	var e *Error
	if !errors.As(err, &e) || !e.Retryable() {
		u.cancel(err)
	}
}

// event counts one step.
func (u *uploader) event(e blobEvent) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.told.add(e)
	if u.s.options.onBlob != nil {
		u.s.options.onBlob(e)
	}
}

// gate lets a number of blobs through at a time, and fewer after failures.
type gate struct {
	mu            sync.Mutex
	most          int
	limit, inside int
	// changed is closed and replaced when somebody may try to enter again.
	changed chan struct{}
}

func newGate(most int) *gate {
	return &gate{most: most, limit: most, changed: make(chan struct{})}
}

func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.inside < g.limit {
			g.inside++
			g.mu.Unlock()
			return ctx.Err()
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (g *gate) leave(well bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if well {
		g.limit = min(g.limit+1, g.most)
	} else {
		g.limit = max(g.limit/2, 1)
	}
	close(g.changed)
	g.changed = make(chan struct{})
}
