package recipe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// What must agree among the words about content.

// content reports what contradicts itself in repositories, packages and the
// desktop.
func (r *Recipe) content(c *comparison) {
	for i, repo := range r.Repos {
		repo.disagreements(c, fmt.Sprintf("repos[%d]", i))
	}
	for i, p := range r.Packages.Install {
		where := fmt.Sprintf("packages.install[%d]", i)
		switch {
		case p.URL.IsSet() && !p.SHA256.said():
			c.missing(p.URL.Pos, where, "the package file at an address needs its sha256, so that what is installed is what was meant",
				"add sha256, as \"curl -L ADDRESS | sha256sum\" prints it")
		case p.SHA256.IsSet() && !p.URL.said():
			c.conflict(p.SHA256.Pos, where, "sha256 is for a package file at an address", "remove it, or give the url")
		case p.Instead.IsSet() && (p.URL.IsSet() || p.IsFile()):
			c.conflict(p.Instead.Pos, where, "instead is for a package that repositories may lack", "remove it")
		}
	}
	for i, u := range r.Users {
		c.once("users", fmt.Sprintf("users[%d].name", i), "user", u.Name)
	}
	r.Boot.disagreements(c)
	if im := r.Desktop.InputMethod; len(im.Engines) > 0 && !im.Framework.said() && !c.open {
		c.missing(im.Pos, "desktop.input-method", "the input method has engines and no framework", "add it, as in framework: ibus")
	}
	for i, remote := range r.Flatpak.Remotes {
		if remote.Name.IsSet() && !remote.URL.said() && remote.Name.Value != "flathub" {
			c.missing(remote.Name.Pos, fmt.Sprintf("flatpak.remotes[%d]", i), fmt.Sprintf("the address of the remote %q is not known", remote.Name.Value),
				didYouMean(diag.Nearest(remote.Name.Value, []string{"flathub"}), "add url, with the address of its .flatpakrepo file; \"flathub\" needs none"))
		}
	}
	if len(r.Flatpak.Install) > 0 && len(r.Flatpak.Remotes) == 0 && !c.open {
		c.missing(r.Flatpak.Pos, "flatpak", "there are applications to install, and no remote to install them from", "add remotes: [flathub]")
	}
}

// disagreements reports what no boot can fulfil.
func (b Boot) disagreements(c *comparison) {
	if limit := b.Timeout; limit > 0 && b.Expect.Within > limit {
		c.conflict(b.Expect.WithinPos, "boot.expect.within",
			fmt.Sprintf("the boot is given up after %s, in %s", limit, lineOf(b.TimeoutPos, b.Expect.WithinPos)), "make boot.timeout longer, or this shorter")
	}
}

// missing reports what a value needs beside it.
func (c *comparison) missing(pos diag.Pos, path, message, hint string) {
	c.problems.Add(diag.Diagnostic{Pos: pos, Path: path, Code: "incomplete", Message: message, Hint: hint})
}

// disagreements reports the words of a repository that belong to another kind
// of it.
func (r Repo) disagreements(c *comparison, where string) {
	described := []struct {
		key string
		at  String
	}{
		{"baseurl", r.BaseURL},
		{"metalink", r.Metalink},
		{"mirrorlist", r.Mirrorlist},
		{"suite", r.Suite},
		{"gpgkey", r.GPGKey.String},
		{"priority", r.Priority},
	}
	places := 0
	for _, w := range described {
		if !w.at.said() {
			continue
		}
		if slices.Contains([]string{"baseurl", "metalink", "mirrorlist"}, w.key) {
			places++
		}
		// The priority can be said of every kind but a file.
		if !r.Name.said() && w.at.IsSet() && (w.key != "priority" || r.File.IsSet()) {
			c.conflict(w.at.Pos, where+"."+w.key, fmt.Sprintf("%s is for repositories that have a name here", w.key), "remove it")
		}
	}
	if r.Chroot.IsSet() && !r.Copr.said() {
		c.conflict(r.Chroot.Pos, where+".chroot", "chroot is for projects of COPR", "remove it")
	}
	if !r.Name.IsSet() {
		return
	}
	c.once("repos", where+".name", "repository", r.Name)
	const forms = "give one of baseurl, metalink and mirrorlist"
	switch {
	case places == 0:
		c.missing(r.Name.Pos, where, fmt.Sprintf("the repository %q has no address", r.Name.Value), forms)
	case places > 1:
		c.conflict(r.Name.Pos, where, fmt.Sprintf("the repository %q has %d addresses", r.Name.Value, places), forms)
	}
	if !r.GPGKey.said() {
		c.missing(r.Name.Pos, where, fmt.Sprintf("the repository %q has no gpgkey, and its packages are not installed unchecked", r.Name.Value),
			"add the key that its packages are signed with")
	}
}

// isRemote reports whether a key is at an address.
func (p Path) isRemote() bool { return strings.Contains(p.Value, "://") }
