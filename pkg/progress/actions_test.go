package progress

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// runnerCommand tells what actions/runner's ActionCommand would take a line
// for: the name of a command in one of its two forms, or "". It errs on the side
// of finding one: any name counts, and characters without width do not.
func runnerCommand(line string) string {
	line = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, line)
	if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::"); ok {
		if info, _, ok := strings.Cut(rest, "::"); ok {
			return "::" + info
		}
	}
	if _, rest, ok := strings.Cut(line, "##["); ok {
		if info, _, ok := strings.Cut(rest, "]"); ok {
			return "##[" + info
		}
	}
	return ""
}

// commands returns the commands in a log. The runner ends lines at both kinds
// of line break.
func commands(log string) []string {
	var found []string
	for _, line := range strings.FieldsFunc(log, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if c := runnerCommand(line); c != "" {
			found = append(found, c)
		}
	}
	return found
}

var hostileLines = []string{
	"::set-env name=PATH::/tmp/evil",
	"  \t::add-mask::a",
	"\u00a0\u3000::warning::x",
	"\u0085::warning::x",
	"\u200b::warning::x",
	"\ufeff::warning::x",
	":\u00ad:warning::x",
	"\x1b[31m::warning::x",
	"x\r::warning::x",
	"x\x0b::warning::x",
	"text ##[add-path]/tmp/evil",
	"#\u00ad#[add-path]/tmp/evil",
	"####[group]x",
	"#\x1b[0m#[group]x",
	"::stop-commands::x",
	"::endgroup::",
}

func TestActionsRunsNoForeignCommand(t *testing.T) {
	t.Parallel()
	for _, line := range hostileLines {
		var out bytes.Buffer
		s := NewActions(&out).Stage("build")
		for _, b := range []byte(line + "\nend") {
			_, _ = s.Output().Write([]byte{b})
		}
		s.Infof("%s", line)
		s.Transfer(line, 1).Done(line)
		s.End(errString(line))
		want := []string{"::group", "::endgroup"}
		if diff := cmp.Diff(want, commands(out.String())); diff != "" {
			t.Errorf("%q: commands (-want +got):\n%s\n%s", line, diff, out.String())
		}
	}
}

type errString string

func (e errString) Error() string { return string(e) }

func TestActionsEscapesWhatItSays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := NewActions(&out).Stage("a\n::add-mask::b")
	s.Warnf("first %%\r\n::add-mask::b")
	s.End(nil)
	got := out.String()
	if diff := cmp.Diff([]string{"::group", "::warning title=a %3A%3Aadd-mask%3A%3Ab", "::endgroup"}, commands(got)); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if want := "::first %25%0A::add-mask::b\n"; !strings.Contains(got, want) {
		t.Errorf("%q is not in\n%s", want, got)
	}
}

func TestActionsAnnotatesTenWarnings(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := NewActions(&out)
	for _, stage := range []string{"a", "b"} { // the limit is one of the step
		s := r.Stage(stage)
		for range 7 {
			s.Warnf("careful")
		}
		s.End(nil)
	}
	if got := strings.Count(out.String(), "::warning "); got != 10 {
		t.Errorf("%d annotations, want 10", got)
	}
	if got := strings.Count(out.String(), "warning: careful\n"); got != 4 {
		t.Errorf("%d plain warnings, want 4:\n%s", got, out.String())
	}
}

func FuzzInert(f *testing.F) {
	for _, line := range hostileLines {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if got := inert(clean(line, false)); runnerCommand(got) != "" {
			t.Errorf("%q comes out as %q, a command", line, got)
		}
	})
}

func TestInertWriter(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if _, err := io.WriteString(Inert(&b), "fine\n ::error::pwn\nx ##[error]pwn"); err != nil {
		t.Fatal(err)
	}
	if want := "fine\n|  ::error::pwn\nx ## [error]pwn"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
