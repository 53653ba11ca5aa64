package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// Change is what a policy does to a file.
type Change struct {
	File
	// Before is what the file holds now, nil where there is none.
	Before []byte
}

// ConflictError says that what stands in a folder and a policy cannot both be.
type ConflictError struct {
	// Path is the file, and Err what is in the way.
	Path string
	Err  error
	// Hint is a sentence for a user.
	Hint string
}

// Error returns the file and what is in the way; the hint is apart.
func (e *ConflictError) Error() string { return fmt.Sprintf("adding to %q: %v", e.Path, e.Err) }

// Unwrap returns what is in the way.
func (e *ConflictError) Unwrap() error { return e.Err }

// MendHint returns the hint.
func (e *ConflictError) MendHint() string { return e.Hint }

// Changes returns what has to be written under dir, which stands for /etc, so
// that the policy holds beside what stands there; none where it does already. In
// the order in which they are returned, no file ever names one that is not there
// yet. etc is as in [Policy.Files].
//
// What a policy.json demands stays: scopes of others, and the default, unless
// that accepts anything; then it rejects, and every transport accepts by itself
// what it accepted. replace puts the policy in the place of what stands for the
// same scope; otherwise that is a [*ConflictError], unless it accepts anything.
func (p Policy) Changes(dir, etc string, replace bool) ([]Change, error) {
	files, err := p.Files(etc)
	if err != nil {
		return nil, err
	}
	var all []Change
	for _, f := range files {
		before, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading what stands for the signature policy: %w", err)
		}
		switch {
		case before == nil:
		case f.Path == policyPath:
			if f.Content, err = p.merge(f.Content, before, replace); err != nil {
				return nil, &ConflictError{
					Path: filepath.Join(dir, f.Path), Err: err,
					Hint: "with --replace, the new demand takes the place of the old one for this scope alone; to change a key, give the old one and the new",
				}
			}
		case !bytes.Equal(before, f.Content) && !replace:
			return nil, &ConflictError{
				Path: filepath.Join(dir, f.Path), Err: errors.New("it holds something else"),
				Hint: "look at it, and give --replace where it may go",
			}
		}
		if !bytes.Equal(before, f.Content) {
			all = append(all, Change{f, before})
		}
	}
	// The policy is the file that names the others.
	slices.Reverse(all)
	return all, p.usable(dir, all)
}

// policyPath is the policy's own file.
const policyPath = "containers/policy.json"

// merge adds the one scope of a policy of ours to another policy.
func (p Policy) merge(ours, theirs []byte, replace bool) ([]byte, error) {
	if _, err := signature.NewPolicyFromBytes(theirs); err != nil {
		return nil, fmt.Errorf("it is no policy: %w", err)
	}
	var own, merged rawPolicy
	if err := json.Unmarshal(ours, &own); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(theirs, &merged); err != nil {
		return nil, err
	}
	if merged.Transports == nil {
		merged.Transports = map[string]map[string]json.RawMessage{}
	}
	demand, scopes := own.Transports["docker"][p.Scope], merged.Transports["docker"]
	if scopes == nil {
		scopes = map[string]json.RawMessage{}
	}
	stands, ok := scopes[p.Scope]
	closed := !acceptsAnything(merged.Default)
	if ok && closed && same(stands, demand) {
		return theirs, nil
	}
	if ok && !replace && !same(stands, demand) && !acceptsAnything(stands) {
		return nil, fmt.Errorf("the scope %q has a demand already: %s", p.Scope, compact(stands))
	}
	for scope, demand := range scopes {
		if inside(scope, p.Scope) && acceptsAnything(demand) {
			return nil, fmt.Errorf("the scope %q accepts anything, and lies in %q", scope, p.Scope)
		}
	}
	scopes[p.Scope] = demand
	merged.Transports["docker"] = scopes
	if !closed {
		for _, transport := range append([]string{"docker"}, localTransports...) {
			if merged.Transports[transport] == nil {
				merged.Transports[transport] = map[string]json.RawMessage{}
			}
			if _, ok := merged.Transports[transport][""]; !ok {
				merged.Transports[transport][""] = merged.Default
			}
		}
		merged.Default = own.Default
	}
	return indented(merged)
}

// inside reports whether a scope, which may be a single image with its tag or
// digest, lies in another one that is larger.
func inside(scope, larger string) bool {
	rest, ok := strings.CutPrefix(scope, larger)
	if !ok || rest == "" {
		return false
	}
	// After the name of a registry, a colon is before its port.
	return rest[0] == '/' || (rest[0] == ':' || rest[0] == '@') && strings.Contains(larger, "/")
}

// rawPolicy is a policy whose demands are kept as they are written.
type rawPolicy struct {
	Default    json.RawMessage                       `json:"default"`
	Transports map[string]map[string]json.RawMessage `json:"transports"`
}

func acceptsAnything(demand json.RawMessage) bool {
	var list []requirement
	return json.Unmarshal(demand, &list) == nil &&
		!slices.ContainsFunc(list, func(r requirement) bool { return r.Type != "insecureAcceptAnything" })
}

func same(a, b json.RawMessage) bool { return compact(a) == compact(b) }

// compact returns JSON with sorted keys and without blanks.
func compact(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(b)
}

// usable asks containers/image whether it can read the folder as it will be.
// Files of others in registries.d may be about the same scope.
func (p Policy) usable(dir string, changes []Change) error {
	temp, err := os.MkdirTemp("", "bootkiln-policy-")
	if err != nil {
		return fmt.Errorf("trying the signature policy: %w", err)
	}
	defer os.RemoveAll(temp)
	standing := filepath.Join(dir, "containers/registries.d")
	if _, err := os.Stat(standing); err == nil {
		if err := os.CopyFS(filepath.Join(temp, "containers/registries.d"), os.DirFS(standing)); err != nil {
			return fmt.Errorf("trying the signature policy: %w", err)
		}
	}
	for _, c := range changes {
		if err := replaceFile(filepath.Join(temp, c.Path), c.Content); err != nil {
			return fmt.Errorf("trying the signature policy: %w", err)
		}
	}
	named, err := reference.ParseNormalizedNamed(p.Scope + "/x/x")
	if err != nil {
		return err
	}
	ref, err := docker.NewReference(reference.TagNameOnly(named))
	if err != nil {
		return err
	}
	sys := &types.SystemContext{RegistriesDirPath: filepath.Join(temp, "containers/registries.d")}
	if _, err := docker.SignatureStorageBaseURL(sys, ref, false); err != nil {
		text := strings.ReplaceAll(err.Error(), temp, dir)
		return &ConflictError{
			Path: standing, Err: errors.New(text),
			Hint: "two files say something of the same registry or namespace: bring them together in one, with use-sigstore-attachments: true",
		}
	}
	return nil
}

// Apply writes the changes under dir, each file in one step.
func Apply(dir string, changes []Change) error {
	for _, c := range changes {
		if err := replaceFile(filepath.Join(dir, c.Path), c.Content); err != nil {
			return fmt.Errorf("writing the signature policy: %w", err)
		}
	}
	return nil
}

// replaceFile writes a file that everybody may read, so that a reader never
// sees half of it.
func replaceFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bootkiln-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
