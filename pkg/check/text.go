package check

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// shown is how many findings of one rule the text has.
const shown = 10

// WriteText writes the report for people: for each rule that found something
// or could not run, errors first, what is wrong where, what that means and how
// to mend it; then a summary. Nothing in the image can put control characters
// into it.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, o := range r.bySeverity() {
		if !o.tells() {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", o.Severity, o.ID)
		for line := range strings.Lines(r.explain(o)) {
			b.WriteString("  " + line)
		}
		b.WriteByte('\n')
	}
	b.WriteString(r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// tells reports whether there is more to say of the rule than its status.
func (o Outcome) tells() bool { return o.Findings > 0 || o.Status == StatusCouldNotRun }

// explain says in lines of plain text what a rule found, what that means and
// how to mend it, and why it could not run.
func (r *Report) explain(o Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule: %s\n", o.rule.Summary)
	findings := r.of(o.ID)
	findings = findings[:min(len(findings), shown)]
	hints := map[string]bool{}
	for _, f := range findings {
		b.WriteString(f.line() + "\n")
		if f.Hint != o.rule.Hint && !hints[f.Hint] {
			hints[f.Hint] = true
			b.WriteString("  mend: " + printable(f.Hint) + "\n")
		}
	}
	if more := o.Findings - len(findings); more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	if o.Status == StatusCouldNotRun {
		b.WriteString(o.failure() + "\n")
	}
	if len(findings) > 0 {
		fmt.Fprintf(&b, "means: %s\n", o.rule.Doc)
		if o.rule.Hint != "" {
			fmt.Fprintf(&b, "mend: %s\n", o.rule.Hint)
		}
	}
	return b.String()
}

// line is the finding without its hint.
func (f Finding) line() string {
	if f.Path == "" {
		return printable(f.Message)
	}
	return quotePath(f.Path) + ": " + printable(f.Message)
}

// failure says why a rule could not run.
func (o Outcome) failure() string {
	if o.Findings > 0 {
		return "could not run to its end: " + printable(o.Reason)
	}
	return "could not run: " + printable(o.Reason)
}

func (r *Report) summary() string {
	counts := map[Status]int{}
	for _, o := range r.Rules {
		counts[o.Status]++
	}
	parts := []string{plural(counts[StatusPassed], "rule") + " passed"}
	for _, s := range []struct {
		status Status
		words  string
	}{{StatusSkipped, "skipped"}, {StatusNotApplicable, "not applicable"}, {StatusCouldNotRun, "could not run"}} {
		if n := counts[s.status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	var found []string
	for _, s := range []struct {
		severity diag.Severity
		n        int
	}{{diag.Error, r.Errors}, {diag.Warning, r.Warnings}, {diag.Note, r.Notes}} {
		if s.n > 0 {
			found = append(found, plural(s.n, s.severity.String()))
		}
	}
	if found == nil {
		found = []string{"nothing found"}
	}
	return fmt.Sprintf("%s: %s (%s)\n", printable(image.Called(r.Image)), strings.Join(found, ", "), strings.Join(parts, ", "))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// quotePath quotes a path unless it is plain text, so that two paths never
// look the same.
func quotePath(p string) string {
	if strings.ContainsAny(p, `\"`) || printable(p) != p {
		return strconv.Quote(p)
	}
	return p
}

// printable replaces what could steer a terminal, or does not show on one, by
// escapes as in Go.
func printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		s = s[size:]
	}
	return b.String()
}
