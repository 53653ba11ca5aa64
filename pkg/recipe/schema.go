package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Schema returns the JSON Schema (draft 2020-12) of the language, for editors.
// It is made from the table that [Parse] uses, is the same at every call, and
// accepts every recipe that Parse accepts. What lies between values, and what
// is not in the file, it cannot know.
func Schema() []byte {
	w := &schemaWriter{said: map[*spec]int{}}
	w.count(language)
	root := w.of(language)
	root.Defs = w.defs
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "bootkiln recipe, version 1"
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // a schema is strings, numbers and lists of them
	}
	return out.Bytes()
}

// schemaWriter keeps what the schema says once and refers to from several
// places: the rows that stand at the top and under "when", and the rules that
// have a name for it.
type schemaWriter struct {
	// said is how many words have a spec.
	said map[*spec]int
	defs properties
}

// count fills said.
func (w *schemaWriter) count(s *spec) {
	for s.kind == listKind {
		s = s.item
	}
	for _, row := range s.words {
		w.said[row.spec]++
		if w.said[row.spec] == 1 {
			w.count(row.spec)
		}
	}
}

// once returns a reference to what describe returns, which is called the first
// time only.
func (w *schemaWriter) once(name string, describe func() *schema) *schema {
	if !slices.ContainsFunc(w.defs, func(p property) bool { return p.key == name }) {
		i := len(w.defs)
		w.defs = append(w.defs, property{key: name})
		value := describe() // which may append to defs itself
		w.defs[i].value = value
	}
	return &schema{Ref: "#/$defs/" + name}
}

// schema is what of the vocabulary of draft 2020-12 the table needs.
type schema struct {
	Schema               string     `json:"$schema,omitempty"`
	Ref                  string     `json:"$ref,omitempty"`
	Title                string     `json:"title,omitempty"`
	Description          string     `json:"description,omitempty"`
	Examples             []any      `json:"examples,omitempty"`
	Type                 string     `json:"type,omitempty"`
	Const                any        `json:"const,omitempty"`
	Enum                 []string   `json:"enum,omitempty"`
	Minimum              int        `json:"minimum,omitempty"`
	Maximum              int        `json:"maximum,omitempty"`
	MinLength            int        `json:"minLength,omitempty"`
	MaxLength            int        `json:"maxLength,omitempty"`
	Pattern              string     `json:"pattern,omitempty"`
	Items                *schema    `json:"items,omitempty"`
	Required             []string   `json:"required,omitempty"`
	Properties           properties `json:"properties,omitempty"`
	PropertyNames        *schema    `json:"propertyNames,omitempty"`
	AdditionalProperties any        `json:"additionalProperties,omitempty"`
	OneOf                []*schema  `json:"oneOf,omitempty"`
	AnyOf                []*schema  `json:"anyOf,omitempty"`
	Defs                 properties `json:"$defs,omitempty"`
}

// properties keep the table's order, which a map would lose.
type properties []property

type property struct {
	key   string
	value *schema
}

// MarshalJSON writes an object.
func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, prop := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(prop.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(prop.value)
		if err != nil {
			return nil, err
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (w *schemaWriter) of(s *spec) *schema {
	switch s.kind {
	case booleanKind:
		return &schema{Type: "boolean"}
	case numberKind:
		if len(s.rule.choices) == 1 {
			return &schema{Type: "integer", Const: json.RawMessage(s.rule.choices[0])}
		}
		return &schema{Type: "integer", Minimum: s.rule.least, Maximum: s.rule.most}
	case listKind:
		return &schema{Type: "array", Items: w.of(s.item)}
	case recordKind:
		return w.record(s)
	case pairsKind:
		return &schema{
			Type: "object", PropertyNames: w.rule(s.keys), AdditionalProperties: w.rule(s.rule),
		}
	}
	return w.rule(s.rule)
}

func (w *schemaWriter) record(s *spec) *schema {
	out := &schema{Type: "object", AdditionalProperties: json.RawMessage("false")}
	for _, row := range s.words {
		of := func() *schema {
			of := w.of(row.spec)
			of.Description = row.doc
			of.Examples = row.values()
			return of
		}
		if w.said[row.spec] > 1 {
			out.Properties = append(out.Properties, property{row.key, w.once(row.key, of)})
		} else {
			out.Properties = append(out.Properties, property{row.key, of()})
		}
		if row.required {
			out.Required = append(out.Required, row.key)
		}
	}
	for _, key := range s.oneOf {
		out.OneOf = append(out.OneOf, &schema{Required: []string{key}})
	}
	if s.bare == "" {
		return out
	}
	row, _ := s.word(s.bare)
	return &schema{AnyOf: []*schema{w.of(row.spec), out}}
}

// rule describes the texts that a rule accepts.
func (w *schemaWriter) rule(r *rule) *schema {
	if r.def == "" {
		return r.schema()
	}
	return w.once(r.def, r.schema)
}

// schema describes the texts that a rule accepts, as they stand in the file:
// where variables are expanded, that may be nearly anything.
func (r *rule) schema() *schema {
	out := &schema{Type: "string", MaxLength: r.maxLength(), Enum: r.choices}
	if !r.empty {
		out.MinLength = 1
	}
	if r.variables {
		out.MaxLength = 0
	} else if r.pattern != nil {
		out.Pattern = r.pattern.String()
	}
	return out
}

// values returns the examples as the values that they are in YAML.
func (w wordSpec) values() []any {
	var out []any
	for _, example := range w.examples {
		var v any
		if err := yaml.Load([]byte(example), &v); err != nil {
			panic(fmt.Sprintf("example of %q: %v", w.key, err)) // a test parses each
		}
		out = append(out, v)
	}
	return out
}
