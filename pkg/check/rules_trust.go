package check

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// trustRules are those about the signatures that the image demands.
var trustRules = []Rule{
	{
		ID:       "trust-policy",
		Summary:  "the trust policy can be read",
		Severity: diag.Error,
		Doc:      "podman, skopeo and bootc read it before they pull anything. Where it is broken, or not there although skopeo is, no pull works, that of updates included.",
		Source:   "containers-policy.json(5), containers-registries.d(5); coreos/fedora-coreos-tracker issue 2171",
		Hint:     "install containers-common, or write the file as containers-policy.json(5) has it",
		Run:      checkTrustPolicy,
	},
	{
		ID:       "trust-updates",
		Summary:  "the trust policy lets machines update from where the image is published",
		Severity: diag.Error,
		Doc:      "Machines that run the image refuse its next version, and there is no update that could mend it.",
		Source:   "containers-policy.json(5), containers-registries.d(5); bootc's enforce-container-sigpolicy",
		Hint:     "put the key into the image, name it in the policy, and write use-sigstore-attachments: true for the repository in /etc/containers/registries.d",
		Run:      checkTrustUpdates,
	},
	{
		ID:       "trust-keys",
		Summary:  "the keys that the trust policy names are there",
		Severity: diag.Note,
		Doc:      "Images under that scope cannot be pulled on the machine. Of where this image is published, rule trust-updates speaks.",
		Source:   "containers-policy.json(5)",
		Hint:     "install the package that has the key, or take the scope out of the policy",
		Run:      checkTrustKeys,
	},
}

func checkTrustPolicy(_ context.Context, t *Target) ([]Finding, error) {
	policy, broken, err := readPolicy(t.Root)
	if err != nil {
		return nil, err
	}
	_, out, err := readStores(t.Root)
	if err != nil {
		return nil, err
	}
	if broken != nil {
		return append(out, *broken), nil
	}
	if policy != nil || out != nil {
		return out, nil
	}
	if fi, err := t.lstat("usr/bin/skopeo"); err != nil {
		return nil, err
	} else if fi == nil {
		return nil, NotApplicable("no trust policy, and no skopeo that would need one")
	}
	return found(policyFiles[0], "it is missing, and /%s too", policyFiles[1]), nil
}

// policy returns the policy of an image that has a good one.
func (t *Target) policy() (*trustPolicy, error) {
	policy, broken, err := readPolicy(t.Root)
	switch {
	case err != nil:
		return nil, err
	case broken != nil:
		return nil, NotApplicable("the policy cannot be read: see rule trust-policy")
	case policy == nil:
		return nil, NotApplicable("no trust policy")
	}
	return policy, nil
}

func checkTrustUpdates(_ context.Context, t *Target) ([]Finding, error) {
	if len(t.repositories) == 0 {
		return nil, NotApplicable("nothing says where the image is published")
	}
	policy, err := t.policy()
	if err != nil {
		return nil, err
	}
	stores, _, err := readStores(t.Root)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, repository := range t.repositories {
		scope, list := policy.of(repository)
		for _, r := range list {
			problems, err := t.requirementProblems(r)
			if err != nil {
				return nil, err
			}
			if r.Type == sigstoreSigned && !stores.attachments(repository) {
				problems = append(problems, "no file of registries.d turns on use-sigstore-attachments for it, so that no signature is found")
			}
			if r.Type == rejectAll {
				problems = append(problems, "it rejects all images")
			}
			for _, p := range problems {
				out = append(out, finding(policy.file, "%q, by scope %q: %s", repository, scope, p))
			}
		}
	}
	return out, nil
}

// requirementProblems says which keys are missing.
func (t *Target) requirementProblems(r requirement) ([]string, error) {
	var out []string
	for _, file := range r.keyFiles() {
		problem, err := keyProblem(t.Root, file)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			out = append(out, fmt.Sprintf("the key %q %s", file, problem))
		}
	}
	return out, nil
}

func checkTrustKeys(_ context.Context, t *Target) ([]Finding, error) {
	policy, err := t.policy()
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, repository := range t.repositories {
		scope, _ := policy.of(repository)
		own[scope] = true
	}
	scopes := maps.Clone(policy.docker)
	if scopes == nil {
		scopes = map[string][]requirement{}
	}
	scopes["default"] = policy.fallback
	var out []Finding
	for _, scope := range sortedKeys(scopes) {
		if own[scope] {
			continue
		}
		for _, r := range scopes[scope] {
			problems, err := t.requirementProblems(r)
			if err != nil {
				return nil, err
			}
			for _, p := range problems {
				out = append(out, finding(policy.file, "scope %q: %s", scope, p))
			}
		}
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
