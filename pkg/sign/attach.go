package sign

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// rounds is how often what another signer overwrote is written again.
const rounds = 5

// attachment is what a signer writes beside an image.
type attachment struct {
	// noun is what it is called, and op what is done: "signing".
	noun, op string
	// present reports whether the image has it already.
	present func(oci.SignedEntity) (bool, error)
	// make makes it, and add adds it to what the image has.
	make func(ctx context.Context) (oci.Signature, error)
	add  func(ctx context.Context, before oci.SignedEntity, made oci.Signature) (oci.SignedEntity, error)
	// write puts the image's attachments of this kind into the registry.
	write func(name.Repository, oci.SignedEntity, ...ociremote.Option) error
}

// attach writes the attachment unless it is there. Registries cannot append:
// signers read, add and write. It reads again afterwards, and repeats itself
// when what it wrote was lost to another signer.
func attach(ctx context.Context, session *registry.Session, p image.Pinned, retry registry.Retry, a attachment) error {
	// A signature of what is not there would be worth nothing, and cosign does
	// not look. What was pushed a moment ago is not seen everywhere at once.
	if _, err := session.Resolve(ctx, p.Digest.String(), registry.Missing); err != nil {
		return err
	}
	target := session.Name().Digest(p.Digest.String())
	beside := func(ctx context.Context) (oci.SignedEntity, ociremote.Option) {
		remote := ociremote.WithRemoteOptions(session.Remote(ctx)...)
		return ociremote.SignedUnknown(target, remote), remote
	}
	present := func() (yes bool, err error) {
		err = session.Do(ctx, "reading the "+a.noun+"s of", func(ctx context.Context) (err error) {
			entity, _ := beside(ctx)
			yes, err = a.present(entity)
			return err
		}, registry.Missing) // what the list names was written, perhaps a moment ago
		return yes, err
	}

	var made oci.Signature
	for range rounds {
		if done, err := present(); err != nil || done {
			return err
		}
		// What fails here is the key or a service, and not the registry.
		if made == nil {
			var err error
			if made, err = a.make(ctx); err != nil {
				return fmt.Errorf("%s %q: %w", a.op, p, err)
			}
		}
		err := session.Do(ctx, a.op, func(ctx context.Context) error {
			before, remote := beside(ctx)
			entity, err := a.add(ctx, before, made)
			if err != nil {
				return err
			}
			return a.write(session.Name(), entity, remote)
		}, registry.Missing)
		if err != nil {
			return err
		}
		if err := settle(ctx, retry); err != nil {
			return err
		}
	}
	// What the last round wrote may stand.
	if done, err := present(); err != nil || done {
		return err
	}
	return &registry.Error{
		Class: registry.Inconsistent, Registry: session.Name().RegistryStr(), Repository: p.Repository, Op: a.op,
		Err:  fmt.Errorf("the %s of %s was overwritten %d times", a.noun, p.Digest, rounds),
		Hint: "other signers write to the same image: let one finish before the next begins",
	}
}

// settle gives another signer that has read the same attachments the time to
// write, so that its overwriting is seen.
func settle(ctx context.Context, r registry.Retry) error {
	const pause = 500 * time.Millisecond
	if r.Sleep != nil {
		return r.Sleep(ctx, pause)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
