// Package diag holds problems of the user's files: what is wrong, where, and
// how to mend it.
//
// A problem with a file the user wrote is a [Diagnostic]; a failure of the
// world (disk, network, registry) is an error. Functions that read the user's
// files return both, and never stop at the first problem.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a file. Line and Col count from 1; Col counts runes, as
// editors do. The zero Pos means that no place is known.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"column,omitempty"`
}

// IsValid reports whether the position names at least a file.
func (p Pos) IsValid() bool { return p.File != "" }

// String returns "file:line:col", shortened where parts are unknown, and "-"
// for the zero Pos.
func (p Pos) String() string {
	switch {
	case p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Severity orders problems; the zero value is Error.
type Severity int

// The severities, worst first.
const (
	Error Severity = iota
	Warning
	Note
)

// String returns the lower-case name of the severity.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Note:
		return "note"
	}
	return fmt.Sprintf("severity(%d)", int(s))
}

// MarshalText implements encoding.TextMarshaler with the name of the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, known := range []Severity{Error, Warning, Note} {
		if known.String() == string(b) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("unknown severity %q", b)
}

// Diagnostic is one problem of one of the user's files.
type Diagnostic struct {
	Pos
	// Path is the place in the document's own terms, as in
	// "packages.install[2]"; "" where the document as a whole is meant.
	Path     string   `json:"path,omitempty"`
	Severity Severity `json:"severity"`
	// Code names the kind of problem in kebab case, as in "unknown-key". It is
	// stable, so that scripts can match it.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Hint says how to mend it; "" where there is nothing useful to say.
	Hint string `json:"hint,omitempty"`
}

// String returns the first line of the printed form,
// "file:line:col: message (code)".
func (d Diagnostic) String() string {
	return fmt.Sprintf("%s: %s (%s)", d.Pos, d.Message, d.Code)
}

// List is a collection of problems. The zero value is an empty list, ready for
// use.
type List []Diagnostic

// Add appends d.
func (l *List) Add(d Diagnostic) { *l = append(*l, d) }

// Errorf appends an error at pos.
func (l *List) Errorf(pos Pos, code, format string, args ...any) {
	l.Add(Diagnostic{Pos: pos, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Sort orders the list by file, line, column and code, and removes exact
// repetitions.
func (l *List) Sort() {
	slices.SortStableFunc(*l, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			strings.Compare(a.Code, b.Code),
			strings.Compare(a.Message, b.Message),
		)
	})
	*l = slices.Compact(*l)
}

// HasErrors reports whether any problem has severity Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err returns nil when the list holds no error (warnings and notes do not
// count), and otherwise a [*ListError] that carries the whole list.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return &ListError{List: l}
}

// ListError is a [List] that travels as an error, for functions whose callers
// cannot go on with a broken file.
type ListError struct {
	List List
}

// Error returns the first line of each problem, a line each.
func (e *ListError) Error() string {
	lines := make([]string, len(e.List))
	for i, d := range e.List {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Sources maps a file's name, as it stands in [Pos].File, to its content. It
// lets problems be printed with the line they are about.
type Sources map[string][]byte
