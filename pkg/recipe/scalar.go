package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// otherBooleans are what YAML 1.1 takes for true or false, and YAML 1.2 for
// text. Readers of both are around, so that the language takes them for
// neither.
var otherBooleans = map[string]bool{"yes": true, "on": true, "y": true, "no": false, "off": false, "n": false}

// scalar returns what a scalar node says, nil where that is not what the spec
// asks for.
func (w *walker) scalar(s *spec, n *yaml.Node, at place) *value {
	v := &value{kind: s.kind, pos: at.pos, path: at.path, src: w.src, text: n.Value}
	fine := false
	switch s.kind {
	case booleanKind:
		if !w.isBoolean(n, at) {
			return nil
		}
		v.text = strings.ToLower(n.Value)
		return v
	case numberKind:
		fine = w.isNumber(s, n, at)
	default:
		fine = w.isText(s, n, at) && (!s.rule.variables || w.expand(v, at))
	}
	if !fine {
		return nil
	}
	if d := s.rule.judge(v.text, w.src); d != nil {
		if v.text != n.Value {
			d.Message = "with its variables expanded, " + d.Message
		}
		w.report(at, d.Code, d.Message, d.Hint)
		return nil
	}
	return v
}

// unquoted reports whether YAML guesses what a scalar is.
func unquoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func (w *walker) isBoolean(n *yaml.Node, at place) bool {
	if n.Tag == "!!bool" {
		return true
	}
	hint := "write true or false, without quotes"
	if meant, ok := otherBooleans[strings.ToLower(n.Value)]; ok && unquoted(n) {
		hint = fmt.Sprintf("write %t", meant)
	}
	w.report(at, "wrong-kind", fmt.Sprintf("%s must be true or false, not %s", at.subject(), quote(n.Value)), hint)
	return false
}

func (w *walker) isNumber(s *spec, n *yaml.Node, at place) bool {
	if n.Tag == "!!int" {
		return true
	}
	hint := s.rule.form
	if s.rule.judge(n.Value, w.src) == nil {
		hint = fmt.Sprintf("write %s, without quotes", n.Value)
	}
	w.report(at, "wrong-kind", fmt.Sprintf("%s must be %s, not %s", at.subject(), s.expected(), kindOf(n)), hint)
	return false
}

func (w *walker) isText(s *spec, n *yaml.Node, at place) bool {
	_, boolean := otherBooleans[strings.ToLower(n.Value)]
	// Of the words of the language, "off" is one that YAML 1.1 took for false,
	// and nothing but YAML 1.2 reads recipes.
	boolean = boolean && unquoted(n) && !slices.Contains(s.rule.choices, n.Value)
	if n.Tag == "!!str" && !boolean {
		return true
	}
	why := fmt.Sprintf("%s is %s to YAML", clip(n.Value), kindOf(n))
	if boolean {
		why = fmt.Sprintf("some YAML readers take %s for true or false", n.Value)
	}
	hint := fmt.Sprintf("put quotes around it: \"%s\"", clip(n.Value))
	if s.rule.judge(n.Value, w.src) != nil {
		hint = fmt.Sprintf("write %s: %s", s.rule.what, s.rule.hint())
	} else if read, err := strconv.ParseInt(n.Value, 0, 64); err == nil && strconv.FormatInt(read, 10) != n.Value {
		hint += fmt.Sprintf("; without them, YAML reads the number %d", read)
	}
	w.report(at, "wrong-kind", fmt.Sprintf("%s must be text, and %s", at.subject(), why), hint)
	return false
}
