// Package host examines the machine that images are built on: what a build
// needs of it, what is missing, and how to mend that. It changes nothing.
//
// The facts that the checks go by are those of the kernel's and the vendors'
// documentation, and, for WSL and GitHub's runners, of their sources and issue
// trackers.
package host

import (
	"context"
	"fmt"
)

// Status is how a fact of the machine bears on a build; the zero value is OK.
type Status int

// The statuses.
const (
	OK      Status = iota
	Note           // worth knowing; nothing to do
	Unknown        // could not be found out
	Warning        // a build works, but slowly, or not in every case
	Problem        // a build fails
)

var statusNames = [...]string{OK: "ok", Note: "note", Unknown: "unknown", Warning: "warning", Problem: "problem"}

// String returns the lower-case name of the status.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return statusNames[s]
}

// MarshalText implements encoding.TextMarshaler with the name of the status.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Status) UnmarshalText(b []byte) error {
	for known, name := range statusNames {
		if name == string(b) {
			*s = Status(known)
			return nil
		}
	}
	return fmt.Errorf("unknown status %q", b)
}

// Finding is one fact about the machine.
type Finding struct {
	// Check names what was looked at, in kebab case. It is stable, so that
	// scripts can match it; one check can have several findings.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Message says what is so.
	Message string `json:"message"`
	// Mend says what to do about it; "" where nothing is to be done.
	Mend string `json:"mend,omitempty"`
}

// Options say what the machine is to be fit for.
type Options struct {
	// GraphRoot is the folder of the image store, TempDir the one that blobs are
	// staged in, OutDir the output folder: absolute paths, which need not exist.
	// One that is "" is not examined.
	GraphRoot, TempDir, OutDir string
	// GraphDriver is the storage driver that storage.conf asks for; "" where it
	// leaves the choice to the library.
	GraphDriver string
	// Platforms are those that images are to be built for, as "linux/arm64"; nil
	// for the machine's own.
	Platforms []string
	// Runtimes returns the OCI runtimes that the builder found, the preferred one
	// first; nil: they are not reported.
	Runtimes func(ctx context.Context) []Runtime
	// System is the machine; nil for the one that this runs on.
	System *System
}

// Runtime is the builder's verdict on one OCI runtime.
type Runtime struct {
	Path    string
	Version string
	// Reason says why it cannot be used; "" for one that can.
	Reason string
}

// Examine looks at everything, and returns what it found in a fixed order. What
// cannot be found out is a finding as well, never an error. Beside reading, it
// makes and removes a temporary folder below the graph root (or the nearest
// folder above it that exists), to try out what the file system can do.
func Examine(ctx context.Context, o Options) []Finding {
	sys := o.System
	if sys == nil {
		sys = ProbeSystem()
	}
	m := newMachine(o, sys)
	for _, check := range []func(){
		m.checkRoot,
		m.checkCapabilities,
		m.checkKernel,
		m.checkRootFileSystem,
		m.checkFolders,
		m.checkGraphDriver,
		m.checkOverlay,
		m.checkFileFeatures,
		m.checkFreeSpace,
		m.checkWindowsDrive,
		m.checkMemory,
		m.checkOpenFiles,
		m.checkCgroup,
		m.checkSharedMount,
		m.checkClock,
		func() { m.checkRuntimes(ctx) },
		m.checkContainersConfig,
		m.checkKVM,
		m.checkQEMU,
		m.checkBinfmt,
		m.checkProxy,
		m.checkGitHub,
	} {
		check()
	}
	return m.findings
}

// Problems counts the findings that make a build fail.
func Problems(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Status == Problem {
			n++
		}
	}
	return n
}
