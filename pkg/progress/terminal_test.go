package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

// vt is a terminal that knows what the display uses: text that wraps, line
// feeds, cursor up and erase below. Rows that scroll off stay, as in a window
// that scrolls back, but the cursor does not reach them.
type vt struct {
	columns, rows int

	mu       sync.Mutex
	lines    []string
	row, col int
	top      int // the first row in view
	pending  string
	unknown  []string // sequences it does not know
}

var cursorUp = regexp.MustCompile(`^\x1b\[(\d+)A`)

func newVT(columns, rows int) *vt { return &vt{columns: columns, rows: rows, lines: []string{""}} }

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.pending + string(p)
	v.pending = ""
	for s != "" {
		switch m := cursorUp.FindStringSubmatch(s); {
		case m != nil:
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return 0, err
			}
			v.row, v.col = max(v.row-n, v.top), 0
			s = s[len(m[0]):]
		case strings.HasPrefix(s, "\x1b[J"):
			v.lines = v.lines[:v.row+1]
			v.lines[v.row] = ""
			s = s[3:]
		case s[0] == '\x1b':
			n := 2 + sequenceLen(s[1], s[2:])
			if !strings.HasSuffix(s[:n], "m") {
				v.unknown = append(v.unknown, s[:n])
			}
			s = s[n:]
		case s[0] == '\n':
			v.feed()
			s = s[1:]
		default:
			r := []rune(s)[0]
			w := runewidth.RuneWidth(r)
			if v.col+w > v.columns {
				v.feed()
			}
			v.lines[v.row] += string(r)
			v.col += w
			s = s[len(string(r)):]
		}
	}
	return len(p), nil
}

func (v *vt) feed() {
	v.row, v.col = v.row+1, 0
	if v.row == len(v.lines) {
		v.lines = append(v.lines, "")
	}
	v.top = max(v.top, len(v.lines)-v.rows)
}

func (v *vt) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	for _, line := range v.lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// display is a terminal reporter whose drawing a test sets off.
type display struct {
	*vt
	Reporter
	*clock
	refresh chan any
	stage   *terminalStage
}

func newDisplay(columns, rows int, color bool) *display {
	d := &display{vt: newVT(columns, rows), clock: newClock(), refresh: make(chan any)}
	d.Reporter = NewTerminal(d.vt, TerminalOptions{
		Color: color, now: d.now, size: func() (int, int) { return columns, rows }, refresh: d.refresh,
	})
	return d
}

func (d *display) begin(name string) *terminalStage {
	d.stage = d.Reporter.Stage(name).(*terminalStage)
	return d.stage
}

// draw draws now. A request is taken when the one before it is being drawn, and
// Write returns when no drawing is under way: after five requests at least four
// are done, one more than a bar needs to leave.
func (d *display) draw() {
	for range 5 {
		d.refresh <- time.Time{}
	}
	_, _ = d.stage.bars.Write(nil)
}

func (d *display) check(t *testing.T, name string) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", name), []byte(d.vt.String()))
	if d.unknown != nil {
		t.Errorf("sequences that not every terminal knows: %q", d.unknown)
	}
}

func TestTerminalGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		columns, rows int
	}{
		{"wide", 100, 30}, {"narrow", 40, 12}, {"tiny", 8, 4}, {"unknown", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDisplay(tt.columns, tt.rows, false)
			if tt.columns == 0 {
				d.vt.columns, d.vt.rows = 80, 24
			}
			s := d.begin("push")
			s.Infof("to %s", "ghcr.io/me/centos-kde")
			layer := s.Transfer("layer 3f2a91c0d5e7", 1_400_000_000)
			korean := s.Transfer("한국어 입력기 fcitx5-hangul 레이어", 200_000_000)
			config := s.Transfer("configuration", -1)
			for i := range 9 {
				fmt.Fprintf(s.Output(), "line %d\tof a step that says a good deal more than fits into a narrow terminal\n", i)
			}
			d.draw()
			layer.Add(623_000_000)
			korean.Add(300_000_000)
			config.Add(1234)
			d.pass(95 * time.Second)
			d.draw()
			d.check(t, "terminal-"+tt.name+"-running.txt")

			korean.Done("pushed")
			s.Warnf("slow")
			d.draw()
			d.check(t, "terminal-"+tt.name+"-later.txt")

			s.End(nil)
			d.check(t, "terminal-"+tt.name+"-ended.txt")
		})
	}
}

