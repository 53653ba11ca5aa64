package kernel

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Versions lists the kernel releases that have a folder in lib/modules or
// usr/lib/modules, sorted.
func (i *Initramfs) Versions() []string {
	found := map[string]bool{}
	for name, e := range i.Entries {
		if kver, below, ok := moduleTree(name); ok && (e.Mode.IsDir() || below != "") {
			found[kver] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// moduleTree splits a name in lib/modules or usr/lib/modules into the name of
// the tree there and the rest.
func moduleTree(name string) (kver, below string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "usr/"), "lib/modules/")
	if !ok {
		return "", "", false
	}
	kver, below, _ = strings.Cut(rest, "/")
	return kver, below, true
}

// Lookup finds the file that name leads to, through the symbolic links of the
// archive, the last one included; absolute targets start at the archive's root.
// The entry's Name is where it was found. It reports false if there is no such
// file, and if more than 40 links were met (the kernel's ELOOP).
func (i *Initramfs) Lookup(name string) (Entry, bool) {
	at, ok := walk(clean(name), true, func(p string) (fs.FileMode, string, bool) {
		e, ok := i.Entries[p]
		if !ok && implied[p] {
			return fs.ModeDir, "", true
		}
		return e.Mode, e.Link, ok
	})
	if !ok {
		return Entry{}, false
	}
	e, ok := i.Entries[at]
	return e, ok
}

// Modules lists the kernel modules of all releases by normalised name (see
// [ModuleName]), sorted, each once.
func (i *Initramfs) Modules() []string {
	found := map[string]bool{}
	for name, e := range i.Entries {
		if m := entryModule(name, e); m != "" {
			found[m] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// HasModule reports whether the archive has the kernel module name, which may
// be written with "-" or "_". Modules built into the kernel are in no archive:
// ask [ModuleTree].
func (i *Initramfs) HasModule(name string) bool {
	name = normalise(name)
	for n, e := range i.Entries {
		if m := entryModule(n, e); m != "" && m == name {
			return true
		}
	}
	return false
}

// entryModule is the name of the module that an entry of a module tree is, or
// "". A link counts: dracut links equal modules.
func entryModule(name string, e Entry) string {
	if _, _, ok := moduleTree(name); !ok || e.Mode.IsDir() {
		return ""
	}
	return ModuleName(name)
}
