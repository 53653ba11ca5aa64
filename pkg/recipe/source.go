package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The most that a recipe file may hold. They keep a hostile file from using up
// the machine, and are far above what anyone writes by hand.
const (
	maxBytes = 1 << 20
	// maxDepth is how deep lists and mappings may nest; the language itself
	// needs six.
	maxDepth = 32
	// maxByteProblems is how many problems of the bytes alone are reported: a
	// file that is no text has one in every line.
	maxByteProblems = 10
)

// source is one file of a recipe.
type source struct {
	// name is what positions call it.
	name string
	// dir is its folder, relative to the file system that it was read from.
	dir string
	// bundle is set for a file of the program's own.
	bundle bool
	text   []byte
}

func (s *source) pos(line, col int) diag.Pos {
	return diag.Pos{File: s.name, Line: line, Col: col}
}

func (s *source) of(n *yaml.Node) diag.Pos { return s.pos(n.Line, n.Column) }

// compose reads the one document of the file. It returns nil where there is
// none to go on with; problems then say why.
func (s *source) compose(problems *diag.List) *yaml.Node {
	if !s.readable(problems) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(s.text),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		panic(err) // the options above are constants
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case err == io.EOF:
		problems.Add(s.empty())
		return nil
	case err != nil:
		problems.Add(s.syntaxError(err))
		return nil
	}
	switch err := loader.Load(&second); {
	case err == io.EOF:
	case err != nil:
		problems.Add(s.syntaxError(err))
		return nil
	default:
		problems.Add(diag.Diagnostic{
			Pos: s.of(&second), Code: "second-document",
			Message: "a second document begins here",
			Hint:    "one file is one recipe: remove the \"---\" line, or move what follows to a file of its own",
		})
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Value == "" {
		problems.Add(s.empty())
		return nil
	}
	return root
}

func (s *source) empty() diag.Diagnostic {
	return diag.Diagnostic{
		Pos: s.pos(1, 1), Code: "empty-file", Message: "the file says nothing",
		Hint: "a recipe begins with \"version: 1\"",
	}
}

// readable reports whether the bytes are text that YAML readers agree on:
// UTF-8 (a byte order mark is skipped, CRLF is a line end) in which every
// character can be seen.
func (s *source) readable(problems *diag.List) bool {
	if len(s.text) > maxBytes {
		problems.Add(diag.Diagnostic{
			Pos: s.pos(1, 1), Code: "too-long",
			Message: fmt.Sprintf("the file is longer than %d KiB", maxBytes>>10),
			Hint:    "move long content into files of its own, and name them with source or script",
		})
		return false
	}
	if bytes.HasPrefix(s.text, []byte("\xff\xfe")) || bytes.HasPrefix(s.text, []byte("\xfe\xff")) {
		problems.Add(diag.Diagnostic{
			Pos: s.pos(1, 1), Code: "encoding", Message: "the file is UTF-16",
			Hint: "save it as UTF-8",
		})
		return false
	}
	before := len(*problems)
	line, col, last := 1, 1, 0
	for rest := bytes.TrimPrefix(s.text, []byte("\ufeff")); len(rest) > 0 && len(*problems)-before < maxByteProblems; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			problems.Add(diag.Diagnostic{
				Pos: s.pos(line, col), Code: "encoding",
				Message: fmt.Sprintf("the byte 0x%02x is not UTF-8", rest[0]),
				Hint:    "save the file as UTF-8",
			})
		case r == '\n', r == '\t', r == '\r' && bytes.HasPrefix(rest[size:], []byte("\n")):
		case !hidden(r):
		case last == line:
			// One in a line is enough to find the others by.
		default:
			last = line
			problems.Add(diag.Diagnostic{
				Pos: s.pos(line, col), Code: "control-character",
				Message: fmt.Sprintf("the character %U cannot be seen, and is not allowed", r),
				Hint:    "remove it",
			})
		}
		rest = rest[size:]
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return len(*problems) == before
}

// hidden reports whether a character is none that a recipe may hold.
func hidden(r rune) bool {
	nonCharacter := r&0xfffe == 0xfffe
	return diag.Hidden(r) || nonCharacter
}

