package build

import (
	"bytes"
	"strings"
	"sync"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// maxLine is where a line of output that does not end is cut.
const maxLine = 64 << 10

// lineWriter hands what is written to it to emit, line by line, without the
// newline. Progress that a program draws over itself with carriage returns
// comes as its last state.
type lineWriter struct {
	emit func(line string)

	mu  sync.Mutex
	buf []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	for {
		i := bytes.IndexByte(w.buf, '\n')
		if i < 0 && len(w.buf) >= maxLine {
			i = maxLine
		}
		if i < 0 {
			return len(p), nil
		}
		w.line(w.buf[:i])
		if i < len(w.buf) && w.buf[i] == '\n' {
			i++
		}
		w.buf = append(w.buf[:0], w.buf[i:]...)
	}
}

// flush hands on what has come of a line that has not ended.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) > 0 {
		w.line(w.buf)
		w.buf = w.buf[:0]
	}
}

func (w *lineWriter) line(b []byte) {
	b = bytes.TrimRight(b, "\r")
	if i := bytes.LastIndexByte(b, '\r'); i >= 0 {
		b = b[i+1:]
	}
	w.emit(strings.ToValidUTF8(string(b), "�"))
}

// newRedactor hides the secrets' values.
func newRedactor(secrets map[string][]byte) *progress.Redactor {
	var values []string
	for _, value := range secrets {
		values = append(values, string(value))
	}
	return progress.NewRedactor(values)
}

// output takes what a program writes apart into lines without secrets. Secrets
// are looked for before: one may have several lines, or stand where a line is
// cut.
type output struct {
	*progress.RedactingWriter
	lines *lineWriter
}

func newOutput(secrets *progress.Redactor, emit func(line string)) *output {
	lines := &lineWriter{emit: emit}
	return &output{secrets.Writer(lines), lines}
}

// flush hands on all that has come.
func (o *output) flush() {
	_ = o.Flush() // a lineWriter takes everything
	o.lines.flush()
}

// tail keeps the last lines.
type tail struct {
	lines []string
}

// tailLines is how many.
const tailLines = 20

func (t *tail) add(line string) {
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *tail) reset() { t.lines = nil }
