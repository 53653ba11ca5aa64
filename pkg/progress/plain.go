package progress

import (
	"io"
	"strings"
	"time"
)

// NewPlain returns a Reporter that appends lines to w, each with the name of
// its stage before it, for logs and pipes:
//
//	build: started
//	build | STEP 1/4: FROM quay.io/centos-bootc/centos-bootc:stream10
//	build: done in 61.0 s
//
// A "|" marks what steps print. Of a transfer it shows its end, and of a long
// one some lines between. Terminal escapes are taken out of everything.
func NewPlain(w io.Writer) Reporter { return newPlain(w, time.Now) }

func newPlain(w io.Writer, now func() time.Time) Reporter {
	return &appender{style: plainStyle{}, now: now, w: w}
}

type plainStyle struct{}

func (plainStyle) begin(stage string) string { return stage + ": started\n" }

func (plainStyle) output(stage, line string) string {
	return strings.TrimRight(stage+" | "+line, " \t") + "\n"
}

func (plainStyle) info(stage, line string) string { return stage + ": " + line + "\n" }

func (plainStyle) warning(stage string, lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(stage + ": warning: " + line + "\n")
	}
	return text.String()
}

func (plainStyle) end(stage, outcome string) string { return stage + ": " + outcome + "\n" }
