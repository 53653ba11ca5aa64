package check

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// shown is how many findings of one rule the text has.
const shown = 10

// WriteText writes the report for people: for each rule that found something,
// errors first, what is wrong where, what that means and how to mend it; then
// the rules that could not run, and a summary. Nothing in the image can put
// control characters into it.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	outcomes := slices.Clone(r.Rules)
	slices.SortStableFunc(outcomes, func(x, y Outcome) int { return int(x.Severity) - int(y.Severity) })
	for _, o := range outcomes {
		if o.Findings > 0 {
			r.writeRule(&b, o)
		}
	}
	for _, o := range outcomes {
		if o.Status == StatusCouldNotRun {
			fmt.Fprintf(&b, "%s: could not run: %s\n  %s\n\n", o.Severity, o.ID, printable(o.Reason))
		}
	}
	b.WriteString(r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeRule(b *strings.Builder, o Outcome) {
	fmt.Fprintf(b, "%s: %s\n  rule: %s\n", o.Severity, o.ID, o.rule.Summary)
	written := 0
	hints := map[string]bool{}
	for _, f := range r.Findings {
		if f.Rule != o.ID {
			continue
		}
		if written == shown {
			break
		}
		written++
		b.WriteString("  ")
		if f.Path != "" {
			b.WriteString(quotePath(f.Path) + ": ")
		}
		b.WriteString(printable(f.Message) + "\n")
		if f.Hint != o.rule.Hint && !hints[f.Hint] {
			hints[f.Hint] = true
			b.WriteString("    mend: " + printable(f.Hint) + "\n")
		}
	}
	if more := o.Findings - written; more > 0 {
		fmt.Fprintf(b, "  … and %d more\n", more)
	}
	fmt.Fprintf(b, "  means: %s\n", o.rule.Doc)
	if o.rule.Hint != "" {
		fmt.Fprintf(b, "  mend: %s\n", o.rule.Hint)
	}
	b.WriteString("\n")
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
	return fmt.Sprintf("%s: %s (%s)\n", printable(r.Image), strings.Join(found, ", "), strings.Join(parts, ", "))
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
