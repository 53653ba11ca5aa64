package recipe

import (
	"slices"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// value is a value of a recipe that its spec accepted. Every part of it knows
// where it was said, so that merging files loses no position.
type value struct {
	pos diag.Pos
	// path is the place in the document's own terms.
	path string
	src  *source
	// text is of scalars, with variables expanded.
	text string
	// items are of lists.
	items []*value
	// members are of records and pairs, in the order of the file.
	members []member
	kind    kind
	// unreadable is of scalars that have a problem: they say nothing, and are
	// kept for what would be missed otherwise.
	unreadable bool
}

// member is one key of a mapping, and what it says.
type member struct {
	key   String
	value *value
}

func (v *value) string() String {
	if v.unreadable {
		return String{Value: unreadable}
	}
	return String{Value: v.text, Pos: v.pos}
}

// unreadable is the value of a word that is not set because its text has a
// problem. No recipe that anyone gets has one, nor any text that can be read.
const unreadable = "\x00"

// said reports whether the recipe says the word, and be it with a problem.
func (s String) said() bool { return s.IsSet() || s.Value == unreadable }

// member returns the value of a key, nil where the mapping does not have it.
func (v *value) member(key string) *value {
	for _, m := range v.members {
		if m.key.Value == key {
			return m.value
		}
	}
	return nil
}

// merge returns what both files together say: lists append, base first;
// mappings merge key by key, in the order in which the keys first appear; of
// scalars the one in over counts. Either may be nil, and neither is changed.
func merge(base, over *value) *value {
	switch {
	case base == nil:
		return over
	case over == nil:
		return base
	}
	merged := *over
	switch over.kind {
	case listKind:
		merged.items = slices.Concat(base.items, over.items)
	case recordKind, pairsKind:
		merged.members = nil
		for _, m := range base.members {
			if o := over.member(m.key.Value); o != nil {
				m = member{key: over.keyOf(m.key.Value), value: merge(m.value, o)}
			}
			merged.members = append(merged.members, m)
		}
		for _, m := range over.members {
			if base.member(m.key.Value) == nil {
				merged.members = append(merged.members, m)
			}
		}
	}
	return &merged
}

// keyOf returns a key with the place where this mapping has it.
func (v *value) keyOf(key string) String {
	i := slices.IndexFunc(v.members, func(m member) bool { return m.key.Value == key })
	return v.members[i].key
}
