package diag

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// snippetColumns is the widest piece of a line that is quoted, in terminal
// columns. Longer lines are cut on both sides of the place that is meant.
const snippetColumns = 100

// Print writes the problems for people, in the order of the list:
//
//	recipe.yaml:12:5: unknown key "pakages" (unknown-key)
//	   |
//	12 |     pakages:
//	   |     ^^^^^^^
//	   hint: did you mean "packages"?
//	1 problem in recipe.yaml
//
// Of a problem whose file src does not hold only the words are written; a nil
// src quotes nothing. An empty list writes nothing. Content of files is made
// harmless with [Printable] first. Errors of w are not reported.
func Print(w io.Writer, l List, src Sources, color bool) {
	if len(l) == 0 {
		return
	}
	p := printer{colored: color}
	for _, d := range l {
		p.problem(d, src)
	}
	fmt.Fprintln(&p.Buffer, Printable(summary(l)))
	_, _ = w.Write(p.Bytes())
}

// printer collects the output, so that it reaches the terminal in one piece.
type printer struct {
	bytes.Buffer
	colored bool
}

// The select-graphic-rendition codes (ECMA-48) of the parts.
const (
	bold   = "1"
	red    = "1;31"
	yellow = "1;33"
	cyan   = "1;36"
	dim    = "2"
)

func (s Severity) color() string {
	switch s {
	case Warning:
		return yellow
	case Note:
		return cyan
	}
	return red
}

// paint returns text, which holds no escape sequence, in a colour.
func (p *printer) paint(code, text string) string {
	if !p.colored || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) problem(d Diagnostic, src Sources) {
	severity := ""
	if d.Severity != Error {
		severity = p.paint(d.Severity.color(), d.Severity.String()+":") + " "
	}
	fmt.Fprintf(p, "%s %s%s %s\n",
		p.paint(bold, Printable(d.Pos.String())+":"), severity,
		p.paint(bold, Printable(d.Message)), p.paint(dim, "("+Printable(d.Code)+")"))

	margin := 2
	if line, ok := src.line(d.Pos); ok {
		number := fmt.Sprint(d.Line)
		margin = len(number)
		gutter := strings.Repeat(" ", margin)
		text, under := quoteLine(line, d.Col)
		fmt.Fprintf(p, "%s\n", p.paint(dim, gutter+" |"))
		fmt.Fprintf(p, "%s %s\n", p.paint(dim, number+" |"), text)
		if carets := strings.TrimLeft(under, " \t"); carets != "" {
			indent := under[:len(under)-len(carets)]
			fmt.Fprintf(p, "%s %s%s\n", p.paint(dim, gutter+" |"), indent, p.paint(d.Severity.color(), carets))
		}
	}
	label := "hint: "
	for hint := range strings.SplitSeq(d.Hint, "\n") {
		if hint == "" {
			continue
		}
		fmt.Fprintf(p, "%s %s%s\n", strings.Repeat(" ", margin), p.paint(cyan, label), Printable(hint))
		label = "      "
	}
}

// line returns the line of a file that a position is in, without its end.
func (s Sources) line(p Pos) (string, bool) {
	content, ok := s[p.File]
	if !ok || p.Line < 1 {
		return "", false
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	for range p.Line - 1 {
		_, rest, found := bytes.Cut(content, []byte("\n"))
		if !found {
			return "", false
		}
		content = rest
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))), true
}

// quoteLine returns what to show of a line, and a line of carets under what
// begins at col (a rune, from 1; 0 for no carets). Tabs stay tabs in both, so
// that they are as wide in one as in the other.
func quoteLine(line string, col int) (text, under string) {
	runes := []rune(line)
	at := min(max(col-1, 0), len(runes))

	// No line that is shown holds more runes than these on either side,
	// unless most of them are of no width.
	start := max(0, at-4*snippetColumns)
	stop := min(len(runes), at+4*snippetColumns)
	end := at + tokenLength(runes[at:stop])
	long := start > 0 || stop < len(runes) || width(runes) > snippetColumns
	for long && start < at && width(runes[start:at]) > snippetColumns/2 {
		start += max(1, (at-start)/8)
	}
	for stop > at && width(runes[start:stop]) > snippetColumns {
		stop -= max(1, (stop-at)/8)
	}
	end = min(end, stop)

	var t, u strings.Builder
	if start > 0 {
		t.WriteString("… ")
		u.WriteString("  ")
	}
	t.WriteString(printableLine(runes[start:stop]))
	if stop < len(runes) {
		t.WriteString(" …")
	}
	if col < 1 {
		return t.String(), ""
	}
	for i, part := range strings.Split(printableLine(runes[start:at]), "\t") {
		if i > 0 {
			u.WriteByte('\t')
		}
		u.WriteString(strings.Repeat(" ", columns.StringWidth(part)))
	}
	u.WriteString(strings.Repeat("^", max(1, width(runes[at:end]))))
	return t.String(), u.String()
}

// tokenLength guesses how many runes the word at the beginning of s has: a
// quoted string with its quotes, else up to where a YAML word ends.
func tokenLength(s []rune) int {
	if len(s) > 0 && (s[0] == '"' || s[0] == '\'') {
		if i := slices.Index(s[1:], s[0]); i >= 0 {
			return i + 2
		}
	}
	for i, r := range s {
		switch {
		case r == ' ', r == '\t', r == ',', r == ']', r == '}':
			return max(i, 1)
		case r == ':' && (i+1 == len(s) || s[i+1] == ' '):
			return max(i, 1)
		}
	}
	return len(s)
}

// columns measures as terminals do that show characters of ambiguous width in
// one column. It is not runewidth's default, which depends on the environment.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

func width(s []rune) int { return columns.StringWidth(printableLine(s)) }

// printableLine is [Printable] for a line of a file, where tabs are harmless.
func printableLine(s []rune) string {
	parts := strings.Split(string(s), "\t")
	for i, part := range parts {
		parts[i] = Printable(part)
	}
	return strings.Join(parts, "\t")
}

// summary counts the problems, as in "2 problems, 1 warning in recipe.yaml".
func summary(l List) string {
	counts := map[Severity]int{}
	files := map[string]bool{}
	for _, d := range l {
		counts[d.Severity]++
		files[d.File] = true
	}
	var parts []string
	for _, s := range []struct {
		of   Severity
		noun string
	}{{Error, "problem"}, {Warning, "warning"}, {Note, "note"}} {
		switch n := counts[s.of]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+s.noun)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s.noun))
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case len(files) > 1:
		return fmt.Sprintf("%s in %d files", text, len(files))
	case l[0].File != "":
		return text + " in " + l[0].File
	}
	return text
}
