// Package trust makes containers/image, and so podman, skopeo and bootc, accept
// an image only when it is signed with given keys: it writes the files for that
// (containers-policy.json(5), containers-registries.d(5)), and asks the policy
// engine itself, with exactly these files, whether an image.Pinned passes.
package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"go.podman.io/image/v5/docker/reference"
)

// Policy demands signatures for what lies under a scope. Images outside it are
// accepted as before, but not by the policy's default: that rejects, because
// "bootc switch --enforce-container-sigpolicy" refuses a machine whose default
// accepts anything.
type Policy struct {
	// Scope is a registry ("ghcr.io"), a namespace ("ghcr.io/me") or a
	// repository ("ghcr.io/me/os").
	Scope string
	// Keys are public keys in PEM; a signature by one of them is enough.
	Keys [][]byte
	// SignedAs is the repository that the signatures name where the images were
	// copied from there; "" where they were signed for where they are.
	SignedAs string
}

// File is one file of a policy.
type File struct {
	// Path is relative to the folder that stands for /etc.
	Path    string
	Content []byte
}

// localTransports are where images come from that no registry signed.
var localTransports = []string{"atomic", "containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "sif", "tarball"}

type requirement struct {
	Type           string    `json:"type"`
	KeyPath        string    `json:"keyPath,omitempty"`
	KeyPaths       []string  `json:"keyPaths,omitempty"`
	KeyData        []byte    `json:"keyData,omitempty"`
	KeyDatas       [][]byte  `json:"keyDatas,omitempty"`
	SignedIdentity *identity `json:"signedIdentity,omitempty"`
}

type identity struct {
	Type string `json:"type"`
	// DockerRepository is of exactRepository alone.
	DockerRepository string `json:"dockerRepository,omitempty"`
}

type policyJSON struct {
	Default    []requirement                       `json:"default"`
	Transports map[string]map[string][]requirement `json:"transports"`
}

// Files returns the policy's files, in a fixed order and with the same bytes
// each time: containers/policy.json, containers/registries.d/NAME.yaml and
// pki/containers/NAME.pub. etc is the absolute path that the folder above them
// has where they will be read, because policies name keys by absolute paths:
// "/etc" for the files of an image.
func (p Policy) Files(etc string) ([]File, error) {
	scope, err := p.scope()
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(etc) {
		return nil, fmt.Errorf("writing the signature policy for %q: the folder %q is not absolute", p.Scope, etc)
	}
	if len(p.Keys) == 0 {
		return nil, fmt.Errorf("writing the signature policy for %q: it has no key", p.Scope)
	}
	name := fileName(scope)
	var keys []File
	var paths []string
	for i, key := range p.Keys {
		if err := CheckKey(key); err != nil {
			return nil, fmt.Errorf("writing the signature policy for %q: reading key %d: %w", p.Scope, i+1, err)
		}
		file := File{Path: fmt.Sprintf("pki/containers/%s.pub", name), Content: key}
		if i > 0 {
			file.Path = fmt.Sprintf("pki/containers/%s-.%d.pub", name, i+1)
		}
		keys = append(keys, file)
		paths = append(paths, filepath.Join(etc, file.Path))
	}
	policy, err := encode(scope, paths, p.SignedAs)
	if err != nil {
		return nil, fmt.Errorf("writing the signature policy for %q: %w", p.Scope, err)
	}
	return append([]File{
		{Path: policyPath, Content: policy},
		{Path: "containers/registries.d/" + name + ".yaml", Content: registriesD(scope)},
	}, keys...), nil
}

// fileName is a name for the files of a scope, another one for each scope, of
// letters, digits, "-", "_" and ".": "a/b" is "a-b", and what has a "-" itself has
// two. That tells them apart, because no name between two slashes begins or ends
// with one of these; nor is there a "-_", which is before a port, or a "-.", which
// is before the number of a key.
func fileName(scope string) string {
	return strings.NewReplacer("-", "--", "/", "-", ":", "-_").Replace(scope)
}

// CheckKey returns an error when key is not one public key in PEM, which is
// what a policy can name.
func CheckKey(key []byte) error {
	_, err := cryptoutils.UnmarshalPEMToPublicKey(key)
	return err
}

func encode(scope string, keys []string, signedAs string) ([]byte, error) {
	// Signatures of cosign's name the repository and no tag, so matchRepository
	// is the strictest identity that accepts them.
	signed := requirement{Type: "sigstoreSigned", SignedIdentity: &identity{Type: "matchRepository"}}
	if signedAs != "" {
		// Not remapIdentity, which wants the tag in the signature as well.
		signed.SignedIdentity = &identity{"exactRepository", signedAs}
	}
	if len(keys) == 1 {
		signed.KeyPath = keys[0] // keyPaths is not known to older clients
	} else {
		signed.KeyPaths = keys
	}
	accept := []requirement{{Type: "insecureAcceptAnything"}}
	policy := policyJSON{
		Default:    []requirement{{Type: "reject"}},
		Transports: map[string]map[string][]requirement{"docker": {scope: {signed}, "": accept}},
	}
	for _, t := range localTransports {
		policy.Transports[t] = map[string][]requirement{"": accept}
	}
	return indented(policy)
}

func indented(policy any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	err := e.Encode(policy)
	return b.Bytes(), err
}

// registriesD tells clients to look for signatures beside the image.
func registriesD(scope string) []byte {
	return fmt.Appendf(nil, "docker:\n  %q:\n    use-sigstore-attachments: true\n", scope)
}

// scope checks that Scope is one that a policy may have and returns it.
func (p Policy) scope() (string, error) {
	// With a path below it, every kind of scope is a repository's name.
	name := p.Scope + "/x/x"
	named, err := reference.ParseNormalizedNamed(name)
	if err == nil && named.String() != name {
		err = errors.New("it must be the full name of a registry, a namespace or a repository")
	}
	if err != nil {
		return "", fmt.Errorf("reading the scope %q of a signature policy: %w", p.Scope, err)
	}
	return p.Scope, nil
}

// Write lays the policy's files out under dir, which stands for /etc; etc is as
// in [Policy.Files]. Files that are there are replaced.
func (p Policy) Write(dir, etc string) error {
	files, err := p.Files(etc)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the signature policy for %q: %w", p.Scope, err)
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return fmt.Errorf("writing the signature policy for %q: %w", p.Scope, err)
		}
	}
	return nil
}
