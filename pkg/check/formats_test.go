package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/url"
	"os/exec"
	gopath "path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // it holds the schema of SARIF
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// formats are all that a report can be written in.
var formats = map[string]func(*Report, io.Writer) error{
	"txt":   (*Report).WriteText,
	"xml":   (*Report).WriteJUnit,
	"sarif": func(r *Report, w io.Writer) error { return r.WriteSARIF(w, "v1.2.3") },
	"github": func(r *Report, w io.Writer) error {
		progress.Annotate(w, r.Problems())
		return nil
	},
}

// formatted returns a report in a format, and fails the test where a terminal
// would obey some of it.
func formatted(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, r *Report, format string,
) []byte {
	var buf bytes.Buffer
	if err := formats[format](r, &buf); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(buf.Bytes()) {
		t.Errorf("%s is not UTF-8", format)
	}
	for _, c := range buf.String() {
		if c != '\n' && (diag.Hidden(c) || !unicode.IsPrint(c)) {
			t.Errorf("%q is in %s", c, format)
		}
	}
	return buf.Bytes()
}

// dry is the report of trouble with so few of its flood that the files can be
// read; it counts them all.
func dry(t *testing.T) *Report {
	rep := troubled(t)
	rep.Findings = slices.DeleteFunc(rep.Findings, func(f Finding) bool { return f.Rule == "floods" && f.Path > "/many/00001" })
	return rep
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"xml", "sarif", "github"} {
		golden.Check(t, "testdata/trouble."+format, formatted(t, dry(t), format))
	}
}

// A tool that reads the formats comes to the verdict that the report has.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for name, rep := range map[string]*Report{"trouble": troubled(t), "good": fixtures[0].check(t)} {
		var suites junitSuites
		if err := xml.Unmarshal(formatted(t, rep, "xml"), &suites); err != nil {
			t.Fatal(err)
		}
		suite := suites.Suite
		if fails := suite.Failures+suite.Errors > 0; fails != (rep.Err() != nil) {
			t.Errorf("%s: %d failures and %d errors in XML: %v", name, suite.Failures, suite.Errors, rep.Err())
		}
		if suite.Tests != len(rep.Rules) || len(suite.Cases) != len(rep.Rules) {
			t.Errorf("%s: %d of %d tests for %d rules", name, len(suite.Cases), suite.Tests, len(rep.Rules))
		}
		counted := map[string]int{}
		for _, c := range suite.Cases {
			for kind, r := range map[string]*junitResult{"failure": c.Failure, "error": c.Error, "skipped": c.Skipped} {
				if r != nil {
					counted[kind]++
				}
			}
		}
		if counted["failure"] != suite.Failures || counted["error"] != suite.Errors || counted["skipped"] != suite.Skipped {
			t.Errorf("%s: counted %v: %+v", name, counted, suite)
		}

		var log sarifLog
		if err := json.Unmarshal(formatted(t, rep, "sarif"), &log); err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, n := range log.Runs[0].Invocations[0].Notifications {
			if n.Descriptor == couldNotRun {
				told++
			}
		}
		if told != rep.CouldNotRun || len(log.Runs[0].Results) != len(rep.Findings) {
			t.Errorf("%s: %d results and %d rules that could not run in SARIF", name, len(log.Runs[0].Results), told)
		}
	}
}

// sarifValidator is the schema of the standard itself, which a library for
// SARIF holds in its source, and gives out to nobody.
var sarifValidator = sync.OnceValues(func() (*jsonschema.Schema, error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the library: %w", err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		return nil, err
	}
	var quoted string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "schema" {
			quoted = v.Values[0].(*ast.BasicLit).Value
		}
		return true
	})
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return nil, fmt.Errorf("looking for the schema: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	if id := doc.(map[string]any)["id"]; id != sarifSchema {
		return nil, fmt.Errorf("the schema is %v", id)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(sarifSchema, doc); err != nil {
		return nil, err
	}
	return c.Compile(sarifSchema)
})

