package build

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// StepError says that an instruction of the Containerfile failed: a command
// ended with a status other than 0, or a file to be copied was not there.
type StepError struct {
	// Pos is the place in the recipe that the instruction comes from; the zero
	// Pos where the Containerfile does not know it.
	Pos diag.Pos
	// Title is that of the step of the plan, "" where the Containerfile does not
	// know it.
	Title string
	// Line is the line of the Containerfile, from 1.
	Line int
	// Instruction is the instruction as one line.
	Instruction string
	// Output holds the last lines that the step printed, at most 20. Values of
	// secrets are masked.
	Output []string
	// ExitCode is the status that the command ended with, or 0 where the
	// instruction ran no command or the command could not be started.
	ExitCode int
	// Err says what went wrong.
	Err error
}

// Error returns the position, the step's title or the instruction's first word,
// and what happened.
func (e *StepError) Error() string {
	word, _, _ := strings.Cut(e.Instruction, " ")
	return fmt.Sprintf("building step %s of %s: %v", cmp.Or(e.quotedTitle(), word), e.Pos, e.Err)
}

// Problem returns the same for a place that is shown beside it.
func (e *StepError) Problem() string {
	if e.Title == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("step %s: %v", e.quotedTitle(), e.Err)
}

func (e *StepError) quotedTitle() string {
	if e.Title == "" {
		return ""
	}
	return fmt.Sprintf("%q", e.Title)
}

func (e *StepError) Unwrap() error { return e.Err }

// SpaceError says that a build was not begun because too little space is free.
type SpaceError struct {
	// Dir is a folder on the file system that is meant.
	Dir string
	// Free and Needed are in bytes.
	Free, Needed int64
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("checking free space for the image store: %q has %s free, a build needs %s",
		e.Dir, formatBytes(e.Free), formatBytes(e.Needed))
}

// MendHint says what can be done about it.
func (e *SpaceError) MendHint() string {
	return "remove images that are no longer needed from the store, or give it a larger disk (graphroot in storage.conf)"
}

// DiskFullError says that the disk ran full during the build. What the build
// had in progress has been removed, and the store can be used.
type DiskFullError struct {
	// Dir is a folder on the file system that is meant.
	Dir string
	// Free is what was left when the build stopped, in bytes, before anything
	// was cleaned up.
	Free int64
	// Err is what failed first.
	Err error
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("building in %q: the disk is full (%s left): %v", e.Dir, formatBytes(e.Free), e.Err)
}

func (e *DiskFullError) Unwrap() error { return e.Err }

// MendHint says what can be done about it.
func (e *DiskFullError) MendHint() string {
	return "the store is intact and keeps the steps that were done; remove images that are no longer needed from it, or give it a larger disk, and run again"
}

// PullError says that the base image could not be had.
type PullError struct {
	// Image is the reference as the Containerfile has it.
	Image string
	// Pos is its place in the recipe, or the zero Pos.
	Pos diag.Pos
	// Refused says that the image is there, but carries no signature by the key
	// that it must be signed with.
	Refused bool
	// Hint says how to mend it, or is "".
	Hint string
	Err  error
}

func (e *PullError) Error() string { return fmt.Sprintf("pulling base image %q: %v", e.Image, e.Err) }

func (e *PullError) Unwrap() error { return e.Err }

// MendHint says what can be done about it; "" where nothing is known.
func (e *PullError) MendHint() string { return e.Hint }

// RuntimeError says that an OCI runtime was asked for and none can be used.
type RuntimeError struct {
	// Tried are the runtimes that were found, with what is wrong with each.
	Tried []Runtime
}

func (e *RuntimeError) Error() string {
	if len(e.Tried) == 0 {
		return "choosing an OCI runtime: neither crun nor runc is installed"
	}
	reasons := make([]string, len(e.Tried))
	for i, r := range e.Tried {
		reasons[i] = fmt.Sprintf("%s: %v", r.Path, r.Err)
	}
	return "choosing an OCI runtime: none works: " + strings.Join(reasons, "; ")
}

// MendHint says what can be done about it.
func (e *RuntimeError) MendHint() string {
	return "install runc, or crun " + minCrun.String() + " or later; or build with --isolation chroot"
}

// OfflineError says that a build was not begun because a step asks for no
// network, and chroot isolation cannot take it away.
type OfflineError struct {
	// Pos is the step's place in the recipe.
	Pos diag.Pos
}

func (e *OfflineError) Error() string {
	return fmt.Sprintf("choosing an isolation: the step of %s is to have no network, but with chroot isolation it has the host's", e.Pos)
}

// MendHint says what can be done about it.
func (e *OfflineError) MendHint() string {
	return "install runc, or crun " + minCrun.String() + " or later, and build without --isolation chroot; or drop network: false"
}

// formatBytes writes a size as people read it.
func formatBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n)/unit, 0
	for value >= unit && suffix < 4 {
		value /= unit
		suffix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[suffix])
}
