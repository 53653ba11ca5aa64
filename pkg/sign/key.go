package sign

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sigstore/cosign/v2/pkg/blob"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"
)

// PassFunc returns the password of a private key. It is asked only for keys
// that have one.
type PassFunc func() ([]byte, error)

// KeyReason says why a key cannot be used.
type KeyReason string

// The reasons.
const (
	// KeyMissing: there is no such file or variable.
	KeyMissing KeyReason = "missing"
	// KeyPassword: the password is wrong, or none was given.
	KeyPassword KeyReason = "password"
	// KeyInvalid: it is no private key of cosign's.
	KeyInvalid KeyReason = "invalid"
	// KeyMismatch: the public key beside it belongs to another private key.
	KeyMismatch KeyReason = "mismatch"
	// KeyUnsupported: keys of this kind cannot be reached.
	KeyUnsupported KeyReason = "unsupported"
	// KeyExists: a key file is in the way of a new one.
	KeyExists KeyReason = "exists"
)

// KeyError says why a key cannot be used, and how to mend it. It never holds
// key material.
type KeyError struct {
	// Ref is the key as the user named it.
	Ref    string
	Reason KeyReason
	Err    error
	// Hint is a sentence for a user.
	Hint string
}

// Error returns the reference and the cause; the hint is apart.
func (e *KeyError) Error() string { return fmt.Sprintf("using the key %q: %v", e.Ref, e.Err) }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// LoadKey loads a private key of cosign's: a file, env://NAME, or a key
// management service as NAME://…, which the program sigstore-kms-NAME serves
// (sigstore's plugin protocol). An encrypted key is decrypted here, with the
// password that pass returns; nil is the empty password. Failures are a
// [*KeyError], but for those of pass, which are returned as they are.
//
// Where a file cosign.pub lies beside a file cosign.key (or NAME.pub beside
// NAME.key), the two must belong together, because cosign.pub is what clients
// are given.
func LoadKey(ctx context.Context, ref string, pass PassFunc) (*Signer, error) {
	scheme, _, isURI := strings.Cut(ref, "://")
	if isURI && scheme != "env" {
		return loadService(ctx, ref, scheme)
	}
	if strings.HasPrefix(ref, "pkcs11:") {
		return nil, &KeyError{
			Ref: ref, Reason: KeyUnsupported, Err: errors.New("keys in hardware (PKCS #11) are not reached"),
			Hint: `push without a tag, and sign the digest with "cosign sign --key pkcs11:… --tlog-upload=false" of version 2; or use a key file, env://NAME or a key service`,
		}
	}
	raw, err := blob.LoadFileOrURL(ref)
	if err != nil {
		e := &KeyError{Ref: ref, Reason: KeyMissing, Err: err, Hint: `make a pair with "bootkiln keygen", or name the file with the private key`}
		if file := (*fs.PathError)(nil); errors.As(err, &file) {
			e.Err = file.Err // the message names the file already
		}
		switch {
		case isURI:
			e.Err = errors.New("the environment variable is not set")
			e.Hint = "set the variable to the text of the private key, with its BEGIN and END lines"
		case !errors.Is(err, fs.ErrNotExist):
			e.Reason, e.Hint = KeyInvalid, "the file must be readable"
		}
		return nil, e
	}
	s, err := decrypt(ref, raw, pass)
	if err != nil {
		return nil, err
	}
	if !isURI {
		if err := matches(s.public, ref); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func decrypt(ref string, raw []byte, pass PassFunc) (*Signer, error) {
	invalid := func(err error, hint string) error {
		return &KeyError{Ref: ref, Reason: KeyInvalid, Err: err, Hint: hint}
	}
	block, _ := pem.Decode(raw)
	switch {
	case block == nil:
		return nil, invalid(errors.New("it is not in PEM"), `a private key of cosign's begins with "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"`)
	case block.Type == "PUBLIC KEY":
		return nil, invalid(errors.New("it is a public key"), "signing needs the private key, which is cosign.key and not cosign.pub")
	case block.Type != cosign.CosignPrivateKeyPemType && block.Type != cosign.SigstorePrivateKeyPemType:
		return nil, invalid(fmt.Errorf("it is a %q and not a private key of cosign's", block.Type), `convert it with "cosign import-key-pair"`)
	}
	var password []byte
	if pass != nil {
		var err error
		if password, err = pass(); err != nil {
			return nil, err
		}
	}
	key, err := cosign.LoadPrivateKey(raw, password, nil)
	if err != nil {
		// go-securesystemslib has no value for it.
		if strings.Contains(err.Error(), "decryption failed") {
			e := &KeyError{Ref: ref, Reason: KeyPassword, Err: errors.New("the password is wrong"), Hint: "check COSIGN_PASSWORD"}
			if len(password) == 0 {
				e.Err, e.Hint = errors.New("it is encrypted and no password was given"), "set COSIGN_PASSWORD to the key's password"
			}
			return nil, e
		}
		return nil, invalid(err, "the file is damaged: take it from a backup")
	}
	return keySigner(ref, key)
}

func keySigner(ref string, key signature.SignerVerifier) (*Signer, error) {
	public, err := key.PublicKey()
	if err != nil {
		return nil, &KeyError{Ref: ref, Reason: KeyInvalid, Err: err}
	}
	encoded, err := cryptoutils.MarshalPublicKeyToPEM(public)
	if err != nil {
		return nil, &KeyError{Ref: ref, Reason: KeyInvalid, Err: err}
	}
	return &Signer{hand: &keyed{key: key, by: Author{Name: ref, Key: encoded}}, public: encoded}, nil
}

// matches compares a key's public half with the one beside its file.
func matches(encoded []byte, path string) error {
	base, ok := strings.CutSuffix(path, ".key")
	if !ok {
		return nil
	}
	raw, err := os.ReadFile(base + ".pub")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var public, own crypto.PublicKey
		if public, err = cryptoutils.UnmarshalPEMToPublicKey(raw); err == nil {
			if own, err = cryptoutils.UnmarshalPEMToPublicKey(encoded); err == nil {
				if cryptoutils.EqualKeys(own, public) != nil {
					err = errors.New("it belongs to another private key")
				}
			}
		}
	}
	if err != nil {
		return &KeyError{
			Ref: path, Reason: KeyMismatch, Err: fmt.Errorf("comparing it with %q: %w", base+".pub", err),
			Hint: "clients would refuse what this key signs: bring the pair together again, or move the other file away",
		}
	}
	return nil
}

// loadService reaches a key that a service holds. cosign's builds link the
// clouds' libraries, which would double this program; the plugin protocol
// reaches the same services.
func loadService(ctx context.Context, ref, scheme string) (*Signer, error) {
	if scheme == "http" || scheme == "https" {
		return nil, &KeyError{
			Ref: ref, Reason: KeyUnsupported, Err: errors.New("a private key is not fetched over the network"), Hint: "download it first",
		}
	}
	key, err := kms.Get(ctx, ref, crypto.SHA256)
	if err == nil {
		// The service is asked for the first time.
		var s *Signer
		if s, err = keySigner(ref, key); err == nil {
			return s, nil
		}
	}
	if invalid := (*KeyError)(nil); errors.As(err, &invalid) {
		err = invalid.Err
	}
	if none := (*kms.ProviderNotFoundError)(nil); errors.As(err, &none) {
		return nil, &KeyError{
			Ref: ref, Reason: KeyUnsupported, Err: fmt.Errorf("no program sigstore-kms-%s was found", scheme),
			Hint: fmt.Sprintf("put sigstore's plugin for this service, a program called sigstore-kms-%s, into a folder of PATH; "+
				"or use a key file or env://NAME", scheme),
		}
	}
	return nil, &KeyError{Ref: ref, Reason: KeyUnsupported, Err: err, Hint: "the service's plugin refused: check the key's name and your rights to it"}
}

// GenerateKeys makes a key pair, PREFIX.key encrypted with pass (which may be
// empty) and readable by its owner alone, and PREFIX.pub. prefix "" is
// "cosign". It never overwrites: a file that is there is a [*KeyError] with
// [KeyExists], and neither is written.
func GenerateKeys(dir, prefix string, pass []byte) (private, public string, err error) {
	if prefix == "" {
		prefix = "cosign"
	}
	private, public = filepath.Join(dir, prefix+".key"), filepath.Join(dir, prefix+".pub")
	for _, path := range []string{private, public} {
		if _, err := os.Lstat(path); err == nil {
			return "", "", exists(path, fs.ErrExist)
		}
	}
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return pass, nil })
	if err != nil {
		return "", "", fmt.Errorf("making a key pair: %w", err)
	}
	if err := create(private, pair.PrivateBytes, 0o600); err != nil {
		return "", "", err
	}
	if err := create(public, pair.PublicBytes, 0o644); err != nil {
		_ = os.Remove(private) // made above, and of no use alone
		return "", "", err
	}
	return private, public, nil
}

// create writes a file that must not exist.
func create(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return exists(path, err)
	}
	if err != nil {
		return fmt.Errorf("making a key pair: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("making a key pair: %w", err)
	}
	return nil
}

func exists(path string, err error) error {
	return &KeyError{Ref: path, Reason: KeyExists, Err: err, Hint: "a key is never overwritten: choose another folder or prefix, or move the file away"}
}
