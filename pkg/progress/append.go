package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

// Between two lines about a transfer that is under way pass at least
// quietFor; then there is one when the transfer is a tenth further, and after
// stalledFor in any case. A stage that says nothing for silentFor is said to have
// started.
const (
	silentFor  = time.Second
	quietFor   = 15 * time.Second
	stalledFor = time.Minute
)

// appender is a Reporter for what can only grow, a pipe or a log. The style
// decides how lines look.
type appender struct {
	style lineStyle
	timing

	mu sync.Mutex
	w  io.Writer
}

// timing is the clock, for tests to have one of their own.
type timing struct {
	now   func() time.Time
	after func(time.Duration, func()) (stop func() bool)
}

var systemTiming = timing{
	now:   time.Now,
	after: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop },
}

// lineStyle turns what happens in a stage into text that ends in a line break.
// All arguments are clean single lines.
type lineStyle interface {
	begin(stage string) string
	silent(stage string) string // of a stage that began, and has said nothing yet
	output(stage, line string) string
	info(stage, line string) string
	warning(stage string, lines []string) string
	end(stage, outcome string) string
}

// Stage implements Reporter.
func (a *appender) Stage(name string) Stage {
	s := &appendedStage{a: a, name: oneLine(name), start: a.now()}
	s.out.emit = func(line string) { s.print(a.style.output(s.name, clean(line, false))) }
	a.mu.Lock()
	_, _ = io.WriteString(a.w, a.style.begin(s.name))
	a.mu.Unlock()
	s.heard = a.after(silentFor, s.silent)
	return s
}

type appendedStage struct {
	a     *appender
	name  string
	start time.Time
	out   lineWriter
	ended tally
	heard func() bool // keeps silent from being called
	spoke bool        // it has said something; guarded by a.mu
}

// print writes whole lines at once. What cannot be written is lost: the work
// matters more than its display.
func (s *appendedStage) print(text string) {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	s.spoke = true
	_, _ = io.WriteString(s.a.w, text)
}

// silent says of a stage that has said nothing that it is at work.
func (s *appendedStage) silent() {
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	if !s.spoke {
		_, _ = io.WriteString(s.a.w, s.a.style.silent(s.name))
	}
}

// infos are lines about the stage.
func (s *appendedStage) infos(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(s.a.style.info(s.name, line))
	}
	return text.String()
}

// Output implements Stage.
func (s *appendedStage) Output() io.Writer { return &s.out }

// Infof implements Stage.
func (s *appendedStage) Infof(format string, args ...any) {
	s.print(s.infos(append(s.ended.lines(), splitLines(fmt.Sprintf(format, args...), false)...)))
}

// Warnf implements Stage.
func (s *appendedStage) Warnf(format string, args ...any) {
	s.print(s.infos(s.ended.lines()) + s.a.style.warning(s.name, splitLines(fmt.Sprintf(format, args...), false)))
}

// Transfer implements Stage.
func (s *appendedStage) Transfer(name string, total int64) Transfer {
	now := s.a.now()
	return &appendedTransfer{
		s: s, name: oneLine(name), total: total, begun: now, last: now,
	}
}

// End implements Stage.
func (s *appendedStage) End(err error) {
	s.heard()
	s.out.flush()
	s.print(s.infos(s.ended.lines()) + s.a.style.end(s.name, outcome(s.a.now().Sub(s.start), err)))
}

type appendedTransfer struct {
	s     *appendedStage
	name  string
	total int64
	begun time.Time

	mu    sync.Mutex
	done  int64
	last  time.Time // of the last line, or of the beginning
	shown int64     // bytes in the last line
}

// Add implements Transfer.
func (t *appendedTransfer) Add(n int64) {
	if line, ok := t.add(n); ok {
		t.s.print(t.s.a.style.info(t.s.name, line))
	}
}

func (t *appendedTransfer) add(n int64) (line string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	now := t.s.a.now()
	since := now.Sub(t.last)
	further := t.total > 0 && t.done-t.shown >= t.total/10
	if since < quietFor || !further && since < stalledFor {
		return "", false
	}
	t.last, t.shown = now, t.done
	if t.total <= 0 {
		return fmt.Sprintf("%s: %s so far", t.name, size(t.done)), true
	}
	return fmt.Sprintf("%s: %d%% of %s", t.name, percent(t.done, t.total), size(t.total)), true
}

// Done implements Transfer.
func (t *appendedTransfer) Done(note string) {
	t.mu.Lock()
	now := t.s.a.now()
	lines := t.s.ended.add(now, t.name, t.done, t.total, oneLine(note), now.Sub(t.begun) >= quietFor)
	t.mu.Unlock()
	if len(lines) > 0 {
		t.s.print(t.s.infos(lines))
	}
}

// transferLine sums up a transfer that ended.
func transferLine(name string, done int64, note string) string {
	line := name + ": " + size(done)
	if note != "" {
		line += ", " + note
	}
	return line
}

func oneLine(text string) string { return strings.Join(splitLines(text, false), " ") }

// percent is how much of total is done, at most 100: compressed data can come
// out larger than its estimate.
func percent(done, total int64) int {
	return int(min(100, float64(done)/float64(total)*100))
}

// size writes a number of bytes for people, in the decimal units that
// registries and disks are sold in.
func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// seconds writes how long something took, or takes.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// outcome says how a stage ended. What went wrong is for the command to print,
// once and at its end.
func outcome(took time.Duration, err error) string {
	switch {
	case err == nil:
		return "done in " + seconds(took)
	case errors.Is(err, context.Canceled):
		return "interrupted after " + seconds(took)
	}
	return "failed after " + seconds(took)
}
