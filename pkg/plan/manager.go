package plan

import (
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// PackageManager is how a family of distributions installs packages. To add
// one, write a type in a file of its own and list it in [packageManagers].
type PackageManager interface {
	// Name is the name of the program, as in "dnf5".
	Name() string
	// Serves reports whether the distribution uses it.
	Serves(d Distro) bool
	// Supports names, for people, the distributions that use it.
	Supports() string
	// Check returns what is wrong with a name that packages.* has ("" where
	// nothing is), where the package manager would take it for something else.
	Check(name string) string
	// CheckGroup is Check for packages.groups.
	CheckGroup(name string) string
	// PackageFile is the suffix of its package files, as in ".rpm".
	PackageFile() string
	// Repos adds to s what its entries come to.
	Repos(s *repoSetup)
	// With returns the package manager as it works on those terms. All work
	// but Remove's heeds them.
	With(t Terms) PackageManager
	// Caches are the caches that its commands want mounted.
	Caches(d Distro) []Mount
	// Install is the work that installs all of the words, or fails: names,
	// groups, each with an "@" before it, and absolute paths of package files.
	Install(words []Word) Work
	// InstallOptional is the work that installs those of the words that can be,
	// and writes the others to [OptionalReport].
	InstallOptional(words []Word) Work
	// Remove is the work that removes those of the words that are installed,
	// with what depends on them, and nothing else.
	Remove(words []Word) Work
	// Lock is the work that keeps what is installed of the words, which may be
	// patterns, at its version; it fails where one is nothing installed.
	Lock(words []Word) Work
	// Resolve is the work that asks for names, with the repositories and options
	// of Install; package resolve says how it answers. It never ends well.
	Resolve(q Questions) Work
	// Locale returns the packages that the words under "locale" need, and
	// those that are good to have.
	Locale(l localeWords) (needed, wanted []Word)
}

// Terms are what holds for every transaction of a build.
type Terms struct {
	// Repos are the words that let a transaction use the repositories of the
	// recipe. What they are is between a package manager's Repos and its work.
	Repos []Word
	// Exclude are patterns of packages that are not installed, whatever asks
	// for them.
	Exclude []Word
	// WeakDeps is "true" or "false"; with "", DNF does what the base configures,
	// and apt-get installs no recommended packages.
	WeakDeps string
}

// Work is what a package manager does in one go.
type Work struct {
	// Scripts are files of the folder "scripts" that the commands use, each as
	// scriptTarget of its name.
	Scripts  []string
	Commands []Command
	// Local says that no repository is asked.
	Local bool
}

// packageManagers is in the order in which they are asked.
var packageManagers = []PackageManager{apt{}, dnf5{}, dnf4{}}

// managerFor returns the package manager of d, or nil.
func managerFor(d Distro) PackageManager {
	for _, m := range packageManagers {
		if m.Serves(d) {
			return m
		}
	}
	return nil
}

// supported lists the distributions that some package manager serves.
func supported() string {
	var names []string
	for _, m := range packageManagers {
		names = append(names, fmt.Sprintf("%s (%s)", m.Supports(), m.Name()))
	}
	return strings.Join(names, ", ")
}

// cacheID returns the name of a cache of d. What os-release says comes from
// the base, so nothing in it may leave the folder of the caches.
func cacheID(d Distro, name string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(d.ID+"-"+d.Version+"-"+name))
	return "bootkiln-" + id
}

// fixed gives words of bootkiln's own the place of the recipe that is their
// reason.
func fixed(origin diag.Pos, values ...string) []Word {
	var words []Word
	for _, v := range values {
		words = append(words, Word{Value: v, Origin: origin})
	}
	return words
}