func sarifProblem(document []byte) error {
	schema, err := sarifValidator()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func TestSARIFSchema(t *testing.T) {
	t.Parallel()
	good := formatted(t, fixtures[0].check(t), "sarif")
	for name, document := range map[string][]byte{"trouble": formatted(t, dry(t), "sarif"), "good": good} {
		if err := sarifProblem(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// It is the schema that refuses, and not this test that does not ask it.
	for old, bad := range map[string]string{`"executionSuccessful"`: `"executionSucceeded"`, `"level": "error"`: `"level": "fatal"`, `"uriBaseId"`: `"base"`, `"2.1.0"`: `"2.2.0"`} {
		document := formatted(t, dry(t), "sarif")
		var invalid *jsonschema.ValidationError
		if err := sarifProblem(bytes.ReplaceAll(document, []byte(old), []byte(bad))); !errors.As(err, &invalid) {
			t.Errorf("%s instead of %s: %v", bad, old, err)
		}
	}
}

// A name in a message of SARIF is neither a placeholder nor a link.
func TestSARIFMessage(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain [0] (1)":              "plain [0] (1)",
		"/x{0}}":                     "/x{{0}}}}",
		"[mend](javascript:alert())": `[mend\](javascript:alert())`,
	} {
		if got := sarifMessage(in); got == nil || got.Text != want {
			t.Errorf("%q became %v, want %q", in, got, want)
		}
	}
	if got := sarifMessage(""); got != nil {
		t.Errorf("no text became %v", got)
	}
}

// Whatever an image has for names, every format stays well formed, and says
// nothing to a terminal or to the runner of GitHub Actions.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	hostile := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\x1b[2J", "]]>", "<!--", "&amp;", "\x00", "\ufffe", "\u009b31m", "\u202e", "\n::error::x", "%0A::error::x", "##[error]x",
			"{0}", "[x](javascript:alert)", "a:b", "//host/x", "..", "%41", "?#", "\xff", "\xed\xa0\x80", "\U000e0041", "\"'`\\",
		}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) }),
		rapid.String(),
	)
	rapid.Check(t, func(t *rapid.T) {
		path := gopath.Clean("/" + hostile.Draw(t, "name")) // as the path of a file is
		words := hostile.Draw(t, "words")
		rule := Rule{ID: "r", Summary: "s", Doc: "d", Source: "f", Hint: "h"}
		rep := newReport(words, []*ruleRun{
			{Rule: rule, count: 1, findings: []Finding{{Rule: "r", Path: path, Message: words, Hint: path}}, err: errors.New(words)},
			{Rule: Rule{ID: "n", Summary: "s", Doc: "d", Source: "f", Hint: "h"}, notApplicable: NotApplicable(words)},
			{Rule: Rule{ID: "f", Summary: "s", Doc: "d", Source: "f", Hint: "h"}, count: 1, findings: []Finding{{Rule: "f", Path: path, Message: words}}},
		})
		formatted(t, rep, "txt")

		dec := xml.NewDecoder(bytes.NewReader(formatted(t, rep, "xml")))
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}

		document := formatted(t, rep, "sarif")
		if err := sarifProblem(document); err != nil {
			t.Error(err)
		}
		var log sarifLog
		if err := json.Unmarshal(document, &log); err != nil {
			t.Fatal(err)
		}
		for _, result := range log.Runs[0].Results {
			if got := sarifPath(t, result.Locations[0].Physical.Artifact.URI); got != path {
				t.Errorf("%q is located at %q", path, got)
			}
		}

		for line := range strings.Lines(string(formatted(t, rep, "github"))) {
			if !strings.HasPrefix(line, "::error title=f::rule: s%0A") && !strings.HasPrefix(line, "::error title=r::rule: s%0A") {
				t.Errorf("a line for GitHub is %q", line)
			}
		}

		b, err := json.Marshal(rep)
		if err != nil || !json.Valid(diag.VisibleJSON(b)) {
			t.Errorf("%s: %v", b, err)
		}
	})
}

// sarifPath reads the URI of a file as SARIF wants it read: below the root.
func sarifPath(t *rapid.T, uri string) string {
	base := "file:///"
	u, err := url.Parse(base)
	if err == nil {
		u, err = u.Parse(uri)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}
