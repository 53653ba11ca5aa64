package progress

import (
	"fmt"
	"io"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// annotationsPerKind is how many errors, warnings and notices of one step
// GitHub shows; it hides the rest without a word.
const annotationsPerKind = 10

// Annotate writes a list of problems as the workflow commands that make GitHub
// show each at its line of the file. A problem without a place annotates the
// step. Because GitHub shows ten of a kind in a step, the tenth of a longer
// list says how many more there are; call Annotate once, with the whole list.
//
// Files are written as they stand in the list: GitHub expects paths that begin
// at the root of the repository.
func Annotate(w io.Writer, l diag.List) {
	kinds := map[diag.Severity][]diag.Diagnostic{}
	for _, d := range l {
		kinds[d.Severity] = append(kinds[d.Severity], d)
	}
	var text strings.Builder
	for _, severity := range []diag.Severity{diag.Error, diag.Warning, diag.Note} {
		problems := kinds[severity]
		rest := len(problems) - annotationsPerKind
		for i, d := range problems[:min(len(problems), annotationsPerKind)] {
			suffix := ""
			if rest > 0 && i == annotationsPerKind-1 {
				suffix = fmt.Sprintf("\n(and %d more, which are in the log)", rest)
			}
			text.WriteString(annotation(d, suffix))
		}
	}
	_, _ = io.WriteString(w, text.String())
}

// annotation returns one workflow command.
func annotation(d diag.Diagnostic, suffix string) string {
	command := d.Severity.String()
	if d.Severity == diag.Note {
		command = "notice"
	}
	var properties []string
	add := func(name, value string) {
		if value = strings.Join(splitLines(value, false), " "); value != "" {
			properties = append(properties, name+"="+escapeProperty(value))
		}
	}
	add("file", d.File)
	if d.File != "" && d.Line > 0 {
		add("line", fmt.Sprint(d.Line))
		if d.Col > 0 {
			add("col", fmt.Sprint(d.Col))
		}
	}
	add("title", d.Code)
	if len(properties) > 0 {
		command += " " + strings.Join(properties, ",")
	}
	message := strings.Join(splitLines(d.Message, false), "\n")
	if d.Hint != "" {
		message += "\n" + strings.Join(splitLines(d.Hint, false), "\n")
	}
	return "::" + command + "::" + escapeData(message+suffix) + "\n"
}
