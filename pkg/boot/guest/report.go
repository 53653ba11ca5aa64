package guest

import (
	"regexp"
	"time"
)

// Options are what a boot is watched for.
type Options struct {
	// Target is the unit to reach, as in "graphical.target"; empty is the
	// default target of the guest.
	Target string
	// Expect is asserted once the target is reached.
	Expect Expect
	// Timeout is how long the guest may take to reach the target, from the
	// call of Observe; zero is without an end but that of the context. When it
	// is over, what the guest waits for is still asked, so the context should
	// end a minute later.
	Timeout time.Duration
}

// Expect is what the recipe asserts of the booted system.
type Expect struct {
	// Active are units that must be active.
	Active []string
	// AllowFailed are patterns, as of path.Match, of units that may fail.
	AllowFailed []string
	// Commands are run in the guest as root, in this order.
	Commands []Command
	// Ports must be listened on.
	Ports []Port
	// Within is the most that kernel, initramfs and user space may take until
	// the target is reached; zero is no limit. Firmware and boot loader, which
	// are the virtual machine's, do not count.
	Within time.Duration
}

// Command is a shell command whose exit status and output are asserted.
type Command struct {
	Run    string
	Status int
	// Contains is a text that the output, standard error included, has in it;
	// Equals is all of it but for white space at its end; Matches is a regular
	// expression (RE2) for some part of it. nil is any output.
	Contains, Equals *string
	Matches          *regexp.Regexp
}

// Port is a port that has to be listened on, on any address.
type Port struct {
	Number int
	// Protocol is "tcp" or "udp".
	Protocol string
}

// Report is what the guest told. All text in it comes from the guest, with its
// control characters replaced and its length bounded.
type Report struct {
	// Shell tells whether the channel opened. Without it nothing else is known,
	// and the console is the only witness.
	Shell bool
	// Target is the unit that was waited for.
	Target string
	// TargetMissing tells that the guest has no such unit, or not a sound one.
	TargetMissing bool
	// Reached tells whether the target became active.
	Reached bool
	// Lost tells that systemd gave the target up: it is not reached, and no job
	// is left that would start it.
	Lost bool
	// Stalled tells that the guest waits for jobs that do not end, and does
	// nothing else.
	Stalled bool
	// TimedOut tells that watching ended by its time and not by the guest.
	TimedOut bool
	// Emergency tells that emergency.target or rescue.target is active.
	Emergency bool
	// State is what "systemctl is-system-running" says: "running", "degraded",
	// "maintenance", "starting" and the like.
	State string
	// Tainted are systemd's words for what is unusual, as in "unmerged-usr".
	Tainted []string
	// Failed are the units that failed, those of the allow-list among them.
	Failed []Unit
	// Errors are what systemd itself logged as errors, as that a device did not
	// appear or that the dependency of a mount failed; only where the target
	// is not reached.
	Errors []string
	// Waiting are the jobs that were not done when watching ended.
	Waiting []Job
	Times   Times
	// Kernel is the release, as uname -r prints it.
	Kernel string
	// OSRelease are the fields of /etc/os-release.
	OSRelease map[string]string
	// Assertions are what Expect asks, in its order, each with its outcome.
	Assertions []Assertion
}

// Unit is a unit that failed. Encoded as JSON its names are stable, as are
// those of [Job] and [Assertion].
type Unit struct {
	Name string `json:"name"`
	// Result is systemd's word for why, as in "exit-code" or "timeout".
	Result string `json:"result,omitempty"`
	// Status is the exit status of its main process, or the number of the
	// signal that ended it.
	Status int `json:"status,omitempty"`
	// Log are its last lines in the journal.
	Log []string `json:"log,omitempty"`
	// Allowed tells why it may fail; empty when it may not.
	Allowed string `json:"allowed,omitempty"`
}

// Job is something that systemd still does or waits for.
type Job struct {
	Unit string `json:"unit"`
	// Type is as in "start", State "running" or "waiting".
	Type  string `json:"type"`
	State string `json:"state"`
}

// Times are the phases of the boot in seconds, as systemd-analyze(1) computes
// them; zero is unknown or did not happen.
type Times struct {
	Firmware, Loader, Kernel, Initrd, Userspace float64
	// Target is when the target became active, from the start of the kernel.
	Target float64
}

// Assertion is one thing that the recipe expects of the booted system.
type Assertion struct {
	// What names it, as in "sshd.service is active".
	What string `json:"what"`
	// OK tells whether it holds.
	OK bool `json:"ok"`
	// Found is what was found instead.
	Found string `json:"found,omitempty"`
}
