package recipe

import (
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// What the words that change the image are bound to.

// Repo is one entry of "repos": exactly one of Known, Copr, Name and File is
// set.
type Repo struct {
	Pos diag.Pos
	// Known is a repository that bootkiln knows by name, as in "epel".
	Known String
	// Copr is "owner/project", or "@group/project".
	Copr String
	// Chroot is the chroot of Copr, as in "epel-10-x86_64"; unset is the one
	// that the distribution names.
	Chroot String
	// Name is the ID of a repository that the recipe describes.
	Name String
	// BaseURL, Metalink and Mirrorlist say where it is; one of them is set
	// where Name is.
	BaseURL, Metalink, Mirrorlist String
	// Suite and Components are those of a repository for apt.
	Suite      String
	Components []String
	// GPGKey is an https address, or a file of the project.
	GPGKey Path
	// Priority is a number from 1 to 99, of which the lowest wins; unset is 99.
	Priority String
	// IncludePackages are the only packages to take from it; empty is all.
	// ExcludePackages are never taken from it. Globs are allowed.
	IncludePackages, ExcludePackages []String
	// File is a repository file (.repo, .sources or .list) of the project.
	File Path
	// Keep is "true" where the repository stays enabled in the image.
	Keep String
}

// Packages are the words under "packages".
type Packages struct {
	Install []Package
	// Groups are package groups or environments, by ID or by name, with or
	// without an "@" before it.
	Groups   []String
	Optional []String
	Remove   []String
	// Exclude are never installed, whatever asks for them.
	Exclude []String
	// Lock keeps what is installed at its version.
	Lock []String
	// WeakDeps is "true" where recommended packages are installed as well; unset
	// is "false" on Debian, and what the base configures elsewhere.
	WeakDeps String
}

// Package is one entry of packages.install: either Name or URL is set.
type Package struct {
	// Name is a package name, with glob characters allowed, or the path of a
	// package file of the project; see [Package.IsFile].
	Name Path
	// URL is where a package file is, and SHA256 its digest in hexadecimal
	// digits; both are set or none.
	URL, SHA256 String
	// Instead says what to use where no repository has Name.
	Instead String
}

// IsFile reports whether Name is a path in the project.
func (p Package) IsFile() bool { return strings.HasPrefix(p.Name.Value, ".") }

// Locale are the words under "locale".
type Locale struct {
	Pos      diag.Pos
	Language String
	Extra    []String
	Keymap   String
	Timezone String
}

// Desktop are the words under "desktop".
type Desktop struct {
	Pos diag.Pos
	// DisplayManager is "sddm", "gdm", "lightdm" or "plasmalogin".
	DisplayManager String
	// Session is the name of the session that the display manager offers
	// first, as in "plasma".
	Session     String
	InputMethod InputMethod
	// Fonts are kinds of fonts: "core", "cjk", "emoji".
	Fonts []String
}

// InputMethod are the words under desktop.input-method.
type InputMethod struct {
	Pos diag.Pos
	// Framework is "ibus" or "fcitx5".
	Framework String
	// Engines are "hangul", "anthy", "mozc", "libpinyin", "chewing", "rime" and so on.
	Engines []String
}

// User is one entry of "users".
type User struct {
	Pos  diag.Pos
	Name String
	// Description is the full name (GECOS).
	Description String
	Groups      []String
	// Shell is a path in the image; unset is /bin/bash.
	Shell String
	// SSHKeys are files of the project with public keys.
	SSHKeys []Path
}

// Flatpak are the words under "flatpak".
type Flatpak struct {
	Pos     diag.Pos
	Remotes []FlatpakRemote
	// Install are application IDs.
	Install []String
}

// FlatpakRemote is one entry of flatpak.remotes.
type FlatpakRemote struct {
	Name String
	// URL is that of a .flatpakrepo file; unset for the remotes that bootkiln
	// knows.
	URL String
}

// File is one entry of "files": either Source or Content is set.
type File struct {
	Pos         diag.Pos
	Source      Path
	Content     String
	Destination String
	// Mode is octal, as in "0644"; unset means the source's own mode, or 0644
	// for Content.
	Mode String
	// Owner is "user:group", names or numbers; unset means root:root.
	Owner String
}

// Systemd are the words under "systemd".
type Systemd struct {
	Enable, Disable, Mask []String
	DefaultTarget         String
	// User are the units of every user's own manager.
	User UserUnits
}

// UserUnits are the words under systemd.user.
type UserUnits struct {
	Enable, Disable, Mask []String
}

// Kernel are the words under "kernel".
type Kernel struct {
	Args []KernelArg
	// Initramfs is "auto", "always" or "never"; unset is "auto".
	Initramfs String
	Dracut    Dracut
}

// Dracut are the words under kernel.dracut.
type Dracut struct {
	// Add and Omit are modules of dracut.
	Add, Omit []String
	// Drivers are kernel modules.
	Drivers []String
}

// KernelArg is one entry of kernel.args.
type KernelArg struct {
	Arg String
	// Architectures limits the argument, in OCI names (amd64, arm64); empty
	// means all.
	Architectures []String
}

// Run is one entry of "run": either Script or Shell is set.
type Run struct {
	Pos    diag.Pos
	Name   String
	Script Path
	Shell  String
	// Secrets are those that the step may read.
	Secrets []RunSecret
	// Network is "true" or "false"; unset is true.
	Network String
}

// RunSecret is one entry of the secrets of a step.
type RunSecret struct {
	// ID is one that is declared under "secrets".
	ID String
	// Env is the environment variable that the step has it in; unset is none.
	Env String
}

// Secret is one entry of "secrets": either Env or File is set.
type Secret struct {
	Pos diag.Pos
	ID  String
	// Env is the name of an environment variable of the one who builds.
	Env String
	// File is a path on the machine of the one who builds; absolute, or
	// relative to the file that says it.
	File Path
}
