package diff

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Report says what differs between two images. Encoded as JSON its names are
// stable, no list is null, and every list has an order that depends on the two
// images alone.
type Report struct {
	Old Side `json:"old"`
	New Side `json:"new"`
	// Kernels are the releases that one image can start and the other cannot.
	Kernels  Kernels  `json:"kernels"`
	Packages Packages `json:"packages"`
	Files    Files    `json:"files"`
	// Sizes are the packages whose files take another number of bytes, the
	// largest difference first.
	Sizes []SizeChange `json:"sizes"`
	// Privileges are the programs that run with other rights than those of who
	// starts them, and that differ in this; sorted by path.
	Privileges []PrivilegeChange `json:"privileges"`
	// Units are those of systemd that one image starts or masks and the other
	// does not; those of the system before those of users, sorted by name.
	Units []UnitChange `json:"units"`
	// Config is what differs in the images' configurations, sorted by key. It is
	// empty where one of the two is a bare folder, which has none.
	Config []ConfigChange `json:"config"`
}

// Side is one of the two images.
type Side struct {
	// Image is the image's location.
	Image string `json:"image"`
	// System is the PRETTY_NAME of os-release(5); "" where there is none.
	System string `json:"system,omitempty"`
	// Kernels are the releases of the kernels that it can start, sorted.
	Kernels []string `json:"kernels"`
	// Packages counts the installed packages of all databases.
	Packages int `json:"packages"`
	// Files counts names of every kind, folders too.
	Files int `json:"files"`
	// Bytes is what the regular files hold; a file with several names counts once.
	Bytes int64 `json:"bytes"`
}

// Kernels are releases of kernels, sorted.
type Kernels struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

// Kind is what became of something between the old image and the new one.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Packages are the differences between the package databases, each list sorted
// by name, architecture and version.
type Packages struct {
	Added   []Package `json:"added"`
	Removed []Package `json:"removed"`
	// Changed are those with another version or architecture, and those that
	// were built anew under the same version.
	Changed []PackageChange `json:"changed"`
	// Sources has the added, removed and changed packages by the source package
	// that they were built from, sorted by its name.
	Sources []SourceChange `json:"sources"`
}

// Package is an installed package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Arch is in the package manager's own words; "" for an rpm without one,
	// such as an imported key.
	Arch   string `json:"arch,omitempty"`
	Source string `json:"source"`
}

// PackageChange is a package that both images have.
type PackageChange struct {
	Name string `json:"name"`
	// Source is that of the new package.
	Source string `json:"source"`
	// OldVersion and NewVersion are equal where the architecture differs, or
	// where the package was built anew.
	OldVersion string `json:"oldVersion"`
	NewVersion string `json:"newVersion"`
	OldArch    string `json:"oldArch,omitempty"`
	NewArch    string `json:"newArch,omitempty"`
}

// SourceChange is what happened alike to packages of one source package.
type SourceChange struct {
	Source string `json:"source"`
	Change Kind   `json:"change"`
	// OldVersion and NewVersion are those of the packages, "" where there is none.
	OldVersion string `json:"oldVersion,omitempty"`
	NewVersion string `json:"newVersion,omitempty"`
	// Packages are the names, sorted, each once.
	Packages []string `json:"packages"`
}

// Files are the differences between the names in the images: in type, content,
// permission bits, owner, target of a link, number of a device, or file
// capabilities. Times and other extended attributes are not compared.
type Files struct {
	Added   Tally `json:"added"`
	Removed Tally `json:"removed"`
	// Changed counts the names that both images have. Its bytes are those that
	// the new image has more.
	Changed Tally `json:"changed"`
	// Unexplained counts those of the three that belong to no package that was
	// itself added, removed or changed, and not to the databases that say so.
	Unexplained int `json:"unexplained"`
	// Unread counts the pairs of files that were taken to be equal without being
	// read: of one size and time, and of the same build of a package.
	Unread int `json:"unread"`
	// List has the differences in the order of a walk through the tree. Of those
	// that are explained, and of those that are not, it has the first 20,000.
	List []FileChange `json:"list"`
}

