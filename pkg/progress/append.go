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
// stalledFor in any case.
const (
	quietFor   = 15 * time.Second
	stalledFor = time.Minute
)

// appender is a Reporter for what can only grow, a pipe or a log. The style
// decides how lines look.
type appender struct {
	style lineStyle
	now   func() time.Time

	mu sync.Mutex
	w  io.Writer
}

// lineStyle turns what happens in a stage into text that ends in a line break.
// All arguments are clean single lines.
type lineStyle interface {
	begin(stage string) string
	output(stage, line string) string
	info(stage, line string) string
	warning(stage string, lines []string) string
	end(stage, outcome string) string
}

// Stage implements Reporter.
func (a *appender) Stage(name string) Stage {
	s := &appendedStage{a: a, name: strings.Join(splitLines(name, false), " "), start: a.now()}
	s.out.emit = func(line string) { a.print(a.style.output(s.name, clean(line, false))) }
	a.print(a.style.begin(s.name))
	return s
}

// print writes whole lines at once. What cannot be written is lost: the work
// matters more than its display.
func (a *appender) print(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = io.WriteString(a.w, text)
}

type appendedStage struct {
	a     *appender
	name  string
	start time.Time
	out   lineWriter
}

// Output implements Stage.
func (s *appendedStage) Output() io.Writer { return &s.out }

// Infof implements Stage.
func (s *appendedStage) Infof(format string, args ...any) {
	var text strings.Builder
	for _, line := range splitLines(fmt.Sprintf(format, args...), false) {
		text.WriteString(s.a.style.info(s.name, line))
	}
	s.a.print(text.String())
}

// Warnf implements Stage.
func (s *appendedStage) Warnf(format string, args ...any) {
	s.a.print(s.a.style.warning(s.name, splitLines(fmt.Sprintf(format, args...), false)))
}

// Transfer implements Stage.
func (s *appendedStage) Transfer(name string, total int64) Transfer {
	return &appendedTransfer{
		s: s, name: strings.Join(splitLines(name, false), " "), total: total, last: s.a.now(),
	}
}

// End implements Stage.
func (s *appendedStage) End(err error) {
	s.out.flush()
	s.a.print(s.a.style.end(s.name, outcome(s.a.now().Sub(s.start), err)))
}

type appendedTransfer struct {
	s     *appendedStage
	name  string
	total int64

	mu    sync.Mutex
	done  int64
	last  time.Time // of the last line, or of the beginning
	shown int64     // bytes in the last line
}

// Add implements Transfer.
func (t *appendedTransfer) Add(n int64) {
	if line, ok := t.add(n); ok {
		t.s.a.print(t.s.a.style.info(t.s.name, line))
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
	line := transferLine(t.name, t.done, t.total, note)
	t.mu.Unlock()
	t.s.a.print(t.s.a.style.info(t.s.name, line))
}

// transferLine sums up a transfer that ended. Where nothing was counted, its
// total says more: of a blob that the registry had, no byte was sent.
func transferLine(name string, done, total int64, note string) string {
	if done == 0 && total > 0 {
		done = total
	}
	line := name + ": " + size(done)
	if note != "" {
		line += ", " + strings.Join(splitLines(note, false), " ")
	}
	return line
}

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
