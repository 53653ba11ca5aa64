package host

import (
	"io/fs"
	"time"
)

// System is the machine as the checks see it. [ProbeSystem] returns the real
// one; every field is set.
type System struct {
	// FS is the tree of files, from "/".
	FS fs.FS
	// Getenv returns an environment variable, "" where it is not set.
	Getenv func(name string) string
	// Now is the clock.
	Now func() time.Time
	// UID returns the effective user ID.
	UID func() int
	// Uname returns the kernel's release and the machine's name, as uname(1)
	// prints them with -r and -m.
	Uname func() (release, machine string, err error)
	// RealPath resolves the symbolic links in a path that exists.
	RealPath func(path string) (string, error)
	// LookPath finds a program in PATH.
	LookPath func(name string) (string, error)
	// Statfs returns the room on the file system of a path that exists.
	Statfs func(path string) (Room, error)
	// OpenFiles returns the limits of open files.
	OpenFiles func() (soft, hard uint64, err error)
	// OpenKVM makes an empty virtual machine and lets go of it.
	OpenKVM func() error
	// MountOverlay mounts an overlay in a temporary folder in dir, and deletes a
	// file through it.
	MountOverlay func(dir string) error
	// ProbeFiles tries out what files in dir can be. The error means that it
	// could not be tried.
	ProbeFiles func(dir string) (FileFeatures, error)
}

// Room is what a file system has left.
type Room struct {
	// Free are the bytes that this process can still write.
	Free uint64
	// Files and FreeFiles count inodes; both are 0 where the file system has no
	// fixed number of them.
	Files, FreeFiles uint64
}

// FileFeatures are the abilities of a file system that the files of an image
// need; an error that is nil means that it has them.
type FileFeatures struct {
	// DeviceNode: mknod(2), which overlay's whiteouts need.
	DeviceNode error
	// Owner: chown(2) to another user, and the owner is kept.
	Owner error
	// TrustedXattr: overlay's own extended attributes, "trusted.overlay.…".
	TrustedXattr error
	// CapabilityXattr: file capabilities, "security.capability".
	CapabilityXattr error
	// Case: two names that differ in nothing but case are two files.
	Case error
}
