package recipe

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// What lists must not say of the same thing. Lists of all files append, so one
// of the two is often in a bundle, or in a file that others include too.

// named is a list of names, with the word that it is under.
type named struct {
	word  string
	names []String
	// patterns is set where a name may be a glob for names of other lists.
	patterns bool
}

// opposites reports what is in two lists that contradict each other.
func (r *Recipe) opposites(c *comparison) {
	var install []String
	for _, p := range r.Packages.Install {
		name := p.Name.String
		if p.IsFile() {
			name = String{} // which package is in the file is not known
		}
		install = append(install, name)
	}
	var (
		packages = r.Packages
		systemd  = r.Systemd
		tests    = r.Tests

		installed = named{word: "packages.install", names: install}
		optional  = named{word: "packages.optional", names: packages.Optional}
		removed   = named{word: "packages.remove", names: packages.Remove}
		excluded  = named{word: "packages.exclude", names: packages.Exclude, patterns: true}
		locked    = named{word: "packages.lock", names: packages.Lock, patterns: true}
		enabled   = named{word: "systemd.enable", names: systemd.Enable}
		user      = named{word: "systemd.user.enable", names: systemd.User.Enable}
		present   = named{word: "tests.packages.present", names: tests.PackagesPresent}
		absent    = named{word: "tests.packages.absent", names: tests.PackagesAbsent}
		up        = named{word: "tests.units.enabled", names: tests.UnitsEnabled}
		active    = named{word: "boot.expect.active", names: r.Boot.Expect.Active}
		without   = named{word: "tests.kernel-args.absent", names: tests.KernelArgsAbsent}
	)
	for _, pair := range []struct {
		noun       string
		one, other named
	}{
		{"package", removed, installed},
		{"package", removed, optional},
		{"package", excluded, installed},
		{"package", excluded, optional},
		{"package", locked, removed},
		{"package", removed, present},
		{"package", excluded, present},
		{"package", absent, present},
		{"package", absent, installed},
		{"unit", named{word: "systemd.disable", names: systemd.Disable}, enabled},
		{"unit", named{word: "systemd.mask", names: systemd.Mask}, enabled},
		{"unit", named{word: "systemd.mask", names: systemd.Mask}, active},
		{"unit", named{word: "boot.expect.failed", names: r.Boot.Expect.Failed}, active},
		{"user unit", named{word: "systemd.user.disable", names: systemd.User.Disable}, user},
		{"user unit", named{word: "systemd.user.mask", names: systemd.User.Mask}, user},
		{"unit", named{word: "tests.units.disabled", names: tests.UnitsDisabled}, up},
		{"unit", named{word: "tests.units.masked", names: tests.UnitsMasked}, up},
		{"module of dracut", named{word: "kernel.dracut.omit", names: r.Kernel.Dracut.Omit}, named{word: "kernel.dracut.add", names: r.Kernel.Dracut.Add}},
		{"kernel argument", without, named{word: "tests.kernel-args.present", names: tests.KernelArgsPresent}},
	} {
		c.apart(pair.noun, pair.one, pair.other)
	}
}

// apart reports the names that both lists have.
func (c *comparison) apart(noun string, one, other named) {
	for i, a := range one.names {
		at := slices.IndexFunc(other.names, func(b String) bool {
			matches, _ := path.Match(a.Value, b.Value) // what is no pattern is a name
			return b.IsSet() && (a.Value == b.Value || one.patterns && matches)
		})
		if at >= 0 {
			c.both(noun, said{one.word, i, a}, said{other.word, at, other.names[at]})
		}
	}
}

// said is an item of a list.
type said struct {
	word  string
	index int
	name  String
}

func (s said) bundle() string {
	name, ok := strings.CutPrefix(s.name.Pos.File, bundlePrefix)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(name, ".yaml")
}

// both reports two items that contradict each other, where its reader can mend
// it: in a file of the project, where one of them is in one.
func (c *comparison) both(noun string, here, there said) {
	if here.bundle() != "" && there.bundle() == "" {
		here, there = there, here
	}
	if slices.ContainsFunc(*c.problems, func(d diag.Diagnostic) bool { return d.Code == "conflict" && d.Pos == here.name.Pos }) {
		return // one reason is enough to take it out
	}
	as := ""
	if here.name.Value != there.name.Value {
		as = ", as " + quote(there.name.Value)
	}
	hint := "take it out of one of them"
	switch a, b := here.bundle(), there.bundle(); {
	case a != "" && a != b:
		hint = fmt.Sprintf("include one of the bundles %q and %q, and say in a file of your own what the other one is for", b, a)
	case b != "" && a == "":
		hint = fmt.Sprintf("take it out here, or leave the bundle %q out and say in a file of your own what it is for", b)
	}
	c.problems.Add(diag.Diagnostic{
		Pos: here.name.Pos, Path: fmt.Sprintf("%s[%d]", here.word, here.index), Code: "conflict", Hint: hint,
		Message: fmt.Sprintf("%s %s is also in %s%s, in %s", noun, quote(here.name.Value), there.word, as, lineOf(there.name.Pos, here.name.Pos)),
	})
}
