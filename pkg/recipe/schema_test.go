package recipe

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// compiledSchema returns a validator, which checks the schema itself against
// the metaschema of its draft.
func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertVocabs()
	if err := c.AddResource("recipe.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("recipe.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// accepts reports whether the schema accepts a document; err is set where it
// is no YAML that can be compared with a schema.
func accepts(s *jsonschema.Schema, text []byte) (ok bool, err error) {
	var document any
	if err := yaml.Load(text, &document); err != nil {
		return false, err
	}
	return s.Validate(document) == nil, nil
}

func TestSchemaIsStable(t *testing.T) {
	t.Parallel()
	golden.Check(t, "testdata/recipe.schema.json", Schema())
}

func TestSchemaAcceptsRecipes(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	var files []string
	for _, pattern := range []string{"testdata/ok/*.yaml", "../../examples/*/recipe.yaml"} {
		found, _ := filepath.Glob(pattern)
		if len(found) == 0 {
			t.Fatalf("there is no %s", pattern)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := yaml.Load(bytes.TrimPrefix(text, []byte("\ufeff")), &document); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(document); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestSchemaRefusesProblems lists the recipes with problems that the schema
// lets pass. Whatever is about keys and kinds has to be refused.
func TestSchemaRefusesProblems(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	must := []string{"unknown-key", "missing-key", "null-value"}
	var silent bytes.Buffer
	files, _ := filepath.Glob("testdata/err/*.yaml")
	for _, f := range files {
		text := readTestdata(t, strings.TrimPrefix(f, "testdata/"))
		ok, err := accepts(s, text)
		if err != nil || !ok {
			continue
		}
		name := filepath.Base(f)
		_, problems := Parse(name, text, Options{})
		for _, d := range problems {
			if slices.Contains(must, d.Code) {
				t.Errorf("the schema accepts %s in spite of: %v", f, d)
			}
		}
		silent.WriteString(name + "\n")
	}
	golden.Check(t, "testdata/beyond-schema.txt", silent.Bytes())
}

// FuzzParse looks for texts that make the parser panic, that it has problems
// with at no place of the text, or that it accepts while the schema does not.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"ok", "err", "bundles"} {
		files, _ := filepath.Glob("testdata/" + folder + "/*.yaml")
		for _, name := range files {
			f.Add(readTestdata(f, strings.TrimPrefix(name, "testdata/")))
		}
	}
	s := compiledSchema(f)
	o := Options{Lookup: func(name string) (string, bool) { return strings.ToLower(name), name != "UNSET" }}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, problems := Parse("fuzz.yaml", text, o)
		checkPlaces(t, problems, text)
		if (r == nil) != problems.HasErrors() {
			t.Errorf("the recipe is %v, the problems %v", r, problems)
		}
		if !slices.IsSortedFunc(problems, func(a, b diag.Diagnostic) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Col - b.Col
		}) {
			t.Errorf("the problems are in no order: %v", problems)
		}
		diag.Print(&bytes.Buffer{}, problems, diag.Sources{"fuzz.yaml": text}, true)
		if r == nil {
			return
		}
		if ok, err := accepts(s, bytes.TrimPrefix(text, []byte("\ufeff"))); err != nil || !ok {
			t.Errorf("the schema does not accept what the parser does: %v", err)
		}
	})
}

// checkPlaces fails the test when a problem is at no place of the text.
func checkPlaces(t testing.TB, problems diag.List, text []byte) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	for _, d := range problems {
		if d.Line < 1 || d.Line > len(lines) {
			t.Errorf("%v: the file has %d lines", d, len(lines))
			continue
		}
		if n := len([]rune(lines[d.Line-1])); d.Col < 1 || d.Col > n+1 {
			t.Errorf("%v: the line has %d characters", d, n)
		}
		if d.Code == "" || d.Message == "" {
			t.Errorf("%v: says too little", d)
		}
	}
}
