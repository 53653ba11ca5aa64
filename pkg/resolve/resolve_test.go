package resolve_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/resolve"
)

func at(line int) diag.Pos { return diag.Pos{File: "recipe.yaml", Line: line, Col: 5} }

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	const output = `Reading package lists...
bootkiln:problem	unknown-package	--install=wien	no repository has the package "wien"
bootkiln:problem	unknown-unit	sshdd.service	there is no unit "sshdd.service"
bootkiln:note	optional-missing	--optional=rare	no repository has "rare"
bootkiln: a line for people
bootkiln:known	unknown-package	wine	vim
bootkiln:known	unknown-package	wind
bootkiln:known	unknown-unit	sshd.service
bootkiln:warning	unknown-package	elsewhere	nobody wrote this
bootkiln:answered
`
	var r resolve.Report
	var shown []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSuffix(line, "\n"); !r.Add(line) {
			shown = append(shown, line)
		}
	}
	if diff := cmp.Diff([]string{"Reading package lists...", "bootkiln: a line for people"}, shown); diff != "" {
		t.Errorf("lines for people (-want +got):\n%s", diff)
	}
	if !r.Answered {
		t.Error("it was not answered")
	}
	words := []plan.Word{
		{Value: "--install=wien", Origin: at(9)},
		{Value: "sshdd.service", Origin: at(4)},
		{Value: "sshdd.service", Origin: at(3)},
		{Value: "sshdd.service", Origin: at(3)},
		{Value: "--optional=rare", Origin: at(10)},
	}
	want := diag.List{
		{Pos: at(2), Severity: diag.Warning, Code: "unknown-package", Message: "nobody wrote this"},
		{Pos: at(3), Code: "unknown-unit", Message: `there is no unit "sshdd.service"`, Hint: `did you mean "sshd.service"?`},
		{Pos: at(4), Code: "unknown-unit", Message: `there is no unit "sshdd.service"`, Hint: `did you mean "sshd.service"?`},
		{Pos: at(9), Code: "unknown-package", Message: `no repository has the package "wien"`, Hint: `did you mean "wine"?`},
		{Pos: at(10), Severity: diag.Note, Code: "optional-missing", Message: `no repository has "rare"`},
	}
	if diff := cmp.Diff(want, r.Diagnostics(words, at(2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLinesForPeople are those that look like marked ones.
func TestLinesForPeople(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", "bootkiln:", "bootkiln: optional package", "bootkiln:problem", "bootkiln:problem\tcode\tword",
		"bootkiln:problem\tcode\tword\tmessage\tmore", "bootkiln:problem\tNot A Code\tword\tmessage",
		"bootkiln:known", "bootkiln:known\t", "bootkiln:answered\tyes", "bootkiln:else\ta\tb\tc",
		" bootkiln:answered", "bootkiln:unreadable",
	} {
		var r resolve.Report
		if r.Add(line) {
			t.Errorf("%q was taken", line)
		}
		if diff := cmp.Diff(diag.List(nil), r.Diagnostics(nil, at(1))); diff != "" || r.Answered || r.Unreadable != nil {
			t.Errorf("%q changed the report: %s", line, diff)
		}
	}
}

func TestNearestOfNamesWithSuffixes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ word, known, hint string }{
		{"ssh.service", "rc.service\tgetty@.service\tssh.socket", ""},
		{"sshdd.service", "rc.service\tsshd.service\tsshdd.socket", `did you mean "sshd.service"?`},
		{"gpg-agnet.socket", "gpg-agent.socket\tgpg-agent.service", `did you mean "gpg-agent.socket"?`},
		{"--install=python3.11-foo", "python3.11-for\tpython3", `did you mean "python3.11-for"?`},
		{"vlcc", "ulcc\tvlc", `did you mean "vlc"?`},
		{".service", "a.service\t.service", ""},
		{"--keymap=rk", "kr\tde", `did you mean "kr"?`},
	} {
		var r resolve.Report
		for _, line := range []string{"bootkiln:problem\tunknown\t" + test.word + "\tmessage", "bootkiln:known\tunknown\t" + test.known} {
			if !r.Add(line) {
				t.Errorf("%q was not taken", line)
			}
		}
		if got := r.Diagnostics(nil, at(1))[0].Hint; got != test.hint {
			t.Errorf("%q of %q: %q, want %q", test.word, test.known, got, test.hint)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add("bootkiln:problem\tunknown-package\twien\tthere is none\nbootkiln:known\tunknown-package\twine", "wien")
	f.Add("bootkiln:unreadable\tE: x\nbootkiln:answered", "--keymap=")
	f.Add("bootkiln:note\ta-\tb\tc", "b")
	f.Fuzz(func(t *testing.T, output, word string) {
		var r resolve.Report
		taken := 0
		for line := range strings.Lines(output) {
			line = strings.TrimSuffix(line, "\n")
			if r.Add(line) {
				taken++
				if !strings.HasPrefix(line, "bootkiln:") {
					t.Errorf("%q was taken", line)
				}
			}
		}
		list := r.Diagnostics([]plan.Word{{Value: word, Origin: at(2)}}, at(1))
		if len(list)+len(r.Unreadable) > taken {
			t.Errorf("%d lines give %d problems and %d repositories", taken, len(list), len(r.Unreadable))
		}
		for _, d := range list {
			if d.Pos != at(1) && d.Pos != at(2) || d.Code == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}
