package trust_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/signbed"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// What is in a folder before a policy is added to it.
const (
	debian = `{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker-daemon": {"": [{"type": "insecureAcceptAnything"}]}}}`
	strict = `{"default": [{"type": "reject"}], "transports": {"docker": {
		"registry.access.redhat.com": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release"}]}}}`
)

func lay(t *testing.T, dir, path, content string) {
	t.Helper()
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// add brings the policy into the folder, and returns the paths that it wrote.
func add(t *testing.T, p trust.Policy, dir string, replace bool) []string {
	t.Helper()
	changes, err := p.Changes(dir, dir, replace)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, c := range changes {
		paths = append(paths, c.Path)
	}
	if err := trust.Apply(dir, changes); err != nil {
		t.Fatal(err)
	}
	return paths
}

// transports returns what the policy in a folder demands, by transport and scope.
func transports(t *testing.T, dir string) (byDefault string, scopes map[string]map[string]json.RawMessage) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "containers/policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Default    []struct{ Type string }
		Transports map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &policy); err != nil {
		t.Fatal(err)
	}
	return policy.Default[0].Type, policy.Transports
}

// TestChangesAreObeyed asks the policy engine with the folder as it is
// afterwards, whatever stood there.
func TestChangesAreObeyed(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	push := func(repository string) image.Pinned {
		p, err := registry.Push(t.Context(), testregistry.NewImage(t, 5, 1, 100), b.r.Host+"/"+repository, b.o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	b.sign(t, b.s)
	unsigned, wrong, outside := push("me/unsigned"), push("me/wrong"), push("else/os")
	if err := signbed.Signer(t, 1).Sign(t.Context(), wrong, b.o); err != nil {
		t.Fatal(err)
	}
	for name, standing := range map[string]string{"nothing": "", "Debian's": debian, "strict": strict} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if standing != "" {
				lay(t, dir, "containers/policy.json", standing)
			}
			lay(t, dir, "containers/registries.d/default.yaml", "default-docker: {lookaside-staging: file:///var/lib/containers/sigstore}\n")
			p := trust.Policy{Scope: b.r.Host + "/me", Keys: [][]byte{b.s.PublicKey()}}
			wrote := add(t, p, dir, false)
			if len(wrote) != 3 || wrote[2] != "containers/policy.json" {
				t.Errorf("it wrote %q", wrote)
			}
			if again := add(t, p, dir, false); len(again) != 0 {
				t.Errorf("once more, it wrote %q", again)
			}
			verdict := func(p image.Pinned) trust.Class {
				err := trust.Verify(t.Context(), p, trust.Options{Dir: filepath.Join(dir, "containers"), Registry: b.o})
				var refused *trust.VerificationError
				if err != nil && !errors.As(err, &refused) {
					t.Fatal(err)
				}
				if err == nil {
					return ""
				}
				return refused.Class
			}
			if got := verdict(b.p); got != "" {
				t.Errorf("a signed image is %s", got)
			}
			if got := verdict(unsigned); got != trust.Unsigned {
				t.Errorf("an unsigned image is %q", got)
			}
			if got := verdict(wrong); got != trust.WrongKey {
				t.Errorf("a wrongly signed image is %q", got)
			}
			if got := verdict(outside); got != trust.Uncovered {
				t.Errorf("an image outside of the scope is %q", got)
			}
			byDefault, scopes := transports(t, dir)
			if byDefault != "reject" {
				t.Errorf("the default is %q", byDefault)
			}
			_, open := scopes["docker"][""]
			if kept := scopes["docker"]["registry.access.redhat.com"]; (standing == strict) != (kept != nil) || open == (standing == strict) {
				t.Errorf("the scopes of docker are %v", scopes["docker"])
			}
		})
	}
}

func TestChangesConflict(t *testing.T) {
	t.Parallel()
	one, two := signbed.Signer(t, 0).PublicKey(), signbed.Signer(t, 1).PublicKey()
	p := trust.Policy{Scope: "ghcr.io/me", Keys: [][]byte{one}}
	for name, tt := range map[string]struct {
		path, content, says string
	}{
		"another demand": {"containers/policy.json", `{"default": [{"type": "reject"}], "transports": {"docker": {"ghcr.io/me": [{"type": "reject"}]}}}`, "has a demand already"},
		"a hole": {
			"containers/policy.json",
			`{"default": [{"type": "reject"}], "transports": {"docker": {"ghcr.io/me/os": [{"type": "insecureAcceptAnything"}]}}}`, `"ghcr.io/me/os" accepts anything`,
		},
		"a hole for a tag": {
			"containers/policy.json",
			`{"default": [{"type": "reject"}], "transports": {"docker": {"ghcr.io/me:latest": [{"type": "insecureAcceptAnything"}]}}}`, `"ghcr.io/me:latest" accepts anything`,
		},
		"no policy":      {"containers/policy.json", `{"defualt": []}`, "it is no policy"},
		"another key":    {"pki/containers/ghcr.io-me.pub", string(two), "it holds something else"},
		"another's file": {"containers/registries.d/me.yaml", "docker:\n  ghcr.io/me:\n    lookaside: https://example.org\n", "ghcr.io/me"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lay(t, dir, tt.path, tt.content)
			_, err := p.Changes(dir, dir, false)
			var conflict *trust.ConflictError
			if !errors.As(err, &conflict) || !strings.Contains(err.Error(), tt.says) || conflict.Hint == "" {
				t.Errorf("the error is %v", err)
			}
		})
	}

	// A key is changed by giving both, and then the new one.
	dir := t.TempDir()
	add(t, p, dir, false)
	both := trust.Policy{Scope: p.Scope, Keys: [][]byte{one, two}}
	if _, err := both.Changes(dir, dir, false); err == nil {
		t.Error("a demand is replaced without being asked for")
	}
	if wrote := add(t, both, dir, true); !slices.Equal(wrote, []string{"pki/containers/ghcr.io-me-.2.pub", "containers/policy.json"}) {
		t.Errorf("it wrote %q", wrote)
	}
	if wrote := add(t, trust.Policy{Scope: p.Scope, Keys: [][]byte{two}}, dir, true); !slices.Contains(wrote, "containers/policy.json") {
		t.Errorf("it wrote %q", wrote)
	}
}
