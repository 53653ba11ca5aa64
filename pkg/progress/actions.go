package progress

import (
	"io"
	"strings"
	"sync"
	"unicode"
)

// NewActions returns a Reporter for the log of a GitHub Actions job: each stage
// is a group that folds, Warnf is a warning annotation of the step, and after
// the group comes one line that says how the stage ended.
//
// Nothing that a build step prints, or that any other text holds, reaches the
// runner as a workflow command.
func NewActions(w io.Writer) Reporter { return newActions(w, systemTiming) }

func newActions(w io.Writer, t timing) Reporter {
	return &appender{style: &actionsStyle{}, timing: t, w: w}
}

type actionsStyle struct {
	mu       sync.Mutex
	warnings int
}

func (*actionsStyle) begin(stage string) string {
	return "::group::" + escapeData(stage) + "\n"
}

// silent is nothing: the group has its name already.
func (*actionsStyle) silent(string) string { return "" }

func (*actionsStyle) output(_, line string) string { return inert(line) + "\n" }

func (*actionsStyle) info(_, line string) string { return inert(line) + "\n" }

// warning annotates as long as GitHub shows it; later ones are lines of the
// log, where they can at least be found.
func (s *actionsStyle) warning(stage string, lines []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warnings++; s.warnings > annotationsPerKind {
		var text strings.Builder
		for _, line := range lines {
			text.WriteString(inert("warning: "+line) + "\n")
		}
		return text.String()
	}
	return "::warning title=" + escapeProperty(stage) + "::" + escapeData(strings.Join(lines, "\n")) + "\n"
}

func (*actionsStyle) end(stage, outcome string) string {
	return "::endgroup::\n" + inert(stage+": "+outcome) + "\n"
}

// inert makes a clean line one that the runner takes for text. The runner
// (actions/runner, ActionCommand.cs) knows two forms of a command: "::name …::"
// after any white space at the start of a line, and the older "##[name …]"
// anywhere in it. The one gets a bar in front, the other a space inside.
//
// "::stop-commands::" would not do: it holds for the whole step, so a process
// that is killed in between, or another goroutine that warns, would be caught
// in it, and it leaves "##[" to the log viewer.
func inert(line string) string {
	// The runner compares by the rules of a locale, in which characters that are
	// not seen (zero-width ones, soft hyphens) do not count.
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			return -1
		}
		return r
	}, line)
	if strings.Contains(visible, "##[") {
		line = strings.ReplaceAll(visible, "##[", "## [")
		visible = line
	}
	start := strings.TrimLeftFunc(visible, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsGraphic(r)
	})
	if strings.HasPrefix(start, "::") {
		line = "| " + line
	}
	return line
}

// Inert returns a writer for a job of GitHub Actions: what is written to it, a
// line or several at a time, reaches w as text in which the runner sees no
// workflow commands.
func Inert(w io.Writer) io.Writer { return &inertWriter{w} }

type inertWriter struct{ w io.Writer }

func (i *inertWriter) Write(p []byte) (int, error) {
	var text strings.Builder
	for line := range strings.Lines(string(p)) {
		content, end := strings.CutSuffix(line, "\n")
		text.WriteString(inert(content))
		if end {
			text.WriteByte('\n')
		}
	}
	if _, err := io.WriteString(i.w, text.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escapeData escapes the message of a workflow command.
func escapeData(s string) string { return dataEscaper.Replace(s) }

// escapeProperty escapes the value of a workflow command's property.
func escapeProperty(s string) string { return propertyEscaper.Replace(s) }

// The characters are those of actions/runner, ActionCommand.cs.
var (
	dataEscaper     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscaper = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
