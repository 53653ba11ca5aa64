package progress

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// longestLine is where a line without an end is cut, in bytes, so that a step
// that never ends a line cannot hold any amount of memory.
const longestLine = 16 << 10

// lineWriter cuts what is written to it into lines and passes them on without
// their line break. A carriage return begins the line anew, as it does on a
// terminal: of a download that counts up on one line, the last state is what
// comes out. It never fails.
type lineWriter struct {
	emit func(line string) // called with mu held, so that lines keep their order

	mu       sync.Mutex
	buf      []byte
	returned bool // the last byte was a carriage return
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range p {
		switch c {
		case '\n':
			w.returned = false
			w.cut(len(w.buf))
		case '\r':
			w.returned = true
		default:
			if w.returned {
				w.buf, w.returned = w.buf[:0], false
			}
			w.buf = append(w.buf, c)
			if len(w.buf) >= longestLine {
				w.cut(wholeRunes(w.buf))
			}
		}
	}
	return len(p), nil
}

// flush passes on what is left of a line without an end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returned = false
	if len(w.buf) > 0 {
		w.cut(len(w.buf))
	}
}

// cut emits the first n bytes as a line.
func (w *lineWriter) cut(n int) {
	w.emit(string(w.buf[:n]))
	w.buf = w.buf[:copy(w.buf, w.buf[n:])]
}

// wholeRunes returns the length of b without a character that is not complete
// at its end.
func wholeRunes(b []byte) int {
	for n := len(b) - 1; n > 0 && n >= len(b)-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n]) {
			if utf8.FullRune(b[n:]) {
				return len(b)
			}
			return n
		}
	}
	return len(b)
}

// splitLines returns the lines of a message, cleaned; at least one.
func splitLines(message string, sgr bool) []string {
	message = strings.TrimRight(message, "\r\n")
	lines := strings.Split(strings.ReplaceAll(message, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = clean(line, sgr)
	}
	return lines
}
