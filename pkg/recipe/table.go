package recipe

import (
	"strconv"
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The language is a table: a [record] is a mapping of the recipe and lists its
// words, and a [word] is all there is to know of one key. Everything else
// reads that table: the walker (walk.go) checks a file against it, the merger
// (merge.go) needs to know its lists from its texts, the binder fills the
// structs of recipe.go through it, and Schema (schema.go) writes it down. A new
// word is one row in words.go, and a new field in recipe.go for it to go to.

// record is a mapping with known keys, and the struct T that it goes to.
type record[T any] struct {
	words []word[T]
	// oneOf are keys of which exactly one has to be there.
	oneOf []string
	// bare is the key that a value stands for that is no mapping: with "arg",
	// the text "quiet" means {arg: quiet}. "" is for none.
	bare string
	// pos is where the place of the mapping goes; nil where T has no room for it.
	pos func(*T) *diag.Pos
}

// word is one key of a record.
type word[T any] struct {
	key string
	// doc is a sentence or two for editors and for the reference.
	doc string
	// examples are values in YAML, as they stand after "key: ".
	examples []string
	// required words are missed where they are not there. A file that is
	// included need not have those of the mappings that it shares with the
	// recipe.
	required bool
	value    field[T]
}

// field is what a value may be, and how it gets into a T.
type field[T any] struct {
	spec *spec
	bind func(into *T, v *value)
}

// kind is a kind of value.
type kind int

const (
	textKind kind = iota
	booleanKind
	numberKind
	listKind
	recordKind // a mapping with the keys of spec.words
	pairsKind  // a mapping with any keys
)

// spec is what a value may be, whatever Go type it is bound to.
type spec struct {
	kind kind
	// rule is of texts and numbers, and of the values of pairs.
	rule *rule
	// keys is the rule of the keys of pairs.
	keys *rule
	// item is of lists.
	item *spec
	// words, oneOf and bare are those of a record.
	words []wordSpec
	oneOf []string
	bare  string
}

// wordSpec is a [word] without its Go type.
type wordSpec struct {
	key, doc string
	examples []string
	required bool
	spec     *spec
}

// isScalar reports whether a value is one text, number or boolean.
func (s *spec) isScalar() bool {
	return s.kind == textKind || s.kind == numberKind || s.kind == booleanKind
}

// word returns the row of a key.
func (s *spec) word(key string) (wordSpec, bool) {
	for _, w := range s.words {
		if w.key == key {
			return w, true
		}
	}
	return wordSpec{}, false
}

// keyNames returns the keys of a record, in the table's order.
func (s *spec) keyNames() []string {
	names := make([]string, len(s.words))
	for i, w := range s.words {
		names[i] = w.key
	}
	return names
}

func (r record[T]) spec() *spec {
	s := &spec{kind: recordKind, oneOf: r.oneOf, bare: r.bare}
	for _, w := range r.words {
		s.words = append(s.words, wordSpec{w.key, w.doc, w.examples, w.required, w.value.spec})
	}
	return s
}

// bind fills into from a value that the record's spec accepted.
func (r record[T]) bind(into *T, v *value) {
	if r.pos != nil {
		*r.pos(into) = v.pos
	}
	for _, w := range r.words {
		if member := v.member(w.key); member != nil {
			w.value.bind(into, member)
		}
	}
}

// text is a scalar.
func text[T any](r *rule, at func(*T) *String) field[T] {
	return scalar(&spec{kind: textKind, rule: r}, at)
}

// number is a whole number, which is written without quotes.
func number[T any](r *rule, at func(*T) *String) field[T] {
	return scalar(&spec{kind: numberKind, rule: r}, at)
}

// boolean is true or false; it is bound as that word.
func boolean[T any](at func(*T) *String) field[T] {
	return scalar(&spec{kind: booleanKind}, at)
}

func scalar[T any](s *spec, at func(*T) *String) field[T] {
	return field[T]{s, func(into *T, v *value) { *at(into) = v.string() }}
}

// pathTo is a text that names a file, and remembers which folder it is relative
// to.
func pathTo[T any](r *rule, at func(*T) *Path) field[T] {
	return field[T]{
		&spec{kind: textKind, rule: r},
		func(into *T, v *value) { *at(into) = Path{String: v.string(), Dir: v.src.dir} },
	}
}

// texts is a list of scalars.
func texts[T any](r *rule, at func(*T) *[]String) field[T] {
	return listOf(r, at, (*value).string)
}

// listOf is a list of scalars, of each of which item makes an F.
func listOf[T, F any](r *rule, at func(*T) *[]F, item func(*value) F) field[T] {
	return field[T]{
		&spec{kind: listKind, item: &spec{kind: textKind, rule: r}},
		func(into *T, v *value) {
			for _, i := range v.items {
				*at(into) = append(*at(into), item(i))
			}
		},
	}
}

// paths is a list of names of files.
func paths[T any](r *rule, at func(*T) *[]Path) field[T] {
	return listOf(r, at, func(v *value) Path { return Path{String: v.string(), Dir: v.src.dir} })
}

// textLists is a list of lists of scalars.
func textLists[T any](r *rule, at func(*T) *[][]String) field[T] {
	inner := &spec{kind: listKind, item: &spec{kind: textKind, rule: r}}
	return field[T]{
		&spec{kind: listKind, item: inner},
		func(into *T, v *value) {
			for _, list := range v.items {
				var texts []String
				for _, i := range list.items {
					texts = append(texts, i.string())
				}
				*at(into) = append(*at(into), texts)
			}
		},
	}
}

// section is a mapping with the words of r.
func section[T, F any](r record[F], at func(*T) *F) field[T] {
	return field[T]{r.spec(), func(into *T, v *value) { r.bind(at(into), v) }}
}

// entries is a list of mappings with the words of r.
func entries[T, F any](r record[F], at func(*T) *[]F) field[T] {
	return field[T]{
		&spec{kind: listKind, item: r.spec()},
		func(into *T, v *value) {
			for _, item := range v.items {
				var f F
				r.bind(&f, item)
				*at(into) = append(*at(into), f)
			}
		},
	}
}

// pairs is a mapping whose keys the recipe chooses.
func pairs[T any](keys, values *rule, at func(*T) *[]Label) field[T] {
	return field[T]{
		&spec{kind: pairsKind, keys: keys, rule: values},
		func(into *T, v *value) {
			for _, m := range v.members {
				*at(into) = append(*at(into), Label{Key: m.key, Value: m.value.string()})
			}
		},
	}
}

// size is a number of bytes with its unit.
func size[T any](r *rule, at func(*T) (*int64, *diag.Pos)) field[T] {
	return field[T]{
		&spec{kind: textKind, rule: r},
		func(into *T, v *value) {
			if v.unreadable {
				return
			}
			bytes, pos := at(into)
			*bytes, _ = parseSize(v.text) // the rule has accepted it
			*pos = v.pos
		},
	}
}

// duration is a length of time with its unit.
func duration[T any](at func(*T) (*time.Duration, *diag.Pos)) field[T] {
	return field[T]{
		&spec{kind: textKind, rule: durationRule},
		func(into *T, v *value) {
			if v.unreadable {
				return
			}
			length, pos := at(into)
			*length, _ = time.ParseDuration(v.text) // the rule has accepted it
			*pos = v.pos
		},
	}
}

// count is a whole number, which is written without quotes.
func count[T any](r *rule, at func(*T) *int) field[T] {
	return field[T]{
		&spec{kind: numberKind, rule: r},
		func(into *T, v *value) {
			if !v.unreadable {
				*at(into), _ = strconv.Atoi(v.text) // the rule has accepted it
			}
		},
	}
}
