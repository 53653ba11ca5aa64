package progress

import (
	"cmp"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/cupwriter"
)

// screen is the console that bars are drawn on. It differs from the library's
// own in that it can be wiped when all is done, that it asks its size of a
// function where tests need one, and that a terminal of unknown size (serial
// lines, some container consoles) is taken for a common one.
type screen struct {
	*cupwriter.Writer
	size func() (columns, rows int)
}

func newScreen(w io.Writer, size func() (columns, rows int)) *screen {
	s := &screen{Writer: cupwriter.New(w, true)}
	s.size = size
	if size == nil {
		s.size = func() (int, int) {
			columns, rows, err := s.Writer.GetTermSize()
			if err != nil {
				return 0, 0
			}
			return columns, rows
		}
	}
	return s
}

// IsTerminal implements mpb.ConsoleWriter.
func (s *screen) IsTerminal() bool { return true }

// GetTermSize implements mpb.ConsoleWriter. It reports a row and a column less
// than there are: the cursor waits in the row below the drawing, and a line of
// full width makes some terminals wrap.
func (s *screen) GetTermSize() (columns, rows int, err error) {
	columns, rows = s.size()
	return max(cmp.Or(columns, 80)-1, 1), max(cmp.Or(rows, 24)-1, 1), nil
}

// wipe replaces what was drawn last by text that stays.
func (s *screen) wipe(text string) {
	_, _ = io.WriteString(s.Writer, text)
	_ = s.Flush(0)
}

// truncate cuts a line to a width in columns. SGR sequences take no room, and
// what they began ends with the line.
func truncate(line string, width int) string {
	var b strings.Builder
	columns, styled := 0, false
	for rest := line; rest != ""; {
		if strings.HasPrefix(rest, "\x1b[") {
			n := 2 + sequenceLen('[', rest[2:])
			b.WriteString(rest[:n])
			rest, styled = rest[n:], true
			continue
		}
		r, n := utf8.DecodeRuneInString(rest)
		if columns += runewidth.RuneWidth(r); columns > width {
			break
		}
		b.WriteString(rest[:n])
		rest = rest[n:]
	}
	if styled {
		b.WriteString(sgrReset)
	}
	return b.String()
}

// pad cuts or fills a line to exactly width columns.
func pad(line string, width int) string {
	if runewidth.StringWidth(line) > width {
		line = runewidth.Truncate(line, width, "…")
	}
	return runewidth.FillRight(line, width)
}
