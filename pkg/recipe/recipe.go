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
	Repos     []Repo
	Packages  Packages
	Locale    Locale
	Desktop   Desktop
	Hostname  String
	Files     []File
	Users     []User
	Systemd   Systemd
	Kernel    Kernel
	Flatpak   Flatpak
	Run       []Run
	Secrets   []Secret
	Labels    []Label
	Trust     Trust
	Tests     Tests
	Checks    Checks
	Boot      Boot
	Chunk     Chunk
	Sign      Sign
	Publish   []Target

	// layers are the files that say all this, in the order in which they
	// apply; see [Recipe.On].
	layers layers
	// isFile is the loader's; nil for a recipe from memory.
	isFile func(Path) bool
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
