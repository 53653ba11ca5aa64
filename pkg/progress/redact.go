package progress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	mask = "***"
	// shortestLine is the length, in bytes, from which on a line of a secret
	// with several lines is itself taken for a secret. Shorter ones ("}", "==")
	// stand in every text.
	shortestLine = 4
)

// Redact returns a Reporter that shows everything through r, with *** in the
// place of each of the values, also where the output of a step holds one in
// pieces. Of a value with several lines, such as a private key, each line of
// four or more bytes is replaced where it stands alone, too. Only the values as
// they are given are found, not other encodings of them. Without values, r is
// returned.
//
// Output that could be the beginning of a value is held back until more is
// written or the stage ends.
func Redact(r Reporter, values []string) Reporter {
	secrets := NewRedactor(values)
	if len(secrets.values) == 0 {
		return r
	}
	return &redactedReporter{Reporter: r, secrets: secrets}
}

type redactedReporter struct {
	Reporter
	secrets *Redactor
}

// Stage implements Reporter.
func (r *redactedReporter) Stage(name string) Stage {
	stage := r.Reporter.Stage(r.secrets.String(name))
	return &redactedStage{Stage: stage, secrets: r.secrets, out: r.secrets.Writer(stage.Output())}
}

type redactedStage struct {
	Stage
	secrets *Redactor
	out     *RedactingWriter
}

// Output implements Stage.
func (s *redactedStage) Output() io.Writer { return s.out }

// Infof implements Stage.
func (s *redactedStage) Infof(format string, args ...any) {
	s.Stage.Infof("%s", s.secrets.String(fmt.Sprintf(format, args...)))
}

// Warnf implements Stage.
func (s *redactedStage) Warnf(format string, args ...any) {
	s.Stage.Warnf("%s", s.secrets.String(fmt.Sprintf(format, args...)))
}

// Transfer implements Stage.
func (s *redactedStage) Transfer(name string, total int64) Transfer {
	return &redactedTransfer{Transfer: s.Stage.Transfer(s.secrets.String(name), total), secrets: s.secrets}
}

// End implements Stage.
func (s *redactedStage) End(err error) {
	_ = s.out.Flush() // as everywhere, what cannot be shown is lost
	if err != nil {
		if text := err.Error(); s.secrets.String(text) != text {
			err = &redactedError{err: err, text: s.secrets.String(text)}
		}
	}
	s.Stage.End(err)
}

type redactedTransfer struct {
	Transfer
	secrets *Redactor
}

// Done implements Transfer.
func (t *redactedTransfer) Done(note string) { t.Transfer.Done(t.secrets.String(note)) }

// redactedError is an error with another text. It answers errors.Is as the
// original does, but does not hand that out.
type redactedError struct {
	err  error
	text string
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// Redactor hides values in text that does not go through a Reporter. It may be
// used from several goroutines.
type Redactor struct {
	values [][]byte
	first  [256]bool // the bytes that values begin with
}

// NewRedactor returns a Redactor that hides what [Redact] hides. Without values
// it hides nothing.
func NewRedactor(values []string) *Redactor {
	s := &Redactor{}
	add := func(value string) {
		if value != "" && !slices.ContainsFunc(s.values, func(v []byte) bool { return string(v) == value }) {
			s.values = append(s.values, []byte(value))
			s.first[value[0]] = true
		}
	}
	for _, value := range values {
		// A file ends in a line break that is no part of the secret.
		value = strings.Trim(value, "\r\n")
		add(value)
		if !strings.Contains(value, "\n") {
			continue
		}
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				add(line)
			}
		}
	}
	return s
}

// String returns text with *** in the place of each value.
func (s *Redactor) String(text string) string {
	var out bytes.Buffer
	h := hider{secrets: s, held: []byte(text)}
	h.advance(&out, true)
	return out.String()
}

// match returns the length of the longest value at the beginning of b, 0 for
// none, and whether b is the beginning of a value that is longer than b.
func (s *Redactor) match(b []byte) (longest int, unfinished bool) {
	if !s.first[b[0]] {
		return 0, false
	}
	for _, v := range s.values {
		switch {
		case len(v) <= len(b):
			if len(v) > longest && bytes.HasPrefix(b, v) {
				longest = len(v)
			}
		case bytes.HasPrefix(v, b):
			unfinished = true
		}
	}
	return longest, unfinished
}

// hider finds secrets in text that comes in pieces. Values that overlap are
// hidden as one, so that no end of the second shows.
type hider struct {
	secrets *Redactor
	held    []byte // text that is not decided yet
	hidden  int    // how much of the beginning of held belongs to a value whose mask is written
}

// advance writes what is decided to out; with final, all of it.
func (h *hider) advance(out *bytes.Buffer, final bool) {
	i := 0
	for ; i < len(h.held); i++ {
		n, unfinished := h.secrets.match(h.held[i:])
		if unfinished && !final {
			break
		}
		switch {
		case n > 0:
			if i >= h.hidden {
				out.WriteString(mask)
			}
			h.hidden = max(h.hidden, i+n)
		case i >= h.hidden:
			out.WriteByte(h.held[i])
		}
	}
	h.held = h.held[:copy(h.held, h.held[i:])]
	h.hidden = max(h.hidden-i, 0)
}

// RedactingWriter hides values in what is written through it, also where one
// comes in pieces. What could be the beginning of a value is held back until
// more is written, or [RedactingWriter.Flush].
type RedactingWriter struct {
	w io.Writer

	mu    sync.Mutex
	hider hider
}

// Writer returns a writer to w without the values. It may be used from several
// goroutines; w is written to by one at a time.
func (s *Redactor) Writer(w io.Writer) *RedactingWriter {
	return &RedactingWriter{w: w, hider: hider{secrets: s}}
}

// Write implements [io.Writer]. It counts what it was given, not what came out.
func (w *RedactingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(p), w.write(p, false)
}

// Flush writes what is held back. The next Write begins a new text.
func (w *RedactingWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(nil, true)
}

func (w *RedactingWriter) write(p []byte, final bool) error {
	w.hider.held = append(w.hider.held, p...)
	var out bytes.Buffer
	w.hider.advance(&out, final)
	if out.Len() == 0 {
		return nil
	}
	_, err := w.w.Write(out.Bytes())
	return err
}