// Tally counts files of every kind, folders too, and the bytes of the regular
// ones among them; a file with several names has its bytes counted once.
type Tally struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// FileChange is a difference at one name.
type FileChange struct {
	// Path is relative to the root, without a slash at its beginning. In JSON,
	// one that is not UTF-8 is quoted as in Go.
	Path   string `json:"path"`
	Change Kind   `json:"change"`
	// Package is the name of the package that owns the file in the new image, or
	// else in the old one; "" for none.
	Package string `json:"package,omitempty"`
	// Explained is set where the package in one of the images was itself added,
	// removed or changed, and for the databases of the package managers.
	Explained bool `json:"explained"`
	// What differs, where both images have the name: "type", "content", "mode",
	// "owner", "target", "device", "capabilities".
	What []string `json:"what,omitempty"`
	// Old and New describe the file in the images that have it.
	Old *File `json:"old,omitempty"`
	New *File `json:"new,omitempty"`
}

// File is what a file is in one image.
type File struct {
	// Type is "file", "folder", "link", "block device", "character device",
	// "fifo" or "socket".
	Type string `json:"type"`
	// Mode is octal, with setuid, setgid and sticky ("4755").
	Mode string `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	// Size of a regular file, in bytes.
	Size int64 `json:"size"`
	// Target of a link.
	Target string `json:"target,omitempty"`
}

// MarshalJSON quotes a path that is not UTF-8: JSON cannot hold it, and
// encoding/json would make different paths the same.
func (f FileChange) MarshalJSON() ([]byte, error) {
	type plain FileChange
	f.Path = textOnly(f.Path)
	return json.Marshal(plain(f))
}

// MarshalJSON quotes a target that is not UTF-8.
func (f File) MarshalJSON() ([]byte, error) {
	type plain File
	f.Target = textOnly(f.Target)
	return json.Marshal(plain(f))
}

func textOnly(name string) string {
	if !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// SizeChange is how many bytes the files of a package take.
type SizeChange struct {
	// Package is a name, of all architectures and versions together; "" for the
	// files that no package owns.
	Package  string `json:"package"`
	OldBytes int64  `json:"oldBytes"`
	NewBytes int64  `json:"newBytes"`
}

func (s SizeChange) growth() int64 { return s.NewBytes - s.OldBytes }

// PrivilegeChange is a program that has other rights in the two images.
type PrivilegeChange struct {
	// Path and Package are as in [FileChange].
	Path    string `json:"path"`
	Package string `json:"package,omitempty"`
	// Old and New are nil where the image does not have the file, or where it
	// gives no rights.
	Old *Privilege `json:"old,omitempty"`
	New *Privilege `json:"new,omitempty"`
}

// MarshalJSON quotes a path that is not UTF-8.
func (p PrivilegeChange) MarshalJSON() ([]byte, error) {
	type plain PrivilegeChange
	p.Path = textOnly(p.Path)
	return json.Marshal(plain(p))
}

// Privilege is what a program gives to whoever starts it.
type Privilege struct {
	// SetUID and SetGID are the owner and the group that a setuid or setgid
	// program runs as, nil where it is none.
	SetUID *int `json:"setuid,omitempty"`
	SetGID *int `json:"setgid,omitempty"`
	// Capabilities are written as getcap(8) does ("cap_net_raw=ep"); "" for none.
	Capabilities string `json:"capabilities,omitempty"`
}

// UnitChange is a unit of systemd in another state.
type UnitChange struct {
	Unit string `json:"unit"`
	// User is set for a unit of systemd's user managers.
	User bool      `json:"user"`
	Old  UnitState `json:"old"`
	New  UnitState `json:"new"`
}

// UnitState is whether systemd starts a unit.
type UnitState string

// The states. What only other units or a person start is UnitDisabled.
const (
	UnitAbsent   UnitState = "absent"
	UnitDisabled UnitState = "disabled"
	UnitEnabled  UnitState = "enabled" // a link starts it, or has it under another name
	UnitMasked   UnitState = "masked"
)

// ConfigChange is a value in the images' configurations.
type ConfigChange struct {
	// Key is "architecture", "os", "variant", "user", "workingDir", "stopSignal",
	// "entrypoint", "cmd", "label NAME", "env NAME", "volume NAME" or "port NAME".
	Key string `json:"key"`
	// Old and New are nil where the configuration does not have the key.
	Old *string `json:"old,omitempty"`
	New *string `json:"new,omitempty"`
}

// Empty reports whether the images are the same in all that is compared.
func (r *Report) Empty() bool {
	f := r.Files
	return len(r.Packages.Added)+len(r.Packages.Removed)+len(r.Packages.Changed) == 0 &&
		f.Added.Files+f.Removed.Files+f.Changed.Files == 0 && len(r.Config) == 0 &&
		len(r.Kernels.Added)+len(r.Kernels.Removed)+len(r.Units)+len(r.Privileges) == 0
}
