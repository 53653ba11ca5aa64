package diff

import (
	"cmp"
	"slices"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// packageChanges compares two lists. settled says of every package of both
// whether the other image has the same build of it; a file of any other is
// explained by its package.
func packageChanges(before, after []packagedb.Owner) (p Packages, settled [2][]bool) {
	m := matcher{sides: [2][]packagedb.Owner{before, after}}
	for i, list := range m.sides {
		m.done[i] = make([]bool, len(list))
		settled[i] = make([]bool, len(list))
	}
	// The closest first: the same build; another build of the version; one
	// version instead of another; one architecture instead of another.
	m.pair(identity{version: true, arch: true, build: true}, func(a, b int) { settled[0][a], settled[1][b] = true, true })
	changed := func(a, b int) {
		x, y := before[a].Package, after[b].Package
		p.Changed = append(p.Changed, PackageChange{
			Name: y.Name, Source: y.Source,
			OldVersion: x.Version, NewVersion: y.Version, OldArch: x.Arch, NewArch: y.Arch,
		})
	}
	m.pair(identity{version: true, arch: true}, changed)
	m.pair(identity{arch: true}, changed)
	m.pair(identity{}, changed)
	p.Removed, p.Added = m.rest(0), m.rest(1)
	slices.SortFunc(p.Changed, func(a, b PackageChange) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.NewArch, b.NewArch), cmp.Compare(a.NewVersion, b.NewVersion),
			cmp.Compare(a.OldArch, b.OldArch), cmp.Compare(a.OldVersion, b.OldVersion))
	})
	p.Sources = bySource(p)
	return p, settled
}

// matcher finds for each package its counterpart in the other image. There may
// be several of a name: architectures, and versions that are kept beside each
// other as kernels are.
type matcher struct {
	sides [2][]packagedb.Owner
	done  [2][]bool
}

// identity is what two packages must have in common beside their name.
type identity struct{ version, arch, build bool }

type packageKey struct {
	name, format, version, arch string
	built                       int64
	vendor                      string
}

func (id identity) of(p packagedb.Package) packageKey {
	k := packageKey{name: p.Name, format: p.Format}
	if id.version {
		k.version = p.Version
	}
	if id.arch {
		k.arch = p.Arch
	}
	if id.build {
		k.built, k.vendor = p.BuildTime.Unix(), p.Vendor
	}
	return k
}

// pair calls found for the packages that agree, in their order, as long as
// both images have one left.
func (m *matcher) pair(id identity, found func(before, after int)) {
	left := map[packageKey][]int{}
	for i, p := range m.sides[0] {
		if !m.done[0][i] && (id.version || !isKey(p.Package)) {
			k := id.of(p.Package)
			left[k] = append(left[k], i)
		}
	}
	for j, p := range m.sides[1] {
		if m.done[1][j] {
			continue
		}
		k := id.of(p.Package)
		if list := left[k]; len(list) > 0 {
			left[k] = list[1:]
			m.done[0][list[0]], m.done[1][j] = true, true
			found(list[0], j)
		}
	}
}

// isKey tells keys that were imported into an rpm database from packages: they
// share a name, and their version says which key it is.
func isKey(p packagedb.Package) bool { return p.Format == "rpm" && p.Arch == "" }

// rest are the packages without a counterpart.
func (m *matcher) rest(side int) []Package {
	var list []Package
	for i, p := range m.sides[side] {
		if !m.done[side][i] {
			list = append(list, Package{Name: p.Name, Version: p.Version, Arch: p.Arch, Source: p.Source})
		}
	}
	return list
}

func bySource(p Packages) []SourceChange {
	type key struct {
		source   string
		kind     Kind
		old, new string
	}
	groups := map[key][]string{}
	for _, c := range p.Added {
		k := key{c.Source, Added, "", c.Version}
		groups[k] = append(groups[k], c.Name)
	}
	for _, c := range p.Removed {
		k := key{c.Source, Removed, c.Version, ""}
		groups[k] = append(groups[k], c.Name)
	}
	for _, c := range p.Changed {
		k := key{c.Source, Changed, c.OldVersion, c.NewVersion}
		groups[k] = append(groups[k], c.Name)
	}
	var list []SourceChange
	for k, names := range groups {
		slices.Sort(names)
		list = append(list, SourceChange{
			Source: k.source, Change: k.kind, OldVersion: k.old, NewVersion: k.new, Packages: slices.Compact(names),
		})
	}
	slices.SortFunc(list, func(a, b SourceChange) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Change, b.Change),
			cmp.Compare(a.OldVersion, b.OldVersion), cmp.Compare(a.NewVersion, b.NewVersion))
	})
	return list
}
