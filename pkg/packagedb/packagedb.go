// Package packagedb reads which packages an image has from the database that
// its package manager keeps in it.
package packagedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Package is an installed package.
type Package struct {
	// Name without architecture ("libc6", "glibc").
	Name string
	// Version is complete, as the package manager compares it: with the epoch
	// unless that is 0, and with revision or release ("1:2.36-9").
	Version string
	// Arch is in the package manager's own words ("amd64", "x86_64", "all",
	// "noarch"); "" for an rpm without one, such as an imported key.
	Arch string
	// Source names the source package that it was built from ("glibc"); for
	// an rpm it is the name part of the source rpm. It is Name where the
	// database names no other.
	Source string
	// Format is "dpkg" or "rpm".
	Format string
	// Vendor is who built an rpm, in its own words ("Red Hat, Inc.", "CentOS");
	// "" where it does not say. dpkg knows no vendors.
	Vendor string
	// BuildTime is when an rpm was built; zero for a dpkg, which does not say.
	BuildTime time.Time
	// Changes are the times of an rpm's changelog, the newest first; packagers
	// cut off old entries. dpkg keeps no changelog in its database.
	Changes []time.Time
	// Flaws is how many entries of an rpm's changelog name a hole that they mend
	// (CVE-…).
	Flaws int
}

// EVR takes Version apart: the epoch, "0" where there is none, what the
// software's authors call the version, and the distribution's revision of it,
// "" for a package that has none.
func (p Package) EVR() (epoch, version, release string) {
	epoch, version, found := strings.Cut(p.Version, ":")
	if !found {
		epoch, version = "0", p.Version
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version, release = version[:i], version[i+1:]
	}
	return epoch, version, release
}

// ErrNone says that a root file system has no package database that is known.
var ErrNone = errors.New("no package database in the image (dpkg or rpm)")

// Packages lists the installed packages of every database in an image's root,
// sorted by name, architecture and version. An rpm database is copied to the
// folder for temporary files to be read.
func Packages(ctx context.Context, root fs.FS) ([]Package, error) {
	return fromAll(ctx, root, func(p Package) Package { return p }, dpkgPackages, rpmPackages)
}

// Owner is a package with what it put into the image.
type Owner struct {
	Package
	// Files are names as [fs.FS] has them ("usr/bin/env"), folders too, in the
	// order of the database. They need not exist.
	Files []string
	// Ghosts are those of Files that an rpm owns and does not bring (%ghost):
	// something on the machine makes them.
	Ghosts []string
}

// Owners is [Packages] with the files of each.
func Owners(ctx context.Context, root fs.FS) ([]Owner, error) {
	return fromAll(ctx, root, func(o Owner) Package { return o.Package }, dpkgOwners, rpmOwners)
}

// fromAll puts together what is in each database, sorted by the package of each
// entry.
func fromAll[E any](ctx context.Context, root fs.FS, pkg func(E) Package, readers ...func(context.Context, fs.FS) ([]E, error)) ([]E, error) {
	var all []E
	none := true
	for _, read := range readers {
		list, err := read(ctx, root)
		if errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading package database: %w", err)
		}
		none = false
		all = append(all, list...)
	}
	if none {
		return nil, ErrNone
	}
	slices.SortFunc(all, func(a, b E) int { return byName(pkg(a), pkg(b)) })
	return all, nil
}

// byName is the order of lists.
func byName(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
}

// first opens the first of several files that exists, or returns ErrNone.
func first(root fs.FS, names ...string) (fs.File, string, error) {
	for _, name := range names {
		f, err := root.Open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, name, err
		}
	}
	return nil, "", ErrNone
}
