package diff

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// maxListed is how many differences of files are listed of each sort, so that
// two images without anything in common do not fill memory.
const maxListed = 20_000

// ostreeRepo holds the content of the whole image again, as hard links that
// are named by content: every difference is elsewhere, too.
const ostreeRepo = "sysroot/ostree/repo"

// walker walks both trees side by side.
type walker struct {
	ctx     context.Context
	sides   [2]*side
	owned   ownership
	settled [2][]bool
	// sameLayers is set where both images are of the same layers, so that no
	// content need be read.
	sameLayers bool
	exact      bool
	report     *Report

	buffers [2][]byte
	// accounted counts the differences that are explained.
	accounted int
}

// pair is one name in both images; nil where one does not have it.
type pair [2]fs.FileInfo

// folders says which of the two are folders.
func (p pair) folders() (both [2]bool) {
	for i, fi := range p {
		both[i] = fi != nil && fi.IsDir()
	}
	return both
}

func (w *walker) run() error {
	var roots pair
	for i, s := range w.sides {
		var err error
		if roots[i], err = s.root.Lstat("."); err != nil {
			return err
		}
	}
	if err := w.visit(".", roots); err != nil {
		return err
	}
	for _, s := range w.sides {
		// After all others, so that content is booked to the names that are in use.
		if err := s.countRepo(w.ctx); err != nil {
			return err
		}
	}
	return nil
}

// visit compares a name, and what is below it.
func (w *walker) visit(name string, files pair) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.compare(name, files); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	folders := files.folders()
	if name == ostreeRepo || !folders[0] && !folders[1] {
		return nil
	}
	var entries [2][]fs.DirEntry
	for i, s := range w.sides {
		if folders[i] {
			var err error
			if entries[i], err = s.root.ReadDir(name); err != nil {
				return err
			}
		}
	}
	return merge(entries, func(base string, found [2]fs.DirEntry) error {
		var files pair
		for i, e := range found {
			if e != nil {
				var err error
				if files[i], err = e.Info(); err != nil {
					return err
				}
			}
		}
		return w.visit(path.Join(name, base), files)
	})
}

// merge calls each for every name in two sorted lists, in their order.
func merge(lists [2][]fs.DirEntry, each func(name string, found [2]fs.DirEntry) error) error {
	for len(lists[0]) > 0 || len(lists[1]) > 0 {
		var name string
		for i, list := range lists {
			if len(list) > 0 && (i == 0 || len(lists[0]) == 0 || list[0].Name() < name) {
				name = list[0].Name()
			}
		}
		var found [2]fs.DirEntry
		for i, list := range lists {
			if len(list) > 0 && list[0].Name() == name {
				found[i], lists[i] = list[0], list[1:]
			}
		}
		if err := each(name, found); err != nil {
			return err
		}
	}
	return nil
}

// compare compares one name.
func (w *walker) compare(name string, files pair) error {
	owners := w.owned.of(name)
	var bytes [2]int64
	for i, s := range w.sides {
		if files[i] == nil {
			owners[i] = 0 // its package has a file that is not there
			continue
		}
		s.Files++
		bytes[i] = s.count(files[i], owners[i])
	}
	rights, err := w.rights(name, files)
	if err != nil {
		return err
	}
	change := FileChange{Path: name, Package: cmp.Or(w.sides[1].packageName(owners[1]), w.sides[0].packageName(owners[0]))}
	if !rights[0].equal(rights[1]) {
		w.report.Privileges = append(w.report.Privileges, PrivilegeChange{
			Path: name, Package: change.Package, Old: rights[0], New: rights[1],
		})
	}
	f := &w.report.Files
	switch {
	case files[0] == nil:
		change.Change = Added
		f.Added.add(bytes[1])
	case files[1] == nil:
		change.Change = Removed
		f.Removed.add(bytes[0])
	default:
		if change.What, err = w.differs(name, files); err != nil {
			return err
		}
		if !rights[0].sameCapabilities(rights[1]) {
			change.What = append(change.What, "capabilities")
		}
		if change.What == nil {
			return nil
		}
		change.Change = Changed
		f.Changed.add(bytes[1] - bytes[0])
	}
	change.Explained = w.explained(name, owners)
	return w.list(change, files)
}

// databases are the folders in which package managers keep their books.
var databases = []string{
	"var/lib/dpkg", "usr/lib/sysimage/dpkg", "var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm", "usr/lib/sysimage/rpm-ostree-base-db",
}

// explained reports whether a change of a package is reason enough for one of
// the file.
func (w *walker) explained(name string, owners [2]int32) bool {
	for i, owner := range owners {
		if owner != 0 && !w.settled[i][owner-1] {
			return true
		}
	}
	return len(w.report.Packages.Sources) > 0 && slices.ContainsFunc(databases, func(dir string) bool {
		return strings.HasPrefix(name+"/", dir+"/")
	})
}

func (t *Tally) add(bytes int64) {
	t.Files++
	t.Bytes += bytes
}

// list keeps a difference, if it is among the first of its sort.
func (w *walker) list(change FileChange, files pair) error {
	count := &w.report.Files.Unexplained
	if change.Explained {
		count = &w.accounted
	}
	if *count++; *count > maxListed {
		return nil
	}
	for i, into := range []**File{&change.Old, &change.New} {
		if files[i] == nil {
			continue
		}
		f, err := w.sides[i].describe(change.Path, files[i])
		if err != nil {
			return err
		}
		*into = f
	}
	w.report.Files.List = append(w.report.Files.List, change)
	return nil
}

func (s *side) describe(name string, fi fs.FileInfo) (*File, error) {
	st := image.StatOf(fi)
	f := &File{Type: typeName(fi.Mode()), Mode: fmt.Sprintf("%04o", st.Mode), UID: st.UID, GID: st.GID}
	switch fi.Mode().Type() {
	case 0:
		f.Size = fi.Size()
	case fs.ModeSymlink:
		var err error
		if f.Target, err = s.root.ReadLink(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func typeName(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeDevice:
		return "block device"
	}
	return "character device"
}

// countRepo adds the bytes that only ostree's repository has.
func (s *side) countRepo(ctx context.Context) error {
	fi, err := s.root.Lstat(ostreeRepo)
	if isAbsent(err) || err == nil && !fi.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	return fs.WalkDir(s.root, ostreeRepo, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			s.count(fi, 0)
		}
		return err
	})
}
