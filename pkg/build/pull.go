package build

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/docker/distribution/registry/api/errcode"
	errcodev2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/common/libimage"
	"go.podman.io/common/pkg/config"
	"go.podman.io/common/pkg/retry"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	imagev5 "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

const (
	pullRetries = 3
	pullDelay   = 2 * time.Second
)

// pullForReading is [Builder.pull] outside of a build.
func (b *Builder) pullForReading(ctx context.Context, ref string, key []byte, st progress.Stage) (id string, err error) {
	r, err := b.runs.create()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.discard(r)) }()
	return b.pull(ctx, r, ref, key, st)
}

// pull makes sure that the image is in the store, and returns its ID. With a
// key (PEM), ref must be "repository@digest" and is refused unless it is
// signed with that key; that is asked of the registry even where the store has
// the image, since nobody knows how it came there. st may be nil.
func (b *Builder) pull(ctx context.Context, r *run, ref string, key []byte, st progress.Stage) (string, error) {
	if st == nil {
		st = progress.Discard.Stage("")
	}
	if key != nil {
		if err := b.verify(ctx, r, ref, key); err != nil {
			return "", err
		}
	}
	files, err := writePolicy(r.dir, nil, nil)
	if err != nil {
		return "", err
	}
	_, named, _, err := parseBase(ref)
	if err != nil {
		return "", err
	}
	sys, err := b.access.reading(ctx, named)
	if err != nil {
		return "", err
	}
	sys.BigFilesTemporaryDir = r.path("tmp")
	files.apply(sys)
	rt, err := libimage.RuntimeFromStore(b.store, &libimage.RuntimeOptions{SystemContext: sys})
	if err != nil {
		return "", err
	}
	var id string
	err = retryPull(ctx, b.log, func() error {
		events, stop := showTransfers(st)
		defer stop()
		// Retries are ours: the library's own give up on errors that pass.
		none := uint(0)
		options := &libimage.PullOptions{CopyOptions: libimage.CopyOptions{
			SignaturePolicyPath: files.policy, Progress: events, MaxRetries: &none, Writer: io.Discard,
		}}
		images, err := rt.Pull(ctx, ref, config.PullPolicyMissing, options)
		if err != nil {
			return err
		}
		if len(images) != 1 {
			return fmt.Errorf("%d images were pulled, not one", len(images))
		}
		id = images[0].ID()
		return nil
	})
	return id, err
}

// showTransfers shows the blobs of a copy as transfers of the stage. stop must
// be called when the copy has ended.
func showTransfers(st progress.Stage) (events chan types.ProgressProperties, stop func()) {
	events = make(chan types.ProgressProperties)
	done := make(chan struct{})
	go func() {
		defer close(done)
		transfers := map[string]progress.Transfer{}
		for e := range events {
			name := e.Artifact.Digest.String()
			t := transfers[name]
			if t == nil {
				t = st.Transfer(e.Artifact.Digest.Encoded()[:min(12, len(e.Artifact.Digest.Encoded()))], e.Artifact.Size)
				transfers[name] = t
			}
			switch e.Event {
			case types.ProgressEventRead:
				t.Add(int64(e.OffsetUpdate))
			case types.ProgressEventDone:
				t.Add(int64(e.OffsetUpdate))
				t.Done("")
				delete(transfers, name)
			case types.ProgressEventSkipped:
				t.Done("exists")
				delete(transfers, name)
			}
		}
		for _, t := range transfers {
			t.Done("interrupted")
		}
	}()
	return events, func() { close(events); <-done }
}

// verify requires a signature made with key for the image in the registry: for
// the manifest that ref names or, where that is a list, for the manifest of
// this machine in it. Both are enough, since the list holds the digest of the
// manifest.
func (b *Builder) verify(ctx context.Context, r *run, ref string, key []byte) (err error) {
	kind, named, _, err := parseBase(ref)
	if err != nil {
		return err
	}
	if _, pinned := named.(reference.Digested); kind != fromRegistry || !pinned {
		return errors.New("a signature can be required of a base in a registry only, pinned by digest")
	}
	dir := r.path("verify")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files, err := writePolicy(dir, named, key)
	if err != nil {
		return err
	}
	sys, err := b.access.reading(ctx, named)
	if err != nil {
		return err
	}
	files.apply(sys)
	policy, err := files.context()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	return retryPull(ctx, b.log, func() error { return verifyRemote(ctx, named, sys, policy) })
}

