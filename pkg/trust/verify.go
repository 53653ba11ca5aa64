package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	imagepkg "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// Options say what to verify against.
type Options struct {
	// Policy is written to a folder in Registry.TempDir and used from there, file
	// for file as an image carries it.
	Policy Policy
	// Dir, where set, holds policy.json and registries.d to be used as they
	// stand instead of Policy: "/etc/containers" asks what this machine would
	// accept.
	Dir string
	// Registry says how the registry is reached.
	Registry registry.Options
}

// Class says why an image is not trusted.
type Class string

// The classes.
const (
	// Unsigned: there is no signature.
	Unsigned Class = "unsigned"
	// WrongKey: there are signatures, by other keys.
	WrongKey Class = "wrong-key"
	// WrongAuthor: there are signatures, and none by the identity that is asked
	// for.
	WrongAuthor Class = "wrong-author"
	// Tampered: a signature, or the registry's bytes, are of another image.
	Tampered Class = "tampered"
	// WrongIdentity: a good signature says that it is of another repository.
	WrongIdentity Class = "wrong-identity"
	// Uncovered: the policy accepts the image, or rejects it, without asking for
	// a signature.
	Uncovered Class = "uncovered"
	// Invalid: the signatures cannot be read as such.
	Invalid Class = "invalid"
)

var verdicts = map[Class]struct{ text, hint string }{
	Unsigned:      {"it carries no signature", "sign it, or publish it again; an image that was copied without its sha256-….sig tag loses its signature"},
	WrongKey:      {"none of its signatures was made with an accepted key", "check which key signed it; if the key was changed, clients need the new one first"},
	WrongAuthor:   {"none of its signatures is by whom it must be signed by", "compare the identity and the issuer with what the certificate names"},
	Tampered:      {"its content is not what was signed", "do not use it: the registry, or something before it, returns another image"},
	WrongIdentity: {"it was signed under another name", "sign it again where it lies now; signatures name the repository that they were made for"},
	Uncovered:     {"the policy asks for no signature of it", "make the policy's scope cover the repository"},
	Invalid:       {"its signature cannot be read", "sign it again"},
}

// VerificationError says that an image is not trusted. It is the policy
// engine's verdict, not a failure to reach it.
type VerificationError struct {
	Class Class
	// Image is what was verified.
	Image image.Pinned
	// Err is what the policy engine said.
	Err error
	// Hint is what to do about it, a sentence for a user.
	Hint string
}

// Error returns the verdict and the engine's words; the hint is apart.
func (e *VerificationError) Error() string {
	return fmt.Sprintf("verifying %q: %s: %v", e.Image, verdicts[e.Class].text, e.Err)
}

// Unwrap returns what the policy engine said.
func (e *VerificationError) Unwrap() error { return e.Err }

// Verify asks the policy engine of containers/image whether the image may run,
// and of an index, whether each image in it may. nil means that it demanded
// signatures and found good ones. A refusal is a [*VerificationError], a failure
// of the registry a [*registry.Error].
func Verify(ctx context.Context, p image.Pinned, o Options) error {
	dir := o.Dir
	if dir == "" {
		temp, remove, err := o.Registry.WorkDir()
		if err != nil {
			return fmt.Errorf("verifying %q: %w", p, err)
		}
		defer remove()
		if err := o.Policy.Write(temp, temp); err != nil {
			return err
		}
		dir = filepath.Join(temp, "containers")
	}
	policy, err := signature.NewPolicyFromFile(filepath.Join(dir, "policy.json"))
	if err != nil {
		return fmt.Errorf("reading the signature policy: %w", err)
	}
	ref, err := dockerReference(p)
	if err != nil {
		return fmt.Errorf("verifying %q: %w", p, err)
	}
	if err := covered(policy, ref); err != nil {
		return refuse(Uncovered, p, err)
	}
	session, err := registry.Open(ctx, p.Repository, o.Registry)
	if err != nil {
		return err
	}
	defer session.Close()
	sys := session.System()
	sys.RegistriesDirPath = filepath.Join(dir, "registries.d")
	return each(ctx, p, o.Registry, func(p image.Pinned) error {
		ref, err := dockerReference(p)
		if err != nil {
			return fmt.Errorf("verifying %q: %w", p, err)
		}
		// What is said to be there may have been written a moment ago: GHCR, for one,
		// denies for seconds that it has it.
		return session.Do(ctx, "verifying", func(ctx context.Context) error { return ask(ctx, policy, ref, sys, p) }, registry.Missing)
	})
}

