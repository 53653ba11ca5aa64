package recipe

import (
	"bytes"
	_ "embed" // the example
	"fmt"
	"slices"
	"strings"
)

// exampleRecipe is the whole recipe at the top of the reference.
//
//go:embed example.yaml
var exampleRecipe string

// Reference returns the language as a page of Markdown for people. Like
// [Schema] it is made from the table that [Parse] uses, and is the same at
// every call.
func Reference() []byte {
	p := &page{uses: map[*rule]int{}}
	p.count(language)
	p.head()
	p.line("## Words")
	p.line("")
	p.line("| word | what it is |")
	p.line("|---|---|")
	for _, row := range language.words {
		first, _, _ := strings.Cut(row.doc, ". ")
		p.line("| [`%s`](#%s)%s | %s |", row.key, row.key, needed(row), cell(prose(strings.TrimSuffix(first, ".")+".")))
	}
	for _, row := range language.words {
		p.section(row)
	}
	p.values()
	return p.out.Bytes()
}

// page is what is written of the reference.
type page struct {
	out bytes.Buffer
	// uses is how many words have a rule, and rules are those rules in the
	// order of the table.
	uses  map[*rule]int
	rules []*rule
}

// many is how many words have to share a rule for it to be explained once, at
// the end.
const many = 3

// count fills uses and rules.
func (p *page) count(s *spec) {
	for s.kind == listKind {
		s = s.item
	}
	for _, r := range []*rule{s.keys, s.rule} {
		if r == nil {
			continue
		}
		if p.uses[r] == 0 {
			p.rules = append(p.rules, r)
		}
		p.uses[r]++
	}
	own, _ := s.own()
	if s == language {
		own = s.words
	}
	for _, row := range own {
		p.count(row.spec)
	}
}

// values explains the rules that many words have.
func (p *page) values() {
	p.line("")
	p.line("## Values")
	p.line("")
	p.line("| value | how it is written |")
	p.line("|---|---|")
	for _, r := range p.rules {
		if p.uses[r] >= many {
			p.line("| %s | %s |", r.what, cell(r.forms()))
		}
	}
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

func (p *page) head() {
	p.line("# Recipe reference")
	p.line("")
	p.line("<!-- Made by \"bootkiln schema --markdown\" from the table that the parser reads; \"make generate\" writes it anew. -->")
	p.line("")
	p.line("A recipe is one YAML file, and describes one image. This is a whole one; `version`, `name` and `base` alone are enough.")
	p.line("")
	p.line("```yaml")
	p.line("%s", strings.TrimSpace(exampleRecipe))
	p.line("```")
	p.line("")
	p.line("- **Strict.** A key that is unknown, there twice, without a value or with a value of another kind is a problem, and so are")
	p.line("  aliases, anchors, tags and a second document. `bootkiln validate` tells all of them at once, with a word that is near.")
	p.line("- **Merged.** What [`include`](#include) names comes first, in its order, and the file itself last: lists append, mappings")
	p.line("  merge key by key, and of single values the last one counts. [`when`](#when) is applied after the rest of its file.")
	p.line("- **Variables.** `${NAME}` stands for that environment variable in %s, and nowhere else,", list(variables(), "and"))
	p.line("  least of all in scripts. `$${` stands for `${` there.")
	p.line("- **Paths** are relative to the folder of the file that says them, and do not lead out of the project.")
	p.line("- **Quotes** are needed where YAML would take a text for something else: `\"0644\"`, `\"no\"`, `\"{date}\"`, `\"*-devel\"`.")
	p.line("")
}

// section describes one word of the top.
func (p *page) section(row wordSpec) {
	p.line("")
	p.line("## `%s`", row.key)
	p.line("")
	p.line("%s", prose(row.doc))
	p.line("")
	p.line("```yaml")
	for i, example := range row.examples {
		if i > 0 {
			p.line("# or")
		}
		p.line("%s: %s", row.key, example)
	}
	p.line("```")
	p.line("")
	required := ""
	if row.required {
		required = "; required"
	}
	p.line("Value: %s%s.", p.value(row.spec), required)

	at := row.spec
	for at.kind == listKind {
		at = at.item
	}
	own, shared := at.own()
	if len(own) > 0 {
		p.line("")
		p.line("| key | what it is | value | examples |")
		p.line("|---|---|---|---|")
		p.rows(own, "")
	}
	if len(shared) > 0 {
		p.line("")
		p.line("The other keys are words of the top, and mean the same: %s.", list(shared, "and"))
	}
}

// rows describes keys, and below each those of the mappings that it holds.
func (p *page) rows(rows []wordSpec, prefix string) {
	for _, row := range rows {
		key := prefix + row.key
		examples := make([]string, len(row.examples))
		for i, e := range row.examples {
			examples[i] = code(e)
		}
		p.line("| %s%s | %s | %s | %s |", code(key), needed(row), cell(prose(row.doc)), cell(p.value(row.spec)), cell(strings.Join(examples, "<br>")))
		at := row.spec
		for at.kind == listKind {
			at, key = at.item, key+"[]"
		}
		p.rows(at.words, key+".")
	}
}

// needed marks a key that has to be there.
func needed(row wordSpec) string {
	if row.required {
		return " *(required)*"
	}
	return ""
}

// own returns the rows of a mapping, and the names of those that are rows of the
// top as well, linked.
func (s *spec) own() (own []wordSpec, shared []string) {
	for _, row := range s.words {
		if slices.ContainsFunc(language.words, func(top wordSpec) bool { return top.spec == row.spec }) {
			shared = append(shared, fmt.Sprintf("[`%s`](#%s)", row.key, row.key))
		} else {
			own = append(own, row)
		}
	}
	return own, shared
}

// value says what may stand after a key.
func (p *page) value(s *spec) string {
	switch s.kind {
	case booleanKind:
		return "`true` or `false`"
	case listKind:
		return "a list; each item is " + p.value(s.item)
	case recordKind:
		text := "a mapping"
		if s.bare != "" {
			text += fmt.Sprintf(", or a text, which stands for %s", code("{"+s.bare+": …}"))
		}
		if len(s.oneOf) > 0 {
			text += "; it has exactly one of " + list(coded(s.oneOf), "and")
		}
		return text
	case pairsKind:
		return fmt.Sprintf("a mapping; each key is %s; each value is %s", p.rule(s.keys), p.rule(s.rule))
	}
	return p.rule(s.rule)
}

// rule says which texts a rule accepts, or where that is said.
func (p *page) rule(r *rule) string {
	if p.uses[r] >= many {
		return fmt.Sprintf("[%s](#values)", r.what)
	}
	return r.what + ": " + r.forms()
}

// forms says how the texts of a rule are written.
func (r *rule) forms() string {
	if r.form == "" {
		return list(coded(r.choices), "or")
	}
	return prose(r.form)
}

// variables returns the words in which variables are expanded.
func variables() []string {
	var found []string
	var visit func(s *spec, path string)
	visit = func(s *spec, path string) {
		for s.kind == listKind {
			s, path = s.item, path+"[]"
		}
		if s.rule != nil && s.rule.variables {
			found = append(found, code(path))
		}
		for _, row := range s.words {
			visit(row.spec, within(path, row.key))
		}
	}
	visit(language, "")
	return found
}
