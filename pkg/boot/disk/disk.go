// Package disk makes what a machine starts of an image's root file system: a
// disk, and the kernel, the initramfs and the kernel arguments where it is not
// the machine's firmware that finds them on the disk.
package disk

// Mode is a way from an image to a machine that runs it.
type Mode string

// The ways, from the weakest to the strongest.
const (
	// Direct puts the root file system on the disk as it is.
	Direct Mode = "direct"
	// OSTree deploys it, so that the machine boots what bootc would boot:
	// through ostree-prepare-root into a read-only /usr, a merged /etc, and the
	// /var that a first boot makes.
	OSTree Mode = "ostree"
	// Install has the image install itself ("bootc install to-disk"), boot
	// loader included.
	Install Mode = "install"
)

// Bootable is what a machine needs to start. Its files are in the folder that
// was given to [Make], which the caller removes; Firmware alone is not.
type Bootable struct {
	// Disk is a raw, sparse file, for the guest's first virtio block device
	// (/dev/vda).
	Disk string
	// Kernel and Initramfs are copies of the image's; both are "" when the
	// firmware boots the disk.
	Kernel, Initramfs string
	// Firmware is the UEFI firmware of this machine that boots the disk, a file
	// for QEMU's first flash drive (pflash), to be opened read-only; "" when
	// Kernel is given. Variables is a copy of its variable store for the second
	// flash drive, writable; "" when Firmware holds both.
	Firmware, Variables string
	// Cmdline are the kernel arguments that this way in needs, and those that
	// the image asks for in kargs.d. It is empty when Kernel is "".
	Cmdline []string
	// Release is the release of the kernel ("6.1.0-35-amd64").
	Release string
	// Architecture is the machine the image is for, as image configurations
	// name it ("amd64").
	Architecture string
	// Mode is the way that was taken.
	Mode Mode
	// Notes are sentences for the report, such as why a stronger way was not
	// taken.
	Notes []string
}

// UnbootableError says that an image lacks what is needed to even try to boot
// it: a failure of the image, not of the machine that this runs on.
type UnbootableError struct {
	// Reason is what is missing, a sentence without a full stop.
	Reason string
	// Hint is what can be done about it; "" where nothing general can be said.
	Hint string
}

// Error returns the reason.
func (e *UnbootableError) Error() string { return "image cannot be booted: " + e.Reason }

// MendHint says what can be done about it, "" for nothing.
func (e *UnbootableError) MendHint() string { return e.Hint }

// Options say how [Make] does it.
type Options struct {
	// Mode is the way to take; "" is the strongest possible.
	Mode Mode
	// Free is the space that the guest can still fill, in bytes; 0 is
	// [DefaultFree]. It takes nothing on this machine until it is used.
	Free int64
	// Kargs are kernel arguments of the caller, added to the others, whichever
	// way is taken.
	Kargs []string
	// Reference is the image's name or ID in containers/storage, for podman.
	// "" says that it is not there: then it can neither install itself, nor be
	// deployed with its own ostree where this machine has none that fits.
	Reference string

	machine *machine // of tests; nil is this one
}

// machine is what the ways ask of the machine that this runs on.
type machine struct {
	root      bool // files of any owner can be made
	firmwares map[string][][2]string
}

// DefaultFree is the space that a guest gets beyond what its image takes.
const DefaultFree = 2 << 30
