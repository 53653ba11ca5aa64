// Package recipe → turns a recipe's YAML into a [Recipe] whose every value
// knows the line and column it came from.
//
// It knows the language (which words there are, of which kind, and which
// values are well formed) and nothing of what they mean for an image; that is
// package plan's.
//
// A file goes through five steps, each in a file of that name: source reads
// the YAML, walk checks it against the table of words (table.go, words.go),
// merge joins it with what it includes, the table binds the result to the
// structs here, and agree looks for values that contradict each other.
package recipe

import (
	"path"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// String is a scalar with its position. The zero value means that the recipe
// does not say.
type String struct {
	Value string
	Pos   diag.Pos
}

// IsSet reports whether the recipe says the word.
func (s String) IsSet() bool { return s.Pos.IsValid() }

// Recipe is a whole recipe, includes merged. Lists keep the order in which
// they apply.
type Recipe struct {
	// File is the name of the recipe file itself, as positions have it; Dir is
	// the folder that it is in, relative to the file system that it was loaded
	// from.
	File string
	Dir  string

	Version     String
	Name        String
	Description String
	// Include are the bundles and files that are merged in, in the order in
	// which they apply.
	Include   []String
	Base      Base
	Platforms []String
	Packages  Packages
	Locale    Locale
	Files     []File
	Systemd   Systemd
	Kernel    Kernel
	Run       []Run
	Secrets   []Secret
	Labels    []Label
	Tests     Tests
	Checks    Checks
	Sign      Sign
	Publish   []Target
}

// Base is the image that the recipe starts from.
type Base struct {
	Pos diag.Pos
	// Image is a containers-transports(5) reference; a bare name is a registry
	// reference.
	Image String
	// VerifyKey is the path of a public key, relative to the folder of the
	// file that names it; unset accepts an unsigned base.
	VerifyKey Path
	// Distro is "<id>-<major>", as in "centos-10"; unset where it is to be
	// read from the base.
	Distro String
}

// Path is a path as written, with the folder it is relative to (that of the
// file that says it, which for an include is not the recipe's own).
type Path struct {
	String
	// Dir is the folder the value is relative to, itself relative to the file
	// system that the recipe was loaded from.
	Dir string
}

// Name returns the name of the file in the file system that the recipe was
// loaded from. It means nothing for an absolute path.
func (p Path) Name() string { return path.Join(p.Dir, p.Value) }

// Packages are the words under "packages".
type Packages struct {
	Install  []Package
	Optional []String
	Remove   []String
}

// Package is one entry of packages.install.
type Package struct {
	// Name is a package name, with glob characters allowed.
	String
}

// Locale are the words under "locale".
type Locale struct {
	Pos      diag.Pos
	Language String
	Extra    []String
	Keymap   String
	Timezone String
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
}

// Kernel are the words under "kernel".
type Kernel struct {
	Args []KernelArg
	// Initramfs is "auto", "always" or "never"; unset is "auto".
	Initramfs String
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
	// Secrets are IDs declared under "secrets".
	Secrets []String
	// Network is "true" or "false"; unset is true.
	Network String
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

// Label is one key and value under "labels".
type Label struct {
	Key   String
	Value String
}

// Tests are the assertions on the finished image.
type Tests struct {
	PackagesPresent, PackagesAbsent []String
	UnitsEnabled                    []String
	FilesPresent, FilesAbsent       []String
	// Size is the most bytes the root file system may hold, in bytes; 0 where
	// the recipe does not say.
	Size    int64
	SizePos diag.Pos
}

// Checks are the words under "checks".
type Checks struct {
	// Skip are rule IDs not to run; Warn are rule IDs whose findings count as
	// warnings.
	Skip, Warn []String
}

// Sign are the words under "sign".
type Sign struct {
	Pos diag.Pos
	// Key is a private key's path, or "env://NAME", or a KMS URI; unset where
	// the recipe does not sign with a key.
	Key Path
}

// Target is one entry of "publish".
type Target struct {
	Pos diag.Pos
	// To is a repository without tag, with ${VARIABLE} expanded.
	To String
	// Tags are templates ("latest", "{date}"); empty is "latest".
	Tags []String
}
