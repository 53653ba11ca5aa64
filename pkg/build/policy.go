package build

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// policyFiles are the files that say which images a build accepts. They take
// the place of the host's, because many hosts have none, and a base with a key
// has to be checked with that key whatever the host thinks of its registry.
type policyFiles struct {
	// policy is a containers-policy.json(5) file.
	policy string
	// registries is a containers-registries.d(5) folder, or "" for the host's.
	registries string
}

// writePolicy writes the files into dir. Without a key everything is accepted,
// and repo is not used; with one (PEM), images of repo must be signed with it.
// Signatures are for the repository (matchRepository), because that is what
// cosign signs: it knows no tags.
func writePolicy(dir string, repo reference.Named, key []byte) (policyFiles, error) {
	type object = map[string]any
	accept := []object{{"type": "insecureAcceptAnything"}}
	policy := object{"default": accept}
	files := policyFiles{policy: filepath.Join(dir, "policy.json")}
	if key != nil {
		policy["transports"] = object{"docker": object{repo.Name(): []object{{
			"type":           "sigstoreSigned",
			"keyData":        base64.StdEncoding.EncodeToString(key),
			"signedIdentity": object{"type": "matchRepository"},
		}}}}
		files.registries = filepath.Join(dir, "registries.d")
		if err := os.MkdirAll(files.registries, 0o700); err != nil {
			return files, fmt.Errorf("writing the signature policy: %w", err)
		}
		// JSON is YAML.
		if err := writeJSON(filepath.Join(files.registries, "base.yaml"), object{"docker": object{
			repo.Name(): object{"use-sigstore-attachments": true},
		}}); err != nil {
			return files, fmt.Errorf("writing the signature policy: %w", err)
		}
	}
	if err := writeJSON(files.policy, policy); err != nil {
		return files, fmt.Errorf("writing the signature policy: %w", err)
	}
	return files, nil
}

func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}

// apply makes sys use the files.
func (f policyFiles) apply(sys *types.SystemContext) {
	sys.SignaturePolicyPath = f.policy
	if f.registries != "" {
		sys.RegistriesDirPath = f.registries
	}
}

// context returns the policy for evaluation. The caller destroys it.
func (f policyFiles) context() (*signature.PolicyContext, error) {
	policy, err := signature.NewPolicyFromFile(f.policy)
	if err != nil {
		return nil, fmt.Errorf("reading the signature policy: %w", err)
	}
	return signature.NewPolicyContext(policy)
}
