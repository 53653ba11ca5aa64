package sign_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/sign"
)

func password(s string) sign.PassFunc { return func() ([]byte, error) { return []byte(s), nil } }

func TestGenerateAndLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, public, err := sign.GenerateKeys(dir, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if private != filepath.Join(dir, "cosign.key") || public != filepath.Join(dir, "cosign.pub") {
		t.Errorf("wrote %q and %q", private, public)
	}
	for path, mode := range map[string]os.FileMode{private: 0o600, public: 0o644} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", path, fi.Mode().Perm(), mode)
		}
	}
	s, err := sign.LoadKey(t.Context(), private, password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := os.ReadFile(public); !bytes.Equal(s.PublicKey(), want) {
		t.Errorf("public key\n%s, want\n%s", s.PublicKey(), want)
	}

	before, _ := os.ReadFile(private)
	for _, gone := range []string{"", private, public} {
		if gone != "" {
			if err := os.Rename(gone, gone+".old"); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = sign.GenerateKeys(dir, "", nil)
		var e *sign.KeyError
		if !errors.As(err, &e) || e.Reason != sign.KeyExists {
			t.Errorf("with %q gone: %v, want reason %s", gone, err, sign.KeyExists)
		}
		if gone != "" {
			if err := os.Rename(gone+".old", gone); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after, _ := os.ReadFile(private); !bytes.Equal(before, after) {
		t.Error("the key was overwritten")
	}
}

func TestLoadKeyFromEnvironment(t *testing.T) {
	private, _, err := sign.GenerateKeys(t.TempDir(), "ci", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(private)
	t.Setenv("TEST_SIGNING_KEY", string(raw))
	if _, err := sign.LoadKey(t.Context(), "env://TEST_SIGNING_KEY", password("secret")); err != nil {
		t.Error(err)
	}
	_, err = sign.LoadKey(t.Context(), "env://TEST_SIGNING_KEY_UNSET", nil)
	var e *sign.KeyError
	if !errors.As(err, &e) || e.Reason != sign.KeyMissing {
		t.Errorf("%v, want reason %s", err, sign.KeyMissing)
	}
}

func TestLoadKeyErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, public, err := sign.GenerateKeys(dir, "mine", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	other, otherPublic, err := sign.GenerateKeys(dir, "other", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw, _ := os.ReadFile(private)
	theirs, _ := os.ReadFile(otherPublic)
	mixed := file("mixed.key", raw)
	file("mixed.pub", theirs)
	broken := file("broken.key", raw)
	file("broken.pub", []byte("no key"))

	refused := errors.New("no terminal to ask on")
	for name, tt := range map[string]struct {
		ref    string
		pass   sign.PassFunc
		reason sign.KeyReason
		says   string
		hint   string
	}{
		"missing file":      {filepath.Join(dir, "none.key"), nil, sign.KeyMissing, "no such file", "keygen"},
		"wrong password":    {private, password("wrong"), sign.KeyPassword, "the password is wrong", "COSIGN_PASSWORD"},
		"no password":       {private, nil, sign.KeyPassword, "no password was given", "COSIGN_PASSWORD"},
		"empty password":    {other, password(""), sign.KeyPassword, "no password was given", "COSIGN_PASSWORD"},
		"public key":        {public, nil, sign.KeyInvalid, "public key", "cosign.key"},
		"text":              {file("text", []byte("hello")), nil, sign.KeyInvalid, "not in PEM", "BEGIN ENCRYPTED"},
		"other key":         {file("ssh", []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")), nil, sign.KeyInvalid, "EC PRIVATE KEY", "import-key-pair"},
		"cut off":           {file("cut", []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n")), nil, sign.KeyInvalid, "", "damaged"},
		"folder":            {dir, nil, sign.KeyInvalid, "is a directory", "readable"},
		"other public half": {mixed, password("secret"), sign.KeyMismatch, "another private key", "clients would refuse"},
		"bad public half":   {broken, password("secret"), sign.KeyMismatch, "broken.pub", "clients would refuse"},
		"service":           {"nosuchkms://key/1", nil, sign.KeyUnsupported, "sigstore-kms-nosuchkms", "PATH"},
		"AWS":               {"awskms:///alias/os", nil, sign.KeyUnsupported, "no program sigstore-kms-awskms was found", "PATH"},
		"hardware":          {"pkcs11:token=kiln;object=os", nil, sign.KeyUnsupported, "PKCS #11", "cosign sign"},
		"web":               {"https://127.0.0.1/cosign.key", nil, sign.KeyUnsupported, "network", "download"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sign.LoadKey(t.Context(), tt.ref, tt.pass)
			var e *sign.KeyError
			if !errors.As(err, &e) {
				t.Fatalf("%v, want a KeyError", err)
			}
			if e.Reason != tt.reason || !strings.Contains(err.Error(), tt.says) || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("reason %s, %q, hint %q; want %s, %q, %q", e.Reason, err, e.Hint, tt.reason, tt.says, tt.hint)
			}
			if e.Ref != tt.ref {
				t.Errorf("ref %q, want %q", e.Ref, tt.ref)
			}
		})
	}
	if _, err := sign.LoadKey(t.Context(), private, func() ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("%v, want what the password function said", err)
	}
}