// syntaxError puts what the YAML reader says in terms of the file. The reader
// stops at its first error, so that it is the only one.
func (s *source) syntaxError(err error) diag.Diagnostic {
	d := diag.Diagnostic{Pos: s.pos(1, 1), Code: "syntax", Message: err.Error()}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return d
	}
	d.Message = "the YAML is malformed: " + le.Message
	if le.ContextMsg != "" {
		d.Message += " " + le.ContextMsg
	}
	mark := le.Mark
	if rest, ok := s.rest(mark.Line, mark.Column); (!ok || rest == "") && le.ContextMark.Line > 0 {
		// What is missing at the end of the file is missing from what was
		// begun.
		mark = le.ContextMark
	}
	rest, ok := s.rest(mark.Line, mark.Column)
	if ok {
		d.Pos = s.pos(mark.Line, mark.Column)
	} else {
		d.Pos = s.end()
	}

	cannotStart := strings.HasPrefix(le.Message, "found character that cannot start any token")
	const quote = "put quotes around a value that begins with "
	switch {
	case strings.HasPrefix(le.Message, "exceeded max depth"):
		d.Code, d.Message = "too-deep", fmt.Sprintf("lists and mappings nest deeper than %d", maxDepth)
	case strings.HasPrefix(le.Message, "unknown anchor"), strings.Contains(le.ContextMsg, "scanning an alias"):
		d.Code, d.Message = "alias", "a value that begins with * is an alias to YAML, and the recipe language has none"
		d.Hint = quote + "*, as in \"*-devel\""
	case strings.Contains(le.ContextMsg, "scanning an anchor"):
		d.Code, d.Message = "alias", "a value that begins with & is an anchor to YAML, and the recipe language has none"
		d.Hint = quote + "&"
	case cannotStart && strings.HasPrefix(rest, "\t"):
		d.Message = "the YAML is malformed: a tab cannot indent"
		d.Hint = "indent with spaces"
	case cannotStart && rest != "":
		d.Message = fmt.Sprintf("the YAML is malformed: a value cannot begin with %s", rest[:1])
		d.Hint = quote + rest[:1]
	case strings.HasPrefix(le.Message, "mapping values are not allowed"):
		d.Hint = "put quotes around a value that has \": \" in it; if this is a key, indent it like its neighbours"
	case strings.HasPrefix(le.Message, "could not find expected ':'"):
		d.Hint = "a line is \"key: value\" or \"- item\", with a space after the colon or the dash"
	case strings.Contains(s.line(d.Line), "{"):
		d.Hint = quote + "{, as in \"{version}.{date}\""
	}
	return d
}

// line returns a line, counted from 1, without its end.
func (s *source) line(n int) string {
	lines := strings.SplitN(strings.TrimPrefix(string(s.text), "\ufeff"), "\n", n+1)
	if n < 1 || n > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[n-1], "\r")
}

// rest returns what a line holds from a column on; ok is false where the file
// has no such place.
func (s *source) rest(line, col int) (rest string, ok bool) {
	text := []rune(s.line(line))
	if line < 1 || line > s.lines() || col < 1 || col > len(text)+1 {
		return "", false
	}
	return string(text[col-1:]), true
}

// lines returns how many lines the file has; what follows the last line end is
// one only where it is not empty, but no file has less than one.
func (s *source) lines() int {
	n := bytes.Count(s.text, []byte("\n"))
	if n == 0 || !bytes.HasSuffix(s.text, []byte("\n")) {
		n++
	}
	return n
}

// end returns the place after the last character.
func (s *source) end() diag.Pos {
	n := s.lines()
	return s.pos(n, utf8.RuneCountInString(s.line(n))+1)
}

// visible reports whether the text has only characters that can be seen, and if
// not, the first of the others;
// with lines set, line breaks and tabs count as seen.
func visible(text string, lines bool) (bad rune, ok bool) {
	i := slices.IndexFunc([]rune(text), func(r rune) bool {
		return hidden(r) && !(lines && (r == '\n' || r == '\t'))
	})
	if i < 0 {
		return 0, true
	}
	return []rune(text)[i], false
}
