package diff

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

const (
	// shownRows is how many rows of a section the text has.
	shownRows = 30
	// widest is how many columns a cell is padded to; longer ones move the rest.
	widest = 40
)

var marks = map[Kind]string{Added: "+", Removed: "-", Changed: "~"}

// WriteText writes the report for people: the totals, then what differs, what
// matters most first. Nothing in the images can put control characters into it,
// or begin a line.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "old: %s\nnew: %s\n\n", plain(r.Old.Image), plain(r.New.Image))
	var totals [][]string
	for _, t := range r.totals() {
		both := t[1]
		if t[2] != both {
			both += " → " + t[2]
		}
		totals = append(totals, []string{t[0], both, t[3]})
	}
	writeTable(&b, totals)
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "\n%s: %s\n", s.title, count(len(s.rows)))
		var cells [][]string
		for _, row := range s.rows[:min(shownRows, len(s.rows))] {
			cells = append(cells, append([]string{marks[row.change]}, row.cells...))
		}
		writeTable(&b, cells)
		if more := len(s.rows) - shownRows; more > 0 {
			fmt.Fprintf(&b, "  … and %s more\n", count(more))
		}
	}
	for _, note := range r.notes() {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notes are sentences about the comparison itself.
func (r *Report) notes() []string {
	var notes []string
	if r.Empty() {
		notes = append(notes, "Nothing that is compared differs.")
	}
	if n := r.Files.Unread; n > 0 {
		notes = append(notes, fmt.Sprintf("Not read: %s files of one size and time that belong to the same build of a package.", count(n)))
	}
	f := r.Files
	if left := f.Added.Files + f.Removed.Files + f.Changed.Files - len(f.List); left > 0 {
		notes = append(notes, fmt.Sprintf("Not listed: %s more differences of files.", count(left)))
	}
	return notes
}

// writeTable writes rows of cells in columns.
func writeTable(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, cells := range rows {
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n := runewidth.StringWidth(c); n <= widest {
				widths[i] = max(widths[i], n)
			}
		}
	}
	for _, cells := range rows {
		line := ""
		for i, c := range cells {
			line += "  " + c + strings.Repeat(" ", max(0, widths[i]-runewidth.StringWidth(c)))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