func verifyRemote(ctx context.Context, named reference.Named, sys *types.SystemContext, policy *signature.PolicyContext) (err error) {
	ref, err := docker.NewReference(named)
	if err != nil {
		return err
	}
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	top := imagev5.UnparsedInstance(src, nil)
	_, refused := policy.IsRunningImageAllowed(ctx, top)
	if refused == nil {
		return nil
	}
	raw, mime, err := top.Manifest(ctx)
	if err != nil {
		return err
	}
	if !manifest.MIMETypeIsMultiImage(mime) {
		return refused
	}
	list, err := manifest.ListFromBlob(raw, mime)
	if err != nil {
		return err
	}
	instance, err := list.ChooseInstance(sys)
	if err != nil {
		return err
	}
	_, err = policy.IsRunningImageAllowed(ctx, imagev5.UnparsedInstance(src, &instance))
	return err
}

// retryPull calls f until it succeeds, fails for good, or has failed too often.
// log may be nil.
func retryPull(ctx context.Context, log *slog.Logger, f func() error) error {
	return retry.IfNecessary(ctx, f, &retry.Options{
		MaxRetry: pullRetries, Delay: pullDelay,
		IsErrorRetryable: func(err error) bool {
			again := ctx.Err() == nil && isTransient(err)
			if again && log != nil {
				log.WarnContext(ctx, "pulling again after a transient error", "error", err)
			}
			return again
		},
	})
}

// isTransient reports whether a failed pull is worth another try. To what the
// library retries it adds what registries and their front ends answer on bad
// days, and connections that broke in the middle of a body.
func isTransient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		switch status.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError:
			return true
		}
	}
	for _, target := range []error{
		io.ErrUnexpectedEOF, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET, docker.ErrTooManyRequests,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return retry.IsErrorRetryable(err)
}

// newPullError says what can be done about err, as far as its kind is known.
func newPullError(ref string, pos diag.Pos, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &PullError{Image: ref, Pos: pos, Err: err}
	var (
		dns       *net.DNSError
		op        *net.OpError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case isRefusal(err):
		e.Refused = true
		e.Hint = "the base is not signed with the key of base.verify; get the publisher's key, or do not use this base"
	case isUnauthorized(err):
		e.Hint = "log in with 'bootkiln login', and check that the name is right: registries answer the same for images that do not exist"
	case hasCode(err, errcodev2.ErrorCodeNameUnknown, errcodev2.ErrorCodeManifestUnknown):
		e.Hint = "check the name and the tag of base.image"
	case errors.As(err, &untrusted):
		e.Hint = "put the authority's certificate where containers-certs.d(5) says: /etc/containers/certs.d/<host:port>/ca.crt"
	case errors.As(err, &dns):
		e.Hint = "check the registry's name, and the network"
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = "check the path of base.image"
	case errors.As(err, &op):
		e.Hint = "check that the registry can be reached from here"
	}
	return e
}

// isRefusal reports whether the policy engine came to the verdict that the image
// is not signed as it must be.
func isRefusal(err error) bool {
	var (
		requirement signature.PolicyRequirementError
		invalid     signature.InvalidSignatureError
	)
	return errors.As(err, &requirement) || errors.As(err, &invalid)
}

func isUnauthorized(err error) bool {
	var credentials docker.ErrUnauthorizedForCredentials
	return errors.As(err, &credentials) || hasCode(err, errcode.ErrorCodeUnauthorized, errcode.ErrorCodeDenied)
}

// hasCode reports whether a registry answered with one of the codes. The
// library decodes one error with the default message as a bare code, one with
// a message of its own as an error, and several as a list.
func hasCode(err error, codes ...errcode.ErrorCode) bool {
	var (
		bare errcode.ErrorCode
		one  errcode.Error
		list errcode.Errors
	)
	switch {
	case errors.As(err, &bare):
		return slices.Contains(codes, bare)
	case errors.As(err, &one):
		return slices.Contains(codes, one.Code)
	case errors.As(err, &list):
		return slices.ContainsFunc(list, func(err error) bool { return hasCode(err, codes...) })
	}
	return false
}
