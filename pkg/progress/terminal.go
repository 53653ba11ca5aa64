package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// TerminalOptions adjust [NewTerminal].
type TerminalOptions struct {
	// Color lets colours through, those of the display and those of build steps.
	Color bool

	now     func() time.Time           // nil: the system's clock
	size    func() (columns, rows int) // nil: asks the terminal
	refresh <-chan any                 // nil: several times a second
}

// NewTerminal returns a Reporter that draws on the terminal w: under lines that
// stay (what stages say, long transfers that ended) a part that moves, with the stage
// that runs, the last lines that its steps print, and a bar for each transfer.
// When a stage ends, well or by interruption, the moving part is wiped off and
// one line says how it went. The cursor is never hidden, so that a process that
// is killed leaves the terminal usable.
func NewTerminal(w io.Writer, o TerminalOptions) Reporter {
	if o.now == nil {
		o.now = time.Now
	}
	return &terminal{w: w, o: o}
}

type terminal struct {
	w io.Writer
	o TerminalOptions
}

// Stage implements Reporter.
func (t *terminal) Stage(name string) Stage {
	s := &terminalStage{
		o: t.o, screen: newScreen(t.w, t.o.size),
		name: oneLine(name), start: t.o.now(),
	}
	s.out.emit = s.tail.add
	s.tail.sgr = t.o.Color
	options := []mpb.ContainerOption{mpb.WithConsoleWriter(s.screen)}
	if t.o.refresh != nil {
		options = append(options, mpb.WithManualRefresh(t.o.refresh))
	}
	s.bars = mpb.New(options...)
	// The head never completes; End takes it down with the rest.
	s.bars.MustAdd(0, mpb.BarFillerFunc(s.drawHead), mpb.BarFillerTrim(),
		mpb.BarExtender(mpb.BarFillerFunc(s.drawTail), false))
	return s
}

type terminalStage struct {
	o      TerminalOptions
	screen *screen
	bars   *mpb.Progress
	name   string
	start  time.Time
	out    lineWriter
	tail   tail
	ended  tally
}

// drawHead draws the line of the stage.
func (s *terminalStage) drawHead(w io.Writer, st decor.Statistics) error {
	line := "=> " + s.name + "  " + seconds(s.o.now().Sub(s.start))
	if ended := s.ended.sofar(); ended != "" {
		line += "  " + ended
	}
	_, err := io.WriteString(w, s.styled(bold, truncate(line, st.AvailableWidth)))
	return err
}

// drawTail draws the last lines of the steps' output.
func (s *terminalStage) drawTail(w io.Writer, st decor.Statistics) error {
	_, rows, err := s.screen.GetTermSize()
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, line := range s.tail.last(rows / 4) {
		text.WriteString(truncate(" | "+line, st.AvailableWidth) + "\n")
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// print puts lines that stay above the moving part.
func (s *terminalStage) print(text string) {
	// After End there is no moving part, and nothing to add.
	_, _ = io.WriteString(s.bars, text)
}

// Output implements Stage.
func (s *terminalStage) Output() io.Writer { return &s.out }

// Infof implements Stage.
func (s *terminalStage) Infof(format string, args ...any) {
	s.print(s.infos(append(s.ended.lines(), splitLines(fmt.Sprintf(format, args...), s.o.Color)...)))
}

// infos are lines about the stage.
func (s *terminalStage) infos(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.TrimRight(s.name+": "+line, " \t") + "\n")
	}
	return text.String()
}

// Warnf implements Stage.
func (s *terminalStage) Warnf(format string, args ...any) {
	var text strings.Builder
	text.WriteString(s.infos(s.ended.lines()))
	for _, line := range splitLines(fmt.Sprintf(format, args...), s.o.Color) {
		text.WriteString(s.name + ": " + s.styled(yellow, "warning:") + " " + line + "\n")
	}
	s.print(text.String())
}

// Transfer implements Stage.
func (s *terminalStage) Transfer(name string, total int64) Transfer {
	t := &terminalTransfer{s: s, name: oneLine(name), total: total, begun: s.o.now()}
	// The bar draws from t and not from the library's count, so that Add, which
	// is called for every few kilobytes, does not wait for a drawing.
	t.bar, _ = s.bars.Add(0, mpb.BarFillerFunc(t.draw), mpb.BarFillerTrim())
	return t
}

// End implements Stage.
func (s *terminalStage) End(err error) {
	s.out.flush()
	s.bars.Shutdown()
	line := outcome(s.o.now().Sub(s.start), err)
	style := green
	switch {
	case errors.Is(err, context.Canceled):
		style = yellow
	case err != nil:
		style = red
	}
	s.screen.wipe(s.infos(s.ended.lines()) + s.name + ": " + s.styled(style, line) + "\n")
}

// The colours of the display, as SGR parameters.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s *terminalStage) styled(style, text string) string {
	if !s.o.Color {
		return text
	}
	return "\x1b[" + style + "m" + text + sgrReset
}

type terminalTransfer struct {
	s     *terminalStage
	name  string
	total int64
	begun time.Time
	done  atomic.Int64
	bar   *mpb.Bar // nil where the stage has ended
}

// Add implements Transfer.
func (t *terminalTransfer) Add(n int64) { t.done.Add(n) }

// Done implements Transfer.
func (t *terminalTransfer) Done(note string) {
	if t.bar != nil {
		t.bar.Abort(true)
	}
	now := t.s.o.now()
	if lines := t.s.ended.add(now, t.name, t.done.Load(), t.total, oneLine(note), now.Sub(t.begun) >= quietFor); len(lines) > 0 {
		t.s.print(t.s.infos(lines))
	}
}

// draw fills one row: name, bar and counts, as much of them as fits.
func (t *terminalTransfer) draw(w io.Writer, st decor.Statistics) error {
	done, width := t.done.Load(), st.AvailableWidth
	counts := size(done)
	if t.total > 0 {
		counts = fmt.Sprintf("%s / %s %3d%%", counts, size(t.total), percent(done, t.total))
		if width < narrow {
			counts = fmt.Sprintf("%d%%", percent(done, t.total))
		}
	}
	const indent, gap = 3, 1
	nameWidth := max(0, width-indent-gap-len(counts))
	barWidth := 0
	if t.total > 0 && width >= narrow {
		barWidth = min(longestBar, nameWidth/2)
		nameWidth -= barWidth + gap
	}
	row := strings.Repeat(" ", indent) + pad(t.name, nameWidth) + " "
	if barWidth > 0 {
		var bar strings.Builder
		st.Total, st.Current, st.AvailableWidth, st.RequestedWidth = t.total, min(done, t.total), barWidth, 0
		st.Completed, st.Aborted = false, false
		if err := mpb.BarStyle().Build().Fill(&bar, st); err != nil {
			return err
		}
		row += bar.String() + " "
	}
	_, err := io.WriteString(w, truncate(row+counts, width))
	return err
}

const (
	// narrow is the width below which a row has no bar, in columns.
	narrow     = 60
	longestBar = 40
	// longestTail is how many lines of output are kept in view.
	longestTail = 6
)

// tail keeps the last lines of output.
type tail struct {
	sgr bool

	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	line = strings.ReplaceAll(clean(line, t.sgr), "\t", "    ")
	if strings.TrimSpace(line) == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == longestTail {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// last returns at most n lines, the oldest first.
func (t *tail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = min(n, len(t.lines))
	return append([]string(nil), t.lines[len(t.lines)-n:]...)
}
