package recipe

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// What to write instead of a value of another kind than the word has. What a
// hint says must itself be fine, so it looks at what the word takes.

// elsewhere are keys that people expect at the top, and what to do instead.
var elsewhere = map[string]string{
	"env":         environmentHint,
	"environment": environmentHint,
}

const environmentHint = "variables of a step are set in its shell or script; those of the finished system are a file, " +
	"as in files: [{content: \"NAME=value\\n\", destination: /etc/environment}]"

func (w *walker) wrongKind(s *spec, n *yaml.Node, at place) {
	hint := ""
	switch {
	case s.kind == listKind:
		hint = w.asList(s.item, n)
	case s.kind == textKind && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && len(n.Content) == 2 && isNull(n.Content[1]):
		hint = fmt.Sprintf("put quotes around it: \"{%s}\"", clip(n.Content[0].Value))
	case s.kind == textKind && n.Kind == yaml.MappingNode:
		hint = "put quotes around a value that has \": \" in it"
	case (s.kind == textKind || s.bare != "") && n.Kind == yaml.SequenceNode && len(n.Content) == 1:
		hint = "it takes one value, not a list"
	case s.kind == recordKind:
		hint = "the keys are " + strings.Join(s.keyNames(), ", ")
		if key := s.first(); key != "" && n.Kind == yaml.ScalarNode {
			whole := fmt.Sprintf("write {%s: %s}", key, clip(n.Value))
			if len(s.words) > 1 {
				whole += "; " + hint
			}
			hint = whole
		}
	case s.kind == pairsKind:
		hint = "each line of it is \"key: value\""
	}
	w.report(at, "wrong-kind", fmt.Sprintf("%s must be %s, not %s", at.subject(), s.expected(), kindOf(n)), hint)
}

// asList says how what should be a list is written as one.
func (w *walker) asList(item *spec, n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode && item.kind != recordKind {
		return ""
	}
	begin := "begin each item with \"- \""
	if n.Kind != yaml.ScalarNode {
		key := item.first()
		if key == "" || n.Kind != yaml.MappingNode || len(n.Content) == 0 {
			return begin
		}
		if _, known := item.word(n.Content[0].Value); known {
			return begin
		}
		// A mapping from names to what they have: a list has the names inside.
		return fmt.Sprintf("write \"- {%s: %s, …}\" for each; the keys are %s", key, clip(n.Content[0].Value), strings.Join(item.keyNames(), ", "))
	}
	single := item
	if item.kind == recordKind {
		if item.bare == "" {
			return begin + ", and give it its keys: " + strings.Join(item.keyNames(), ", ")
		}
		row, _ := item.word(item.bare)
		single = row.spec
	}
	// Several values on one line, where no value has blanks in it.
	fits := func(text string) bool { return single.rule == nil || single.rule.judge(text, w.src) == nil }
	items := strings.FieldsFunc(n.Value, func(c rune) bool { return c == ' ' || c == ',' })
	if fits(n.Value) || len(items) < 2 || !slices.ContainsFunc(items, fits) {
		items = []string{n.Value}
	}
	for i, text := range items {
		items[i] = clip(text)
	}
	return fmt.Sprintf("write [%s], or a line \"- %s\" for each item", strings.Join(items, ", "), items[0])
}

// first returns the key that a record cannot be without, where that is one
// alone and takes text; else "".
func (s *spec) first() string {
	key := ""
	for _, row := range s.words {
		if row.required && key != "" {
			return ""
		}
		if row.required {
			key = row.key
			if row.spec.kind != textKind {
				return ""
			}
		}
	}
	return key
}

// clip shortens a value for a hint.
func clip(text string) string {
	q := quote(text)
	return q[1 : len(q)-1]
}
