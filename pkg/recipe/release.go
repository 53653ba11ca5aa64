package recipe

import (
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// What the words about the finished image are bound to.

// Label is one key and value under "labels".
type Label struct {
	Key   String
	Value String
}

// Trust are the words under "trust".
type Trust struct {
	Pos diag.Pos
	// Keys are public keys, as files of the project.
	Keys []Path
	// Scope is the registry, or part of one, whose images have to be signed.
	Scope String
}

// Tests are the assertions on the finished image.
type Tests struct {
	PackagesPresent, PackagesAbsent []String
	// PackageVersions are package names with the version, or a glob for it,
	// that each has to have.
	PackageVersions []Label
	// SameVersion are groups of packages, globs allowed, that must have one
	// version.
	SameVersion                              [][]String
	UnitsEnabled, UnitsDisabled, UnitsMasked []String
	// UserUnitsEnabled are of every user's own manager.
	UserUnitsEnabled []String
	FilesPresent     []FileTest
	FilesAbsent      []String
	// Users are names that the image knows, or makes at boot.
	Users []String
	// KernelArgsPresent and KernelArgsAbsent are about kargs.d.
	KernelArgsPresent, KernelArgsAbsent []String
	// Size is the most bytes the root file system may hold, in bytes; 0 where
	// the recipe does not say.
	Size    int64
	SizePos diag.Pos
}

// FileTest is one entry of tests.files.present.
type FileTest struct {
	Path String
	// Contains is a text that the file has in it, Equals is all of it.
	Contains, Equals String
	// Mode is octal, Owner is "user:group".
	Mode, Owner String
}

// Checks are the words under "checks".
type Checks struct {
	// Skip are rule IDs not to run; Warn and Error are rule IDs whose findings
	// count as warnings, or as errors. None is under two of them.
	Skip, Warn, Error []String
}

// Boot are the words under "boot".
type Boot struct {
	Pos diag.Pos
	// Mode is "auto", "direct", "ostree", "install" or "off"; unset is "auto".
	Mode String
	// Target is the unit to reach; unset is the image's default target.
	Target String
	// Timeout is how long the guest may take; 0 where the recipe does not say.
	Timeout    time.Duration
	TimeoutPos diag.Pos
	// Memory is what the machine has, in bytes; 0 where the recipe does not say.
	Memory    int64
	MemoryPos diag.Pos
	Expect    BootExpect
}

// BootExpect is what has to be so in the booted system.
type BootExpect struct {
	// Active are units, Failed are globs for those that may fail.
	Active, Failed []String
	Commands       []BootCommand
	// Listening are ports with their protocol, as in "22/tcp".
	Listening []String
	// Within is the most that the boot may take; 0 where the recipe does not
	// say.
	Within    time.Duration
	WithinPos diag.Pos
}

// BootCommand is one entry of boot.expect.commands.
type BootCommand struct {
	Run String
	// Status is the exit status that it has to end with.
	Status int
	// Contains and Equals are about its output; Matches is a regular
	// expression (RE2) for it.
	Contains, Equals, Matches String
}

// Chunk are the words under "chunk".
type Chunk struct {
	Pos diag.Pos
	// Mode is "auto" or "off"; unset is "auto".
	Mode String
	// Layers is the most layers, Largest the most compressed bytes of one; 0
	// where the recipe does not say.
	Layers     int
	Largest    int64
	LargestPos diag.Pos
}

// Sign are the words under "sign".
type Sign struct {
	Pos diag.Pos
	// Key is a private key's path, or "env://NAME", or a KMS URI; unset where
	// the recipe does not sign with a key.
	Key Path
	// Keyless is "true" where the job's own identity signs; with a key, both do.
	Keyless String
}

// Target is one entry of "publish".
type Target struct {
	Pos diag.Pos
	// To is a repository without tag, or a place, with ${VARIABLE} expanded; see
	// [Target.IsPlace]. A place is a template like a tag.
	To String
	// Tags are templates ("latest", "{date}"); empty is "latest". A place has at
	// most one.
	Tags []String
	// Private is "true" where the recipe vouches that not everyone can pull
	// from the repository.
	Private String
}
