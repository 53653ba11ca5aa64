package chunk

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Names of groups that are no source packages; these have no colon.
const (
	kernelGroup    = ":kernel"    // usr/lib/modules/VERSION, vmlinuz
	initramfsGroup = ":initramfs" // changes with much of what is in it
	databaseGroup  = ":packages"  // the package managers' state: every update changes it
)

const (
	// alone is how large a file without an owner is to be a group of its own.
	alone = 1 << 20
	// stateful is up to which size a package's file in /etc goes with the rest
	// of /etc: scripts and recipes change it more than the package does.
	stateful = 256 << 10
)

// databases are the folders of the package managers' state.
var databases = []string{
	"usr/lib/sysimage/", "usr/share/rpm/", "var/lib/rpm/", "var/lib/dpkg/", "var/lib/apt/", "var/lib/dnf/", "var/lib/yum/",
	"usr/lib/dnf/", "var/lib/pacman/",
}

// inDatabase says that a file is in one of them.
func inDatabase(name string) bool {
	return slices.ContainsFunc(databases, func(folder string) bool { return strings.HasPrefix(name, folder) })
}

// sorter says which group a file belongs to.
type sorter struct {
	files []File
	place map[string]int32
	// owner of a file, as an index of sources; -1 where no package has it.
	owner []int32
	// guest files are in a folder of a package's that does not list them.
	guest   []bool
	sources []source
	// byPackage is the source of a binary package.
	byPackage map[string]int32
	// folders of the tree, with the source whose packages alone list them;
	// nobody where none does, several where more than one does.
	folders map[string]int32
	real    map[string]string // see resolve
}

const (
	nobody  = -1
	several = -2
)

