package sign_test

import (
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"

	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// plugin is the program that serves keys of forge://. It is the test program
// itself, under another name.
const plugin = "sigstore-kms-forge"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == plugin {
		if err := serveKeys(); err != nil {
			_ = handler.WriteErrorResponse(os.Stdout, err)
		}
		return
	}
	os.Exit(m.Run())
}

// forge is a key service whose keys are files: forge:///FILE.
type forge struct{ signature.SignerVerifier }

func serveKeys() error {
	args, err := handler.GetPluginArgs(os.Args)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(strings.TrimPrefix(args.InitOptions.KeyResourceID, "forge://"))
	if err != nil {
		return err
	}
	key, err := cosign.LoadPrivateKey(raw, nil, nil)
	if err != nil {
		return err
	}
	_, err = handler.Dispatch(os.Stdout, os.Stdin, args, forge{key})
	return err
}

// CreateKey and the others are of a key service, and nobody asks for them.
func (forge) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errors.ErrUnsupported
}

func (forge) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return nil, nil, errors.ErrUnsupported
}

func (forge) SupportedAlgorithms() []string { return nil }

func (forge) DefaultAlgorithm() string { return "" }

// TestKeyService signs with a key that only a plugin of sigstore's can reach.
func TestKeyService(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, plugin)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	private, public, err := sign.GenerateKeys(dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.LoadKey(t.Context(), "forge://"+private, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := os.ReadFile(public); string(s.PublicKey()) != string(want) {
		t.Errorf("the public key is\n%s, not\n%s", s.PublicKey(), want)
	}
	r := testregistry.New(t, testregistry.Options{})
	o := signbed.Options(t, r)
	p := signbed.Push(t, r, o)
	if err := s.Sign(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	if err := cosignAccepts(t, p, s, o); err != nil {
		t.Errorf("cosign refuses: %v", err)
	}
	attest(t, s, p, spdx, `{"a":1}`, o)
	if got := said(t, s, p, o); len(got) != 1 {
		t.Errorf("the attestations are %q", got)
	}

	_, err = sign.LoadKey(t.Context(), "forge://"+filepath.Join(dir, "none.key"), nil)
	var refused *sign.KeyError
	if !errors.As(err, &refused) || refused.Reason != sign.KeyUnsupported || !strings.Contains(refused.Hint, "the service's plugin refused") {
		t.Errorf("of a key that is not there: %v", err)
	}
}