// However a stage ends, nothing of the moving part is left, and nothing that
// was said is lost.
func TestTerminalLeavesACleanScreen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"well", nil, "build: done in 3.0 s\n"},
		{"interrupted", fmt.Errorf("building: %w", context.Canceled), "build: interrupted after 3.0 s\n"},
		{"failed", errors.New("no space left\nsecond line"), "build: failed after 3.0 s\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDisplay(80, 24, false)
			s := d.begin("build")
			fmt.Fprint(s.Output(), "RUN dnf\n")
			s.Transfer("layer", 100).Add(50)
			d.pass(3 * time.Second)
			d.draw()
			if got := d.vt.String(); !strings.Contains(got, "RUN dnf") || !strings.Contains(got, "layer") {
				t.Fatalf("while it runs:\n%s", got)
			}
			s.Infof("said last")
			s.End(tt.err)
			if got, want := d.vt.String(), "build: said last\n"+tt.want; got != want {
				t.Errorf("afterwards:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestTerminalStagesFollow(t *testing.T) {
	t.Parallel()
	d := newDisplay(80, 24, false)
	for _, name := range []string{"plan", "build"} {
		s := d.begin(name)
		d.draw()
		s.End(nil)
		s.Transfer("late", 1).Done("too late") // must neither block nor show
	}
	if got, want := d.vt.String(), "plan: done in 0.0 s\nbuild: done in 0.0 s\n"; got != want {
		t.Errorf("screen:\n%swant:\n%s", got, want)
	}
}

func TestTerminalColor(t *testing.T) {
	t.Parallel()
	for _, color := range []bool{false, true} {
		var out bytes.Buffer
		refresh := make(chan any)
		r := NewTerminal(&out, TerminalOptions{Color: color, refresh: refresh, size: func() (int, int) { return 80, 24 }})
		s := r.Stage("build")
		s.Warnf("\x1b[35mwatch out")
		fmt.Fprint(s.Output(), "\x1b[31mred and long "+strings.Repeat("x", 200)+"\n\x1b[2J\x1b]0;t\aafter\n")
		for range 3 {
			refresh <- time.Time{}
		}
		s.End(errors.New("no"))
		got := out.String()
		if has := strings.Contains(got, "\x1b[31mred"); has != color {
			t.Errorf("color %t: colour of a step passes: %t", color, has)
		}
		if color && !regexp.MustCompile("red and long x+\x1b\\[0m\n").MatchString(got) {
			t.Errorf("the colour of a cut line goes on:\n%q", got)
		}
		if sgr := regexp.MustCompile("\x1b\\[[0-9;]*m"); sgr.MatchString(got) != color {
			t.Errorf("color %t: %q", color, got)
		}
		if strings.Contains(got, "\x1b[2J") || strings.Contains(got, "\x1b]") {
			t.Errorf("a step's escapes reach the terminal: %q", got)
		}
	}
}

// The drawing goes on by itself while a build and a push write; under the race
// detector this is the test of the display's locks.
func TestTerminalConcurrentUse(t *testing.T) {
	t.Parallel()
	screen := newVT(80, 24)
	hammer(NewTerminal(screen, TerminalOptions{size: func() (int, int) { return 80, 24 }}))
	got := screen.String()
	if n := ended(t, got); n != 8 {
		t.Errorf("%d transfers ended, want 8:\n%s", n, got)
	}
	if !regexp.MustCompile(`build: done in [\d.]+ s\n$`).MatchString(got) {
		t.Errorf("the screen ends in %q", got[max(0, len(got)-200):])
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"가나", 3, "가"},
		{"", 3, ""},
		{"abc", 0, ""},
		{"\x1b[31mabcd", 3, "\x1b[31mabc\x1b[0m"},
		{"ab\x1b[31mc", 3, "ab\x1b[31mc\x1b[0m"},
	} {
		if got := truncate(tt.in, tt.width); got != tt.want {
			t.Errorf("truncate(%q, %d) = %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}
