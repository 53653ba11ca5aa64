package diff

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// ownership says which package a name belongs to in each image, as an index
// into the packages plus one; 0 is none.
type ownership map[string][2]int32

// newOwnership takes the files over from the packages.
func newOwnership(sides [2]*side) ownership {
	owned := ownership{}
	for i, s := range sides {
		folders := folderNames{root: s.root, known: map[string]string{"": ""}}
		for j := range s.packages {
			for _, file := range s.packages[j].Files {
				dir, base := path.Split(file)
				name := folders.real(strings.TrimSuffix(dir, "/")) + base
				// Several packages may own one name. The first gets it, as the others
				// would in both images.
				if pair := owned[name]; pair[i] == 0 {
					pair[i] = int32(j) + 1
					owned[name] = pair
				}
			}
			s.packages[j].Files = nil
		}
	}
	return owned
}

// of returns the owners of a name. Bytecode that Python's packages made of their
// programs when they were installed is theirs, though dpkg does not know it.
func (o ownership) of(name string) [2]int32 {
	owners := o[name]
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	var source string
	switch {
	case owners != [2]int32{}:
		return owners
	case base == "__pycache__":
		source = dir
	case path.Base(dir) == "__pycache__" && path.Ext(base) == ".pyc":
		// The name of the program, that of the interpreter, perhaps a level (PEP 3147).
		stem, _, _ := strings.Cut(base, ".")
		source = path.Join(path.Dir(dir), stem+".py")
	default:
		return owners
	}
	return o[source]
}

// folderNames finds where the folders are that databases name: dpkg has
// /bin/ls for what is /usr/bin/ls where /bin is a link to usr/bin, and rpm
// likewise /usr/sbin.
type folderNames struct {
	root  image.Root
	known map[string]string
}

// maxLinks is how many links in a row the kernel follows (MAXSYMLINKS).
const maxLinks = 40

// real returns the name of a folder without links, and with a slash at its end
// unless it is the root, "". A folder that is not there has the name that it
// would have.
func (f folderNames) real(dir string) string { return f.follow(dir, maxLinks) }

func (f folderNames) follow(dir string, links int) string {
	if name, ok := f.known[dir]; ok {
		return name
	}
	above, base := path.Split(dir)
	name := f.follow(strings.TrimSuffix(above, "/"), links) + base
	target, err := f.root.ReadLink(name)
	switch {
	case err != nil || links == 0:
		// It is no link, or nothing at all.
		name += "/"
	case path.IsAbs(target):
		name = f.follow(strings.TrimPrefix(path.Clean(target), "/"), links-1)
	default:
		// As in the kernel ".." ends at the root.
		target = path.Join("/", path.Dir(name), target)
		name = f.follow(strings.TrimPrefix(target, "/"), links-1)
	}
	f.known[dir] = name
	return name
}

// usage adds up the bytes of one image.
type usage struct {
	// bytes has those of each package at its index plus one, and at 0 those of
	// files that no package owns.
	bytes []int64
	// linked are the files with several names.
	linked map[uint64]int32
}

// count adds a name of the image, and returns how many bytes it brings. The
// content of a file with several names is its package's, if one of them is.
func (s *side) count(fi fs.FileInfo, owner int32) int64 {
	if s.bytes == nil {
		s.bytes, s.linked = make([]int64, len(s.packages)+1), map[uint64]int32{}
	}
	if !fi.Mode().IsRegular() {
		return 0
	}
	size := fi.Size()
	if st := image.StatOf(fi); st.Nlink > 1 {
		before, seen := s.linked[st.Inode]
		if seen && (before != 0 || owner == 0) {
			return 0
		}
		s.linked[st.Inode] = owner
		if seen {
			s.bytes[0] -= size
			s.bytes[owner] += size
			return 0
		}
	}
	s.bytes[owner] += size
	s.Bytes += size
	return size
}

// sizeChanges compares the bytes of packages by their names.
func sizeChanges(sides [2]*side) []SizeChange {
	sums := map[string][2]int64{}
	for i, s := range sides {
		for j, bytes := range s.bytes {
			name := s.packageName(int32(j))
			sum := sums[name]
			sum[i] += bytes
			sums[name] = sum
		}
	}
	var list []SizeChange
	for name, sum := range sums {
		if sum[0] != sum[1] {
			list = append(list, SizeChange{Package: name, OldBytes: sum[0], NewBytes: sum[1]})
		}
	}
	slices.SortFunc(list, func(a, b SizeChange) int {
		return cmp.Or(cmp.Compare(max(b.growth(), -b.growth()), max(a.growth(), -a.growth())), cmp.Compare(a.Package, b.Package))
	})
	return list
}

// packageName is that of an owner as ownership has it; "" for none.
func (s *side) packageName(owner int32) string {
	if owner == 0 {
		return ""
	}
	return s.packages[owner-1].Name
}

// isAbsent reports whether a name leads to no file.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR)
}
