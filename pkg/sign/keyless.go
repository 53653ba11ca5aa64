package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"
	rekor "github.com/sigstore/rekor/pkg/client"
	"github.com/sigstore/rekor/pkg/generated/client"
	"github.com/sigstore/rekor/pkg/generated/models"
	sigstore "github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/oauthflow"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// The public instance of sigstore.
const (
	PublicFulcio = "https://fulcio.sigstore.dev"
	PublicRekor  = "https://rekor.sigstore.dev"
)

// KeylessError says why signing without a key does not work.
type KeylessError struct {
	Class KeylessClass
	// Op is what was done, as a gerund.
	Op  string
	Err error
	// Hint is a sentence for a user.
	Hint string
}

// Error returns the operation and the cause; the hint is apart.
func (e *KeylessError) Error() string {
	return fmt.Sprintf("signing without a key: %s: %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *KeylessError) Unwrap() error { return e.Err }

// MendHint returns the hint.
func (e *KeylessError) MendHint() string { return e.Hint }

// KeylessOptions say how to sign without a key.
type KeylessOptions struct {
	// Fulcio and Rekor are the services' addresses, such as [PublicFulcio].
	Fulcio, Rekor string
	// Token returns an OIDC token for the audience "sigstore"; see [Token].
	Token func(ctx context.Context) (string, error)
	// TrustedRoot is the file with the services' roots, as in [LoadRoots].
	TrustedRoot string
	// Now is the clock that says when a certificate has to be renewed.
	Now func() time.Time
	// Wait is how long to wait before a service is asked again, the first time; 0
	// is a second.
	Wait time.Duration
}

// NewKeyless returns a signer that signs with keys of its own, each thrown away
// after minutes: Fulcio certifies that whom the token names holds it, and Rekor,
// a public log, writes down when it was used. Whether there is a token is found
// out at once. Failures are a [*KeylessError].
//
// The policy of podman and bootc can demand a mail address of a certificate and
// nothing else, so what a workflow of GitHub's signs in this way, machines that
// enforce a policy refuse. A signature with a key can stand beside it.
func NewKeyless(ctx context.Context, o KeylessOptions) (*Signer, error) {
	// By itself it asks again without waiting.
	log, err := rekor.GetRekorClient(o.Rekor, rekor.WithRetryCount(tries), rekor.WithRetryWaitMin(firstWait(o.Wait)), rekor.WithRetryWaitMax(longest))
	if err != nil {
		return nil, fmt.Errorf("reading the address %q of Rekor: %w", o.Rekor, err)
	}
	if _, err := o.Token(ctx); err != nil {
		return nil, err
	}
	roots, err := LoadRoots(o.TrustedRoot)
	if err != nil {
		return nil, err
	}
	return &Signer{hand: &keyless{o: o, log: log, roots: roots}}, nil
}

// keyless is the hand of somebody whom certificates name.
type keyless struct {
	o     KeylessOptions
	log   *client.Rekor
	roots *Roots

	mu      sync.Mutex
	current *certified
}

// certified is a key and who holds it.
type certified struct {
	key         ephemeral
	leaf        *x509.Certificate
	cert, chain []byte // in PEM
	author      Author
}

// ephemeral is sigstore-go's key as cosign takes it.
type ephemeral struct{ *sigstore.EphemeralKeypair }

// PublicKey implements [signature.Signer].
func (e ephemeral) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return e.GetPublicKey(), nil
}

// SignMessage implements [signature.Signer].
func (e ephemeral) SignMessage(message io.Reader, with ...signature.SignOption) ([]byte, error) {
	b, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	for _, o := range with {
		o.ApplyContext(&ctx)
	}
	sig, _, err := e.SignData(ctx, b)
	return sig, err
}

// left is how long a certificate, of ten minutes, must be good for still: Rekor
// has to write the signature down before it ends.
const left = 2 * time.Minute

// patience is for how long a certificate is waited for, with all tries.
const patience = 2 * time.Minute

// claims are those in a token, which nobody has verified; nil where it is none.
func claims(token string) []byte {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return b
}

// certificate returns the current key, or has a new one certified.
func (k *keyless) certificate(ctx context.Context) (*certified, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.o.Now().Add(left).Before(k.current.leaf.NotAfter) {
		return k.current, nil
	}
	token, err := k.o.Token(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := oauthflow.SubjectFromUnverifiedToken(claims(token)); err != nil {
		return nil, &KeylessError{
			Class: NoIdentity, Op: "reading the OIDC token", Err: errors.New("it is no token that names somebody"),
			Hint: "SIGSTORE_ID_TOKEN must hold an identity token for the audience sigstore, as three words with dots between them",
		}
	}
	key, err := sigstore.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	// By itself it asks again without the answer's words, and no Ctrl-C ends it.
	bound, done := context.WithTimeout(ctx, patience)
	defer done()
	fulcio := sigstore.NewFulcio(&sigstore.FulcioOptions{
		BaseURL: strings.TrimSuffix(k.o.Fulcio, "/"), Transport: bounded{serviceClient(k.o.Wait).Transport, bound}, Timeout: -1,
	})
	der, err := fulcio.GetCertificate(ctx, key, &sigstore.CertificateProviderOptions{IDToken: token})
	if err != nil {
		// The request and its address are said already.
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		failure := &KeylessError{
			Class: classOf(err), Op: "getting a certificate from " + k.o.Fulcio, Err: err,
			Hint: "try again; https://status.sigstore.dev says whether the service is up. A key needs no service: sign: {key: cosign.key}",
		}
		if failure.Class == ServiceRefused {
			failure.Hint = "the service must know who issued the token, which must be fresh, and for the audience sigstore"
		}
		return nil, failure
	}
	c, err := k.certified(ephemeral{key}, der)
	if err != nil {
		return nil, &KeylessError{
			Class: RootsMismatch, Op: "checking the certificate of " + k.o.Fulcio, Err: err,
			Hint: "the trusted root and the service's address must be of the same sigstore instance",
		}
	}
	k.current = c
	return c, nil
}

// certified accepts a certificate that verifiers will accept.
func (k *keyless) certified(key ephemeral, der []byte) (*certified, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	chains, err := verify.VerifyLeafCertificate(leaf.NotBefore, leaf, k.roots.material)
	if err != nil {
		return nil, err
	}
	if err := verify.VerifySignedCertificateTimestamp(chains, 1, k.roots.material); err != nil {
		return nil, err
	}
	names := cryptoutils.GetSubjectAlternateNames(leaf)
	if len(names) == 0 {
		return nil, errors.New("it names nobody")
	}
	extensions := cosign.CertExtensions{Cert: leaf}
	c := &certified{key: key, leaf: leaf, author: Author{
		Name: names[0], Identity: Identity{Subject: names[0], Issuer: extensions.GetIssuer()}, Roots: k.roots,
	}}
	if c.cert, err = cryptoutils.MarshalCertificateToPEM(leaf); err != nil {
		return nil, err
	}
	c.chain, err = cryptoutils.MarshalCertificatesToPEM(chains[0][1:])
	return c, err
}

func (k *keyless) author(ctx context.Context) (Author, error) {
	c, err := k.certificate(ctx)
	if err != nil {
		return Author{}, err
	}
	return c.author, nil
}

func (k *keyless) sign(ctx context.Context, message []byte) (oci.Signature, error) {
	c, err := k.certificate(ctx)
	if err != nil {
		return nil, err
	}
	sig, err := c.key.SignMessage(bytes.NewReader(message), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	hash.Write(message)
	logged, err := k.logged(cosign.TLogUpload(ctx, k.log, sig, hash, c.cert))
	if err != nil {
		return nil, err
	}
	made, err := static.NewSignature(message, base64.StdEncoding.EncodeToString(sig), slices.Concat(c.annotations(), logged)...)
	if err != nil {
		return nil, err
	}
	return made, k.sound(c.author.Signed(ctx, made))
}

func (k *keyless) attest(ctx context.Context, predicateType string, statement []byte) (oci.Signature, error) {
	c, err := k.certificate(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := dsse.WrapSigner(c.key, types.IntotoPayloadType).SignMessage(bytes.NewReader(statement), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	logged, err := k.logged(cosign.TLogUploadDSSEEnvelope(ctx, k.log, signed, c.cert))
	if err != nil {
		return nil, err
	}
	made, err := newAttestation(signed, predicateType, slices.Concat(c.annotations(), logged)...)
	if err != nil {
		return nil, err
	}
	return made, k.sound(c.author.attested(ctx, made, none))
}

func (c *certified) annotations() []static.Option {
	return []static.Option{static.WithCertChain(c.cert, c.chain)}
}

// logged is what Rekor's answer adds to a signature.
func (k *keyless) logged(entry *models.LogEntryAnon, err error) ([]static.Option, error) {
	// The client has no value for it.
	if err != nil && strings.Contains(err.Error(), "is not supported by the TextConsumer") {
		err = errors.New("its answer is not that of a Rekor")
	}
	if err == nil && (entry.Verification == nil || entry.IntegratedTime == nil || entry.LogIndex == nil || entry.LogID == nil) {
		err = errors.New("it answers without a signed time")
	}
	if err != nil {
		return nil, &KeylessError{
			Class: classOf(err), Op: "writing to the log " + k.o.Rekor, Err: err,
			Hint: "try again; https://status.sigstore.dev says whether the service is up. A key needs no log: sign: {key: cosign.key}",
		}
	}
	return []static.Option{static.WithBundle(bundle.EntryToBundle(entry))}, nil
}

// sound reports what verifiers would refuse before anything is attached.
func (k *keyless) sound(err error) error {
	if err == nil {
		return nil
	}
	return &KeylessError{
		Class: RootsMismatch, Op: "verifying what was made", Err: err,
		Hint: "the trusted root and the services' addresses must be of the same sigstore instance",
	}
}
