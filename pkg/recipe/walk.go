package recipe

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// walker checks the nodes of one file against the table. It goes on after a
// problem, so that all of them are found at once.
type walker struct {
	src *source
	// lookup finds the values of variables; nil knows none.
	lookup func(string) (string, bool)
	// unpublished is Options.Unpublished.
	unpublished bool
	// included is set for files other than the recipe itself.
	included bool
	problems *diag.List
	// variables are those that were expanded.
	variables []variableUse
	// reported counts the problems of this file, and unreported is the first
	// that was one too many.
	reported   int
	unreported diag.Pos
}

// maxProblems is how many problems of one file are reported. Who has more has
// most likely named the wrong file.
const maxProblems = 100

// place is where a value stands, for messages.
type place struct {
	pos  diag.Pos
	path string
}

func (w *walker) report(at place, code, message, hint string) {
	w.add(diag.Diagnostic{Pos: at.pos, Path: at.path, Code: code, Message: message, Hint: hint}, at)
}

// warn reports what does not keep the recipe from being used.
func (w *walker) warn(at place, code, message, hint string) {
	w.add(diag.Diagnostic{Pos: at.pos, Path: at.path, Severity: diag.Warning, Code: code, Message: message, Hint: hint}, at)
}

func (w *walker) add(d diag.Diagnostic, at place) {
	if w.full(at) {
		return
	}
	w.reported++
	w.problems.Add(d)
}

// full reports whether there are problems enough, and remembers where that
// was asked first.
func (w *walker) full(at place) bool {
	if w.reported < maxProblems {
		return false
	}
	if !w.unreported.IsValid() {
		w.unreported = at.pos
	}
	return true
}

// walk returns what a node says, or nil where it is no such value. at is the
// place of the key or the list item that the node belongs to.
func (w *walker) walk(s *spec, n *yaml.Node, at place) *value {
	here := place{w.src.of(n), at.path}
	if !w.plain(n, here) {
		return nil
	}
	if isNull(n) {
		w.report(at, "null-value", at.subject()+" has no value", "give it "+s.expected()+", or remove the line")
		return nil
	}
	switch s.kind {
	case listKind:
		return w.list(s, n, at)
	case recordKind:
		return w.record(s, n, at)
	case pairsKind:
		return w.pairs(s, n, at)
	}
	if n.Kind != yaml.ScalarNode {
		w.wrongKind(s, n, here)
		return nil
	}
	return w.scalar(s, n, here)
}

// plain reports whether the node is written without what the language leaves
// out of YAML: aliases, anchors and tags.
func (w *walker) plain(n *yaml.Node, at place) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		w.report(at, "alias", fmt.Sprintf("*%s is an alias, and the recipe language has none", n.Value), "write the value itself")
	case n.Anchor != "":
		w.report(at, "alias", fmt.Sprintf("&%s is an anchor, and the recipe language has none", n.Anchor), "remove it")
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		w.report(at, "tag", fmt.Sprintf("%s is a tag, and the recipe language has none", n.Tag), "remove it; put quotes around a value that begins with \"!\"")
	default:
		return true
	}
	return false
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// subject names the place at the beginning of a sentence.
func (p place) subject() string {
	if p.path == "" {
		return "the recipe"
	}
	return p.path
}

// expected says what a value has to be.
func (s *spec) expected() string {
	switch s.kind {
	case booleanKind:
		return "true or false"
	case numberKind:
		return "a whole number"
	case listKind:
		return "a list"
	case recordKind:
		if s.bare != "" {
			return "text or a mapping"
		}
		return "a mapping"
	case pairsKind:
		return "a mapping"
	}
	return "text"
}

// kindOf says what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	switch n.Tag {
	case "!!int":
		return "a number"
	case "!!float":
		return "a number with a fraction"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

func (w *walker) list(s *spec, n *yaml.Node, at place) *value {
	if n.Kind != yaml.SequenceNode {
		w.wrongKind(s, n, place{w.src.of(n), at.path})
		return nil
	}
	v := &value{kind: listKind, pos: at.pos, path: at.path, src: w.src}
	for i, c := range n.Content {
		item := place{w.src.of(c), fmt.Sprintf("%s[%d]", at.path, i)}
		if got := w.walk(s.item, c, item); got != nil {
			v.items = append(v.items, got)
		}
	}
	return v
}

func (w *walker) record(s *spec, n *yaml.Node, at place) *value {
	v := &value{kind: recordKind, pos: at.pos, path: at.path, src: w.src}
	if s.bare != "" && n.Kind == yaml.ScalarNode {
		row, _ := s.word(s.bare)
		if got := w.walk(row.spec, n, at); got != nil {
			v.members = []member{{String{s.bare, at.pos}, got}}
			return v
		}
		return nil
	}
	if n.Kind != yaml.MappingNode {
		w.wrongKind(s, n, place{w.src.of(n), at.path})
		return nil
	}
	// meant are the keys that unknown ones are near to.
	present, meant := map[string]bool{}, map[string]bool{}
	for key, node := range w.members(n, at) {
		row, ok := s.word(key.Value)
		if !ok {
			meant[w.unknownKey(s, key, at)] = true
			continue
		}
		present[key.Value] = true
		switch got := w.walk(row.spec, node, place{key.Pos, within(at.path, key.Value)}); {
		case got != nil:
			v.members = append(v.members, member{key, got})
		case row.spec.isScalar():
			v.members = append(v.members, member{key, &value{kind: row.spec.kind, pos: key.Pos, src: w.src, unreadable: true}})
		}
	}
	w.missing(s, present, meant, at)
	return v
}