// each has an image verified, and then what is in it: what an index holds is
// believed after the index is.
func each(ctx context.Context, p image.Pinned, o registry.Options, verify func(image.Pinned) error) error {
	if err := verify(p); err != nil {
		return err
	}
	all, err := sign.Images(ctx, p, o)
	if err != nil {
		return err
	}
	for _, inner := range all[1:] {
		if err := verify(inner); err != nil {
			return err
		}
	}
	return nil
}

func dockerReference(p image.Pinned) (types.ImageReference, error) {
	named, err := reference.ParseNormalizedNamed(p.Repository)
	if err != nil {
		return nil, err
	}
	digested, err := reference.WithDigest(reference.TrimNamed(named), p.Digest)
	if err != nil {
		return nil, err
	}
	return docker.NewReference(digested)
}

// ask is one question to the policy engine.
func ask(ctx context.Context, policy *signature.Policy, ref types.ImageReference, sys *types.SystemContext, p image.Pinned) (err error) {
	engine, err := signature.NewPolicyContext(policy)
	if err != nil {
		return fmt.Errorf("verifying %q: %w", p, err)
	}
	defer func() { err = errors.Join(err, engine.Destroy()) }()
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return fmt.Errorf("verifying %q: %w", p, err)
	}
	defer src.Close()
	unparsed := imagepkg.UnparsedInstance(src, nil)
	// Reading the manifest compares it with the digest; done first, so that a
	// registry that cannot be read is not taken for a bad signature.
	if _, _, err := unparsed.Manifest(ctx); err != nil {
		if strings.Contains(err.Error(), "does not match provided manifest digest") {
			return refuse(Tampered, p, err)
		}
		return fmt.Errorf("verifying %q: %w", p, err)
	}
	allowed, err := engine.IsRunningImageAllowed(ctx, unparsed)
	if err == nil && !allowed {
		err = errors.New("the policy engine refuses without saying why")
	}
	if err != nil {
		if class := verdict(err); class != "" {
			return refuse(class, p, err)
		}
		return fmt.Errorf("verifying %q: %w", p, err)
	}
	return nil
}

// verdict reads the class out of the policy engine's words, "" where they are
// no verdict. The engine puts several reasons into one text, so the worst for
// the user is looked for first.
func verdict(err error) Class {
	var requirement signature.PolicyRequirementError
	var invalid signature.InvalidSignatureError
	if !errors.As(err, &requirement) && !errors.As(err, &invalid) {
		return ""
	}
	text := err.Error()
	for _, v := range []struct {
		class Class
		text  string
	}{
		{Unsigned, "A signature was required, but no signature exists"},
		{Tampered, "Signature for digest "},
		{WrongIdentity, "Signature for identity "},
		{WrongKey, "cryptographic signature verification failed"},
		{Uncovered, "is rejected by policy"},
	} {
		if strings.Contains(text, v.text) {
			return v.class
		}
	}
	return Invalid
}

func refuse(class Class, p image.Pinned, err error) error {
	return &VerificationError{Class: class, Image: p, Err: err, Hint: verdicts[class].hint}
}

// requirementsOf looks up what a policy demands of an image as
// containers-policy.json(5) says: by the most specific scope, the transport's own
// default, the policy's. where names the one that decides.
func requirementsOf(policy *signature.Policy, ref types.ImageReference) (_ signature.PolicyRequirements, where string) {
	scopes := policy.Transports[ref.Transport().Name()]
	names := append([]string{ref.PolicyConfigurationIdentity()}, ref.PolicyConfigurationNamespaces()...)
	for _, name := range append(names, "") {
		if r, ok := scopes[name]; ok {
			return r, fmt.Sprintf("scope %q", name)
		}
	}
	return policy.Default, "default"
}

// covered reports an error when the policy would let the image run without a
// signature, or would never let it run: neither is a verification.
func covered(policy *signature.Policy, ref types.ImageReference) error {
	requirements, where := requirementsOf(policy, ref)
	for _, r := range requirements {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		var known requirement
		if err := json.Unmarshal(b, &known); err != nil {
			return err
		}
		if known.Type == "signedBy" || known.Type == "sigstoreSigned" {
			return nil
		}
	}
	return fmt.Errorf("the policy's %s decides, and it looks at no signature", where)
}
