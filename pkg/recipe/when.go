package recipe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// A recipe is layers, one for each file that it is made of, in the order in
// which they apply. What a layer says under "when" is left aside until the
// distribution is known: [Recipe.On] then lays it over the rest of its file.

// layer is what one file says.
type layer struct {
	v *value
	// at is the entry of an include list that brought the file in, nil for the
	// recipe itself. A bundle is named by its text.
	at *value
}

type layers []layer

// bind makes the recipe of what all layers say, but for what is under "when".
func (l layers) bind(file string) *Recipe {
	var merged *value
	for _, one := range l {
		merged = merge(merged, one.v.without(whenKey))
	}
	r := bind(file, merged)
	r.layers = l
	return r
}

// variants returns the entries of "when" of all layers.
func (l layers) variants() []*value {
	var entries []*value
	for _, one := range l {
		if v := one.v.member(whenKey); v != nil {
			entries = append(entries, v.items...)
		}
	}
	return entries
}

// whenKey is the word that [Recipe.On] resolves.
const whenKey = "when"

// variantWords are the words of an entry of "when" that are not about content.
var variantWords = []word[Recipe]{
	{
		key: "distro", required: true,
		doc: "What the entry is for: distributions by ID (debian) or by ID and major version (centos-10); " +
			"el is Enterprise Linux and all that is made like it, with or without its major version (el-10).",
		examples: []string{"[el-10, fedora]"},
		value:    field[Recipe]{&spec{kind: listKind, item: &spec{kind: textKind, rule: familyRule}}, unbound},
	},
	{
		key:      "unsupported",
		doc:      "Why this file is of no use there, and what to use: a build on one of these distributions is refused with this text.",
		examples: []string{"\"there is no such package here; use the one of flatpak\""},
		value:    field[Recipe]{&spec{kind: textKind, rule: reasonRule}, unbound},
	},
}

// unbound is for words that have no field: they are read from the layers.
func unbound(*Recipe, *value) {}

var variantRecord = record[Recipe]{words: slices.Concat(variantWords, content)}

// variants is the word "when".
var variants = field[Recipe]{&spec{kind: listKind, item: variantRecord.spec()}, unbound}

// families are what "when" knows beside the distributions themselves.
var families = append([]string{"el"}, distributions...)

var familyRule = &rule{
	what:    "a distribution",
	form:    "an ID with or without its major version, as in debian, centos-10 or el-10",
	pattern: whole(`(?:` + strings.Join(families, "|") + `)(?:-[1-9][0-9]{0,3})?`),
	inspect: func(text string, _ *source) *fault {
		id, major, versioned := strings.Cut(text, "-")
		if slices.Contains(families, id) {
			return nil
		}
		if bare := strings.TrimRight(id, "0123456789"); bare != id && slices.Contains(families, bare) {
			return &fault{hint: fmt.Sprintf("write %q", bare+"-"+strings.TrimPrefix(id, bare))}
		}
		near := diag.Nearest(id, families)
		if near != "" && versioned {
			near += "-" + major
		}
		return &fault{hint: didYouMean(near, "known are "+strings.Join(families, ", ")+", each with or without its major version, as in el-10")}
	},
}

var reasonRule = &rule{what: "a reason", form: "one line of text", longest: 1024, pattern: whole(`[^\s].*`)}

// forNone reports the entries of "when" that are for no distribution.
func (l layers) forNone(c *comparison, found diag.List) {
	for _, v := range l.variants() {
		if distro := v.member("distro"); distro != nil && len(distro.items) == 0 && wasRead(found, distro.path) {
			c.problems.Add(diag.Diagnostic{
				Pos: distro.pos, Path: distro.path, Code: "invalid-value",
				Message: distro.path + " names no distribution", Hint: "name one, as in distro: [el-10, fedora], or remove the entry",
			})
		}
	}
}

// On returns the recipe as it is on one distribution, with the entries of
// "when" that are for it. names are what the distribution goes by there, as in
// "centos", "centos-10", "el" and "el-10"; display is its name for people.
//
// Problems are what contradicts itself only now, entries that say that the
// distribution is not supported, and bundles that know it not. The recipe is
// nil where there is an error among them. r itself stays as it is.
func (r *Recipe) On(names []string, display string) (*Recipe, diag.List) {
	if len(r.layers.variants()) == 0 {
		return r, nil // it says the same everywhere
	}
	var problems diag.List
	var merged *value
	for _, l := range r.layers {
		merged = merge(merged, l.v.without(whenKey))
		entries := l.v.member(whenKey)
		if entries == nil {
			continue
		}
		matched := false
		for _, e := range entries.items {
			if !e.isFor(names) {
				continue
			}
			matched = true
			if reason := e.member("unsupported"); reason != nil {
				problems.Add(l.unsupported(reason, display))
			}
			merged = merge(merged, e.without("distro", "unsupported"))
		}
		if !matched && l.bundle() != "" {
			problems.Add(l.unknownOn(entries, display))
		}
	}
	on := bind(r.File, merged)
	on.Dir, on.isFile = r.Dir, r.isFile
	for _, d := range on.disagreements(r.isFile, problems) {
		if d.Severity == diag.Error { // warnings are of the file, and were told
			problems.Add(d)
		}
	}
	return finish(on, problems)
}

// isFor reports whether an entry of "when" names one of the names.
func (v *value) isFor(names []string) bool {
	return slices.ContainsFunc(v.member("distro").items, func(i *value) bool { return slices.Contains(names, i.text) })
}

// without returns a mapping without some of its keys; v stays as it is.
func (v *value) without(keys ...string) *value {
	w := *v
	w.members = slices.DeleteFunc(slices.Clone(v.members), func(m member) bool { return slices.Contains(keys, m.key.Value) })
	return &w
}

// bundle returns the name of the bundle that a layer is, "" where it is none.
func (l layer) bundle() string {
	if l.at == nil || !l.v.src.bundle {
		return ""
	}
	return l.at.text
}

// unsupported reports an entry that is for a distribution and says so. Of a
// bundle, the place to mend is where it is included.
func (l layer) unsupported(reason *value, display string) diag.Diagnostic {
	d := diag.Diagnostic{
		Pos: reason.pos, Path: reason.path, Code: "unsupported-on",
		Message: fmt.Sprintf("this is of no use on %s: %s", display, reason.text),
	}
	if name := l.bundle(); name != "" {
		d.Pos, d.Path = l.at.pos, l.at.path
		d.Message = fmt.Sprintf("the bundle %q is of no use on %s: %s", name, display, reason.text)
	}
	return d
}

// unknownOn reports a bundle that says nothing of a distribution.
func (l layer) unknownOn(entries *value, display string) diag.Diagnostic {
	var known []string
	for _, e := range entries.items {
		if e.member("unsupported") == nil {
			for _, i := range e.member("distro").items {
				if !slices.Contains(known, i.text) {
					known = append(known, i.text)
				}
			}
		}
	}
	return diag.Diagnostic{
		Pos: l.at.pos, Path: l.at.path, Code: "unsupported-on",
		Message: fmt.Sprintf("the bundle %q says nothing of %s", l.bundle(), display),
		Hint:    "it knows " + strings.Join(known, ", ") + "; say what is wanted in a file of your own",
	}
}
