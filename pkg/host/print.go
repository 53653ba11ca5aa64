package host

import (
	"fmt"
	"io"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// WriteText writes the findings for people: a line each, what mends it below,
// and at the end the number of problems and warnings.
func WriteText(w io.Writer, findings []Finding, color bool) error {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	var text strings.Builder
	warnings := 0
	for _, f := range findings {
		if f.Status == Warning {
			warnings++
		}
		// Padded before it is coloured: escapes take no room.
		status := fmt.Sprintf("%-7s", f.Status)
		if code := statusColors[f.Status]; color && code != "" {
			status = "\x1b[" + code + "m" + status + "\x1b[0m"
		}
		fmt.Fprintf(&text, "%s  %-*s  %s\n", status, width, f.Check, diag.Printable(f.Message))
		for line := range strings.Lines(f.Mend) {
			fmt.Fprintf(&text, "%*s  mend: %s\n", len("problem")+2+width, "", diag.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	fmt.Fprintf(&text, "\n%s, %s\n", count(Problems(findings), "problem"), count(warnings, "warning"))
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("writing findings: %w", err)
	}
	return nil
}

// statusColors are SGR parameters.
var statusColors = map[Status]string{OK: "32", Warning: "33", Problem: "31"}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