// newSorter finds the owners. Packages are in a fixed order, so that the first
// of several is always the same.
func newSorter(in Input) *sorter {
	s := &sorter{
		files: slices.Clone(in.Files), byPackage: map[string]int32{},
		folders: map[string]int32{}, real: map[string]string{},
	}
	slices.SortFunc(s.files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	s.place = make(map[string]int32, len(s.files))
	s.owner, s.guest = make([]int32, len(s.files)), make([]bool, len(s.files))
	for i, f := range s.files {
		s.place[f.Name] = int32(i)
		s.owner[i] = nobody
		for dir := path.Dir(f.Name); dir != "."; dir = path.Dir(dir) {
			if _, ok := s.folders[dir]; ok {
				break
			}
			s.folders[dir] = nobody
		}
	}
	var lists [][]string
	s.sources, lists = sources(in.Packages)
	for id := range s.sources {
		for _, name := range s.sources[id].packages {
			if _, ok := s.byPackage[name]; !ok {
				s.byPackage[name] = int32(id)
			}
		}
	}
	for id, list := range lists {
		for _, name := range list {
			s.own(name, int32(id))
		}
	}
	s.follow()
	return s
}

// own notes that a package lists a name.
func (s *sorter) own(name string, id int32) {
	i, ok := s.place[name]
	if !ok {
		name = path.Join(s.resolve(path.Dir(name)), path.Base(name))
		i, ok = s.place[name]
	}
	if !ok && strings.HasPrefix(name, "etc/") {
		i, ok = s.place["usr/"+name] // as ostree has it
	}
	if ok {
		if s.owner[i] == nobody {
			s.owner[i] = id
		}
		return
	}
	if old, ok := s.folders[name]; ok && old != id {
		if old != nobody {
			id = several
		}
		s.folders[name] = id
	}
}

// resolve follows links to folders, as "lib" to "usr/lib", on the way to a
// folder. What leads in a circle leads to itself.
func (s *sorter) resolve(dir string) string {
	if dir == "." || dir == "/" {
		return "."
	}
	if known, ok := s.real[dir]; ok {
		return known
	}
	s.real[dir] = dir
	parent := s.resolve(path.Dir(dir))
	name := path.Join(parent, path.Base(dir))
	if i, ok := s.place[name]; ok && s.files[i].Mode&fs.ModeSymlink != 0 && s.files[i].Target != "" {
		target := s.files[i].Target
		if !path.IsAbs(target) {
			target = "/" + parent + "/" + target
		}
		name = s.resolve(strings.TrimPrefix(path.Clean(target), "/"))
	}
	if name == "" {
		name = "."
	}
	s.real[dir] = name
	return name
}

// follow gives what installing made beside a package's files to the package:
// Python's compiled modules, and what is in a folder of one source alone.
func (s *sorter) follow() {
	for i, f := range s.files {
		if s.owner[i] != nobody || !strings.HasPrefix(f.Name, "usr/") || strings.HasPrefix(f.Name, "usr/etc/") {
			continue
		}
		if source := pythonSource(f.Name); source != "" {
			if j, ok := s.place[source]; ok && s.owner[j] != nobody {
				s.owner[i] = s.owner[j]
				continue
			}
		}
		if f.Size >= alone {
			continue
		}
		// usr/share and usr/lib/x86_64-linux-gnu are nobody's in particular,
		// even where only one package lists them.
		for dir := path.Dir(f.Name); strings.Count(dir, "/") >= 2; dir = path.Dir(dir) {
			if id := s.folders[dir]; id != nobody {
				if id != several {
					s.owner[i], s.guest[i] = id, f.Mode.IsRegular() && !inDatabase(f.Name)
				}
				break
			}
		}
	}
}

// mostGroups is how many groups a tree may have: half of what a plan may, because
// they have parts.
const mostGroups = maxPlanGroups / 2

// groups are the files of each group. Where there are too many, what no package
// owns goes with all in its folder, and then with all in the folder above that.
func (a *assigner) groups() map[string][]int32 {
	for up := 0; ; up++ {
		groups := map[string][]int32{}
		for i := range a.files {
			name := a.group(int(a.leader[i]))
			for n := 0; n < up && strings.HasPrefix(name, "/"); n++ {
				name = path.Dir(name)
			}
			name = clean(name)
			groups[name] = append(groups[name], int32(i))
		}
		if len(groups) <= mostGroups || up == 8 {
			return groups
		}
	}
}

// group returns the name of the group that file i belongs to.
func (s *sorter) group(i int) string {
	f := &s.files[i]
	if group, ok := kernelFile(f.Name); ok {
		return group
	}
	if inDatabase(f.Name) {
		if id, ok := s.packageState(f.Name); ok {
			return s.sources[id].name
		}
		return databaseGroup
	}
	owner := s.owner[i]
	switch {
	case owner != nobody && (!inEtc(f.Name) || f.Size >= stateful):
		return s.sources[owner].name
	case f.Mode.IsRegular() && f.Size >= alone:
		return "/" + f.Name
	case inEtc(f.Name):
		return "/etc"
	}
	return folderOf(f.Name)
}

// inEtc says that a file is in /etc, or where ostree has what is to be there.
func inEtc(name string) bool {
	return strings.HasPrefix(name, "etc/") || strings.HasPrefix(name, "usr/etc/")
}

// kernelFile knows the places of kernels and their initramfs. Modules that do
// not come with the kernel (extra, updates, weak-updates) are those of their
// packages.
func kernelFile(name string) (group string, ok bool) {
	rest, found := strings.CutPrefix(name, "usr/lib/modules/")
	if !found {
		base, inBoot := strings.CutPrefix(name, "boot/")
		switch {
		case inBoot && strings.HasPrefix(base, "init"):
			return initramfsGroup, true
		case inBoot && strings.HasPrefix(base, "vmlinu"):
			return kernelGroup, true
		}
		return "", false
	}
	_, rest, found = strings.Cut(rest, "/")
	switch {
	case !found:
		return "", false
	case strings.HasPrefix(rest, "initr"):
		return initramfsGroup, true
	case !strings.Contains(rest, "/"), strings.HasPrefix(rest, "kernel/"), strings.HasPrefix(rest, "vdso/"):
		return kernelGroup, true
	}
	return "", false
}

// packageState knows the files that dpkg keeps for one package
// (info/NAME.list, info/NAME:ARCHITECTURE.list): they change with it.
func (s *sorter) packageState(name string) (id int32, ok bool) {
	dir, base := path.Split(name)
	if !strings.HasSuffix(dir, "/dpkg/info/") {
		return 0, false
	}
	base = strings.TrimSuffix(base, path.Ext(base))
	base, _, _ = strings.Cut(base, ":")
	id, ok = s.byPackage[base]
	return id, ok
}

// folderOf returns the group of a small file without an owner.
func folderOf(name string) string {
	parts := strings.Split(path.Dir(name), "/")
	depth := 2
	if len(parts) > 1 && (parts[0] == "usr" || parts[0] == "var") && (parts[1] == "lib" || parts[1] == "share" || parts[1] == "local") {
		depth = 3
	}
	if parts[0] == "." {
		return "/"
	}
	return "/" + strings.Join(parts[:min(depth, len(parts))], "/")
}
