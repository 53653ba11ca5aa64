package chunk

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// source is what is known of a source package from the packages built from it.
type source struct {
	name     string
	packages []string // names of the binary packages
	versions []string
	version  uint32      // a digest over the packages and their versions
	built    time.Time   // the newest; zero where the database does not say
	changes  []time.Time // of one of the packages: they share a changelog
	flaws    int         // how many entries of that mended holes
}

// sources groups packages by their source, in the order of its name, and
// returns the files of each.
func sources(packages []packagedb.Owner) ([]source, [][]string) {
	sorted := slices.Clone(packages)
	slices.SortFunc(sorted, func(a, b packagedb.Owner) int {
		return cmp.Or(cmp.Compare(sourceOf(a), sourceOf(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch),
			cmp.Compare(a.Version, b.Version), cmp.Compare(a.Format, b.Format))
	})
	var list []source
	var files [][]string
	sum := fnv.New32a()
	for _, p := range sorted {
		name := sourceOf(p)
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, source{name: name})
			files = append(files, nil)
			sum.Reset()
		}
		s := &list[len(list)-1]
		s.packages = append(s.packages, p.Name)
		s.versions = append(s.versions, p.Version)
		for _, word := range []string{p.Name, p.Arch, p.Version} {
			sum.Write([]byte(word))
			sum.Write([]byte{0})
		}
		s.version = sum.Sum32()
		if p.BuildTime.After(s.built) {
			s.built = p.BuildTime
		}
		if len(p.Changes) > len(s.changes) {
			s.changes, s.flaws = p.Changes, p.Flaws
		}
		files[len(files)-1] = append(files[len(files)-1], brought(p)...)
	}
	return list, files
}

// brought are the files of a package but for those that something else has made.
func brought(p packagedb.Owner) []string {
	ghosts := map[string]bool{}
	for _, name := range p.Ghosts {
		ghosts[name] = true
	}
	return slices.DeleteFunc(slices.Clone(p.Files), func(name string) bool { return ghosts[name] })
}

// sourceOf is the group of a package.
func sourceOf(p packagedb.Owner) string {
	return cmp.Or(p.Source, p.Name, "?")
}
