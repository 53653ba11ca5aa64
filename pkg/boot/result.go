package boot

import (
	"fmt"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// Verdict is how a boot ended, in one word.
type Verdict string

// The verdicts.
const (
	// Booted: the target was reached, and all that was expected is so.
	Booted Verdict = "booted"
	// Failed: the image did not get there, or not as it was expected to.
	Failed Verdict = "failed"
)

// Result is what was seen of an image that was booted. Encoded as JSON
// (boot.json) its names are stable.
type Result struct {
	// Image is the image's location, a containers-transports(5) reference.
	Image   string  `json:"image"`
	Verdict Verdict `json:"verdict"`
	// Mode is the way in that was taken: direct, ostree, install; "" where the
	// image lacks what is needed to try any.
	Mode disk.Mode `json:"mode,omitempty"`
	// Machine is the machine model ("q35"), and Accelerator "kvm" or "tcg".
	Machine     string `json:"machine,omitempty"`
	Accelerator string `json:"accelerator,omitempty"`
	// Target is the unit that was to be reached.
	Target string `json:"target"`
	// State is what "systemctl is-system-running" said, "" where nobody could be
	// asked.
	State string `json:"state,omitempty"`
	// Kernel is the release that ran, and OS the PRETTY_NAME, both as the guest
	// said.
	Kernel string `json:"kernel,omitempty"`
	OS     string `json:"os,omitempty"`
	// KernelArguments are all that the kernel was given.
	KernelArguments []string `json:"kernelArguments,omitempty"`
	// Seconds is how long the guest ran, by this machine's clock; Times are the
	// phases by the guest's.
	Seconds float64 `json:"seconds"`
	Times   *Times  `json:"times,omitempty"`
	// Failure says why an image failed; nil for one that booted.
	Failure *Failure `json:"failure,omitempty"`
	// FailedUnits are those that systemd lists as failed, whether that is allowed
	// or not.
	FailedUnits []guest.Unit `json:"failedUnits,omitempty"`
	// Waiting are the jobs that systemd had not finished.
	Waiting    []guest.Job       `json:"waiting,omitempty"`
	Assertions []guest.Assertion `json:"assertions,omitempty"`
	// Notes say what the reader should know of how the image was booted.
	Notes   []string `json:"notes,omitempty"`
	Console Console  `json:"console"`
	// Screenshot is the name of the picture beside boot.json, "" for none.
	Screenshot string `json:"screenshot,omitempty"`
	// Log is the console's text as it came, at most some five MiB, and Picture the
	// screenshot as PNG; both are files of their own.
	Log     []byte `json:"-"`
	Picture []byte `json:"-"`
}

// Failure is why an image failed its boot.
type Failure struct {
	Class Class `json:"class"`
	// Explanation is a sentence or two for somebody who has never seen the
	// machine's console.
	Explanation string `json:"explanation"`
	// Excerpt are the lines of the console that show it, without escapes.
	Excerpt []string `json:"excerpt,omitempty"`
	// Hint is how to mend it, "" where nothing general can be said.
	Hint string `json:"hint,omitempty"`
	// Causes are what the checks found that would explain it, the likeliest first.
	Causes []Cause `json:"causes,omitempty"`
}

// Cause is a finding of the checks.
type Cause struct {
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// Times are the phases of a boot, in seconds; 0 where a phase did not happen or
// is not known.
type Times struct {
	Firmware  float64 `json:"firmware,omitempty"`
	Loader    float64 `json:"loader,omitempty"`
	Kernel    float64 `json:"kernel"`
	Initrd    float64 `json:"initrd,omitempty"`
	Userspace float64 `json:"userspace"`
	// Target is when the target was reached, from the start of the kernel.
	Target float64 `json:"target,omitempty"`
}

// ScreenshotName is the file of [Result.Picture], beside boot.json.
const ScreenshotName = "screenshot.png"

// Console says what came over the serial console.
type Console struct {
	// Digest is the SHA-256 of all that came, "sha256:…", and Bytes its length,
	// also where the log that was kept has a gap.
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"`
	// Omitted is the length of the gap in the middle of the log.
	Omitted int64 `json:"omitted,omitempty"`
}

// Err is nil for an image that booted, else a [*FailedError].
func (r *Result) Err() error {
	if r.Verdict != Failed {
		return nil
	}
	return &FailedError{Result: r}
}

// FailedError says that an image failed its boot.
type FailedError struct {
	// Result is never nil, and has a Failure.
	Result *Result
}

// Error names the image and the class of the failure.
func (e *FailedError) Error() string {
	return fmt.Sprintf("image %q does not boot: %s", image.Called(e.Result.Image), e.Result.Failure.Class.Summary())
}
