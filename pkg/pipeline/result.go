package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// Result is what a run did; it is written as result.json to the output folder
// and printed by `publish --format json`. Its fields are stable.
type Result struct {
	Name string `json:"name"`
	// Recipe is the recipe file as it was named on the command line, "" where
	// an existing image was pushed.
	Recipe string `json:"recipe,omitempty"`
	// Base is the base image that the recipe names, nil where an existing image
	// was pushed.
	Base *BaseImage `json:"base,omitempty"`
	// Containerfile is the digest of the rendered text.
	Containerfile string `json:"containerfile,omitempty"`
	// Image is the built image, as a containers-transports(5) reference.
	Image string `json:"image"`
	// Checks counts the findings of the image's checks, by severity.
	Checks *CheckCount `json:"checks,omitempty"`
	// Boot is what became of the boot, nil where the run did not come to it.
	Boot *Boot `json:"boot,omitempty"`
	// Chunks are the layers that are published, nil where those of the build are.
	Chunks *chunk.Report `json:"chunks,omitempty"`
	// OptionalUnavailable are the optional packages that could not be installed,
	// in the order in which they were tried.
	OptionalUnavailable []string `json:"optionalUnavailable,omitempty"`
	// Published has one entry for each target that was tried, in order.
	Published []Published `json:"published"`
	// Unchanged says that no target needed anything, where that was asked for.
	Unchanged bool        `json:"unchanged,omitempty"`
	Stages    []StageTime `json:"stages"`
	// Error is why the run ended early, "" for one that went well.
	Error string `json:"error,omitempty"`
	// Problems are those of the recipe, warnings and notes included, as
	// `validate --format json` prints them.
	Problems diag.List `json:"problems,omitempty"`
	// Tests has the recipe's tests that the image fails, in the same form.
	Tests diag.List `json:"tests,omitempty"`
}

// BaseImage says what an image was built on.
type BaseImage struct {
	// Image is the reference as the recipe has it, and Pinned what it was for
	// this build: by digest, or by ID for an image of the local store.
	Image  string `json:"image"`
	Pinned string `json:"pinned"`
}

// CheckCount counts findings.
type CheckCount struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	// FailedTests counts the recipe's tests that the image fails.
	FailedTests int `json:"failedTests"`
}

// checkReport is what check.json holds: the findings of the rules, and the
// tests of the recipe that the image fails.
type checkReport struct {
	*check.Report
	Tests diag.List `json:"tests"`
}

// Published says how far one target got.
type Published struct {
	// Target is as the recipe has it.
	Target string `json:"target"`
	// Pinned is what the target has now; its digest is "" where nothing came there.
	// Of a place that is no registry, Repository is the place.
	image.Pinned
	// Signed and Verified say that the digest carries a signature, and that it was
	// accepted; Engine is by whom.
	Signed   bool   `json:"signed"`
	Verified bool   `json:"verified"`
	Engine   Engine `json:"engine,omitempty"`
	// Attested are the types of what was said of the digest.
	Attested []string `json:"attested,omitempty"`
	// Tags are those that were written, in that order; of a place, the image's
	// name there.
	Tags []string `json:"tags"`
	// Kept are those that name something newer, and were left alone.
	Kept []string `json:"kept,omitempty"`
	// Unchanged says that the tags named this image already, and nothing was
	// written.
	Unchanged bool `json:"unchanged,omitempty"`
	// Demanded says that the image's own trust policy demands signatures of what
	// comes from here.
	Demanded bool `json:"demanded,omitempty"`
	// Error is why the target has not got all that it should, "" where it has.
	Error string `json:"error,omitempty"`
}

// Engine is who accepts signatures.
type Engine string

// The engines.
const (
	// PolicyEngine is that of containers/image, which is in podman and bootc.
	PolicyEngine Engine = "containers-policy"
	// Cosign is cosign's library, where no key signed: machines accept no such
	// signature.
	Cosign Engine = "cosign"
)

// String is the name for a person.
func (e Engine) String() string {
	if e == PolicyEngine {
		return "the containers policy engine"
	}
	return string(e)
}

// StageTime is how long a stage took.
type StageTime struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Seconds returns how long the run took, stage by stage added up.
func (r *Result) Seconds() float64 {
	sum := 0.0
	for _, s := range r.Stages {
		sum += s.Seconds
	}
	return sum
}

func (r *Result) timed(name string, d time.Duration) {
	r.Stages = append(r.Stages, StageTime{name, float64(d.Milliseconds()) / 1000})
}

// writeFile replaces the file in one step, so that a reader never sees half of
// it.
func writeFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}
