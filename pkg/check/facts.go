package check

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// facts are what several rules ask of an image. Each is read when the first
// rule asks for it.
type facts struct {
	// base is the root of the image that this one is made from; nil where it
	// is not known, or for baseErr could not be opened.
	base    image.Root
	baseErr error
	// repositories are where the image is published.
	repositories []string

	accounts func() (*accounts, error)
	numbers  func() (*numbers, error)
	// owned holds the files of packages that are where administrators put
	// theirs too: see [ownable].
	owned    func() (map[string]bool, error)
	units    func() ([]*enabledUnits, error)
	tmpfiles func() (*coverage, error)
}

func newFacts(ctx context.Context, root image.Root) facts {
	f := facts{
		accounts: sync.OnceValues(func() (*accounts, error) { return readAccounts(root) }),
		owned:    sync.OnceValues(func() (map[string]bool, error) { return ownedFiles(ctx, root) }),
		units:    sync.OnceValues(func() ([]*enabledUnits, error) { return readEnabledUnits(ctx, root) }),
		tmpfiles: sync.OnceValues(func() (*coverage, error) { return readCoverage(ctx, root) }),
	}
	f.numbers = sync.OnceValues(func() (*numbers, error) { return readNumbers(root, f.accounts) })
	return f
}

// ownable are the folders where what nobody packaged may be: to keep the names
// of all files of all packages would take more memory than all the rest.
var ownable = []string{"etc/", "home/", "opt/", "root/", "srv/", "usr/local/", "var/"}

// inOwnable reports whether a file is in one of them.
func inOwnable(name string) bool {
	for _, dir := range ownable {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

func ownedFiles(ctx context.Context, root image.Root) (map[string]bool, error) {
	owners, err := packagedb.Owners(ctx, root)
	if errors.Is(err, packagedb.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	owned := map[string]bool{}
	for _, o := range owners {
		for _, name := range o.Files {
			if inOwnable(name) {
				owned[behindLink(root, name)] = true
			}
		}
	}
	return owned, nil
}

// behindLink returns the name that a file has where its top folder is a link,
// as /opt and /home of bootable images are.
func behindLink(root image.Root, name string) string {
	top, rest, below := strings.Cut(name, "/")
	if target, err := root.ReadLink(top); err == nil && target != "" {
		top = fromRoot(target, ".")
	} else if first, after, more := strings.Cut(rest, "/"); top == "usr" && first == "local" {
		if target, err := root.ReadLink("usr/local"); err == nil && target != "" {
			top, rest, below = fromRoot(target, "usr"), after, more
		}
	}
	if !below {
		return top
	}
	return top + "/" + rest
}

// fromRoot is where the link in a folder leads, as package image names it.
func fromRoot(target, dir string) string {
	if !path.IsAbs(target) {
		target = path.Join("/", dir, target)
	}
	if name := strings.TrimPrefix(path.Clean(target), "/"); name != "" {
		return name
	}
	return "."
}
