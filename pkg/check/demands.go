package check

import "github.com/bootkiln/bootkiln/pkg/image"

// DemandsSignature reports whether the trust policy of an image, given by its
// root file system, lets a machine that runs it take only signed images from a
// repository. A policy that cannot be read demands nothing; that is what the
// rule trust-policy finds.
func DemandsSignature(root image.Root, repository string) (bool, error) {
	policy, _, err := readPolicy(root)
	if err != nil || policy == nil {
		return false, err
	}
	_, list := policy.of(repository)
	for _, r := range list {
		if r.Type == sigstoreSigned {
			return true, nil
		}
	}
	return false, nil
}
