package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Schema returns the JSON Schema (draft 2020-12) of the language, for editors.
// It is made from the table that [Parse] uses, is the same at every call, and
// accepts every recipe that Parse accepts. What lies between values, and what
// is not in the file, it cannot know.
func Schema() []byte {
	root := schemaOf(language)
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

// schema is what of the vocabulary of draft 2020-12 the table needs.
type schema struct {
	Schema               string     `json:"$schema,omitempty"`
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

func schemaOf(s *spec) *schema {
	switch s.kind {
	case booleanKind:
		return &schema{Type: "boolean"}
	case numberKind:
		if len(s.rule.choices) == 1 {
			return &schema{Type: "integer", Const: json.RawMessage(s.rule.choices[0])}
		}
		return &schema{Type: "integer", Minimum: s.rule.least, Maximum: s.rule.most}
	case listKind:
		return &schema{Type: "array", Items: schemaOf(s.item)}
	case recordKind:
		return schemaOfRecord(s)
	case pairsKind:
		return &schema{
			Type: "object", PropertyNames: s.keys.schema(), AdditionalProperties: s.rule.schema(),
		}
	}
	return s.rule.schema()
}

func schemaOfRecord(s *spec) *schema {
	out := &schema{Type: "object", AdditionalProperties: json.RawMessage("false")}
	for _, w := range s.words {
		of := schemaOf(w.spec)
		of.Description = w.doc
		of.Examples = w.values()
		out.Properties = append(out.Properties, property{w.key, of})
		if w.required {
			out.Required = append(out.Required, w.key)
		}
	}
	for _, key := range s.oneOf {
		out.OneOf = append(out.OneOf, &schema{Required: []string{key}})
	}
	if s.bare == "" {
		return out
	}
	w, _ := s.word(s.bare)
	return &schema{AnyOf: []*schema{schemaOf(w.spec), out}}
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
