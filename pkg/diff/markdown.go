package diff

import (
	"fmt"
	"io"
	"strings"
)

const (
	// markdownRows is how many rows of a section the Markdown has: GitHub takes
	// 125,000 characters of release notes.
	markdownRows = 150
	// foldedRows is from how many rows on a section is folded in.
	foldedRows = 15
)

// WriteMarkdown writes the report as GitHub shows it in release notes and
// summaries of jobs. What comes from the images stands in code spans, in which
// nothing is a link, a mention or markup.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Changes from %s to %s\n\n", code(plain(r.Old.Image)), code(plain(r.New.Image)))
	b.WriteString("| | old | new | |\n|---|---|---|---|\n")
	for _, t := range r.totals() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t[0], code(t[1]), code(t[2]), t[3])
	}
	for _, s := range r.sections() {
		title := fmt.Sprintf("%s (%s)", s.title, count(len(s.rows)))
		folded := len(s.rows) >= foldedRows
		if folded {
			fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n", title)
		} else {
			fmt.Fprintf(&b, "\n#### %s\n\n", title)
		}
		fmt.Fprintf(&b, "| | %s |\n|%s\n", strings.Join(s.heads, " | "), strings.Repeat("---|", len(s.heads)+1))
		for _, row := range s.rows[:min(markdownRows, len(s.rows))] {
			b.WriteString("| " + string(row.change))
			for _, c := range row.cells {
				b.WriteString(" | " + code(c))
			}
			b.WriteString(" |\n")
		}
		if more := len(s.rows) - markdownRows; more > 0 {
			fmt.Fprintf(&b, "\n… and %s more\n", count(more))
		}
		if folded {
			b.WriteString("\n</details>\n")
		}
	}
	for _, note := range r.notes() {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// code is a code span for a cell of a table. A table is split at its pipes
// before anything else is looked at, so a pipe is written as in Go's strings.
func code(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(s, "|", `\x7c`)
	longest, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	if s[0] == '`' || s[len(s)-1] == '`' || strings.TrimSpace(s) == "" {
		s = " " + s + " "
	}
	return fence + s + fence
}
