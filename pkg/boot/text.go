package boot

import (
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// The files of a result in the output folder; see also [ScreenshotName].
const (
	ReportName  = "boot.json"
	ConsoleName = "console.log"
)

// Text returns the result for people to read.
func (r *Result) Text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s  %s\n", name, fmt.Sprintf(format, args...))
	}
	if r.Failure == nil {
		fmt.Fprintf(&b, "%s boots: %s after %.0f s\n", image.Called(r.Image), r.reached(), r.Seconds)
	} else {
		fmt.Fprintf(&b, "%s does not boot: %s\n", image.Called(r.Image), r.Failure.Class.Summary())
		wrap(&b, "  ", r.Failure.Explanation)
		if r.Failure.Hint != "" {
			wrap(&b, "  ", "hint: "+r.Failure.Hint)
		}
	}
	if r.Mode != "" {
		b.WriteByte('\n')
		row("way in", "%s, on %s with %s", r.Mode, r.Machine, r.Accelerator)
	}
	if r.Target != "" {
		row("target", "%s", r.Target)
	}
	if r.State != "" {
		row("systemd", "%s", r.State)
	}
	if r.OS != "" || r.Kernel != "" {
		row("system", "%s, kernel %s", r.OS, r.Kernel)
	}
	if r.Times != nil {
		row("time", "%s", r.Times)
	}
	for _, u := range r.FailedUnits {
		allowed := ""
		if u.Allowed != "" {
			allowed = ", allowed: " + u.Allowed
		}
		fmt.Fprintf(&b, "\n  %s failed (%s)%s\n", u.Name, u.Result, allowed)
		quoted(&b, u.Log)
	}
	if len(r.Waiting) > 0 && r.Failure != nil {
		b.WriteString("\n  Not done:\n")
		for _, j := range r.Waiting {
			fmt.Fprintf(&b, "    %s (%s, %s)\n", j.Unit, j.Type, j.State)
		}
	}
	if len(r.Assertions) > 0 {
		b.WriteString("\n  Expected:\n")
		for _, a := range r.Assertions {
			word, found := "yes", ""
			if !a.OK {
				word, found = "NO ", ": "+a.Found
			}
			fmt.Fprintf(&b, "    %s  %s%s\n", word, a.What, found)
		}
	}
	if r.Failure != nil {
		if len(r.Failure.Causes) > 0 {
			b.WriteString("\n  The likely cause, by the checks:\n")
			for _, c := range r.Failure.Causes {
				fmt.Fprintf(&b, "    %s: %s\n", c.Rule, c.Message)
			}
		}
		if len(r.Failure.Excerpt) > 0 {
			b.WriteString("\n  The console:\n")
			quoted(&b, r.Failure.Excerpt)
		}
	}
	if len(r.Notes) > 0 {
		b.WriteByte('\n')
		for _, n := range r.Notes {
			wrap(&b, "  ", "note: "+n)
		}
	}
	return b.String()
}

// reached says what the verdict is by.
func (r *Result) reached() string {
	if r.State == "" {
		return "a login was offered"
	}
	return r.Target + " is reached"
}

// String returns the phases that happened.
func (t *Times) String() string {
	var parts []string
	for _, p := range []struct {
		name    string
		seconds float64
	}{{"firmware", t.Firmware}, {"loader", t.Loader}, {"kernel", t.Kernel}, {"initramfs", t.Initrd}, {"userspace", t.Userspace}} {
		if p.seconds > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f s", p.name, p.seconds))
		}
	}
	if t.Target > 0 {
		parts = append(parts, fmt.Sprintf("target after %.1f s", t.Target))
	}
	return strings.Join(parts, ", ")
}

func quoted(b *strings.Builder, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(b, "    | %s\n", line)
	}
}

// wrap writes a paragraph in lines that fit a terminal.
func wrap(b *strings.Builder, indent, text string) {
	const width = 100
	line := indent
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) >= width && line != indent {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