// missing reports the keys that have to be there and are not, but for those
// that are there misspelt.
func (w *walker) missing(s *spec, present, meant map[string]bool, at place) {
	// What is no list item is merged with the recipe's own, which has them.
	shared := w.included && !strings.Contains(at.path, "[")
	for _, row := range s.words {
		if row.required && !present[row.key] && !meant[row.key] && !shared {
			w.report(at, "missing-key", fmt.Sprintf("%s has no %q", at.subject(), row.key),
				fmt.Sprintf("add it, as in %s: %s", row.key, row.examples[0]))
		}
	}
	if len(s.oneOf) == 0 {
		return
	}
	var found []string
	misspelt := false
	for _, key := range s.oneOf {
		misspelt = misspelt || meant[key]
		if present[key] {
			found = append(found, key)
		}
	}
	switch all := strings.Join(s.oneOf, " or "); {
	case len(found) > 1:
		w.report(at, "conflict", fmt.Sprintf("%s has both %s", at.subject(), strings.Join(found, " and ")), "keep one of them")
	case len(found) == 0 && !shared && !misspelt:
		w.report(at, "missing-key", fmt.Sprintf("%s has neither %s", at.subject(), strings.Join(s.oneOf, " nor ")), "add "+all)
	}
}

func (w *walker) pairs(s *spec, n *yaml.Node, at place) *value {
	if n.Kind != yaml.MappingNode {
		w.wrongKind(s, n, place{w.src.of(n), at.path})
		return nil
	}
	v := &value{kind: pairsKind, pos: at.pos, path: at.path, src: w.src}
	item := &spec{kind: textKind, rule: s.rule}
	for key, node := range w.members(n, at) {
		here := place{key.Pos, within(at.path, key.Value)}
		if d := s.keys.judge(key.Value, w.src); d != nil {
			w.report(here, d.Code, d.Message, d.Hint)
			continue
		}
		if got := w.walk(item, node, here); got != nil {
			v.members = append(v.members, member{key, got})
		}
	}
	return v
}

// members yields the keys of a mapping with their values. Keys that are none,
// and those that came before, are reported and left out.
func (w *walker) members(n *yaml.Node, at place) func(yield func(String, *yaml.Node) bool) {
	return func(yield func(String, *yaml.Node) bool) {
		first := map[string]diag.Pos{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			node := n.Content[i]
			key := String{node.Value, w.src.of(node)}
			here := place{key.Pos, within(at.path, key.Value)}
			switch before, again := first[key.Value]; {
			case !w.plain(node, place{key.Pos, at.path}):
			case node.Kind != yaml.ScalarNode:
				w.report(place{key.Pos, at.path}, "wrong-kind", fmt.Sprintf("a key must be text, not %s", kindOf(node)),
					"put quotes around a value that begins with [ or {")
			case node.Tag == "!!merge":
				w.report(here, "merge-key", "<< is YAML's merge key, and the recipe language has none", "write the keys themselves, or include a file")
			case node.Tag != "!!str":
				w.report(here, "wrong-kind", fmt.Sprintf("a key must be text, and %s is %s to YAML", quote(node.Value), kindOf(node)),
					fmt.Sprintf("put quotes around it: \"%s\"", clip(node.Value)))
			case again:
				w.report(here, "duplicate-key", fmt.Sprintf("the key %s is here again; it is first in line %d, column %d", quote(key.Value), before.Line, before.Col),
					"keep one of them")
			default:
				first[key.Value] = key.Pos
				if !yield(key, n.Content[i+1]) {
					return
				}
			}
		}
	}
}

// within extends a path by a key.
func within(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// unknownKey reports a key, and returns the one that is near, "" where none is.
func (w *walker) unknownKey(s *spec, key String, at place) string {
	if w.full(place{pos: key.Pos}) {
		return "" // before looking for a near word, which takes time
	}
	message := "unknown key " + quote(key.Value)
	if at.path != "" {
		message += " in " + at.path
	}
	near := cmp.Or(diag.Nearest(key.Value, s.keyNames()), diag.Part(key.Value, s.keyNames()))
	hint := didYouMean(near, "known keys: "+strings.Join(s.keyNames(), ", "))
	if home, known := elsewhere[key.Value]; known && at.path == "" {
		near, hint = "", home
	} else if near == "" {
		if _, top := language.word(key.Value); top {
			hint += fmt.Sprintf("; %q is a word of the top", key.Value)
		} else if home := homeOf(key.Value); home != "" {
			hint = fmt.Sprintf("%q belongs under %q", key.Value, home)
		}
	}
	w.report(place{key.Pos, within(at.path, key.Value)}, "unknown-key", message, hint)
	return near
}

// homeOf returns the first path of the language under which a key is known, ""
// where it is known nowhere.
func homeOf(key string) string {
	var find func(s *spec, path string) string
	find = func(s *spec, path string) string {
		for s.kind == listKind {
			s = s.item
		}
		if _, ok := s.word(key); ok && path != "" {
			return path
		}
		for _, row := range s.words {
			if home := find(row.spec, within(path, row.key)); home != "" {
				return home
			}
		}
		return ""
	}
	if _, top := language.word(key); top {
		return "" // the words of "when" are the top's own
	}
	return find(language, "")
}
