package progress

import (
	"io"
	"strings"
)

// NewPlain returns a Reporter that appends lines to w, each with the name of
// its stage before it, for logs and pipes:
//
//	build: isolation: crun 1.14
//	build | STEP 1/4: FROM quay.io/centos-bootc/centos-bootc:stream10
//	build: done in 61.0 s
//
// A "|" marks what steps print. Of a long transfer it shows the end, and some
// lines between; short ones are summed up. Terminal escapes are taken out of
// everything.
func NewPlain(w io.Writer) Reporter { return newPlain(w, systemTiming) }

func newPlain(w io.Writer, t timing) Reporter {
	return &appender{style: plainStyle{}, timing: t, w: w}
}

type plainStyle struct{}

// begin is nothing: each line has the name of its stage.
func (plainStyle) begin(string) string { return "" }

func (plainStyle) silent(stage string) string { return stage + ": started\n" }

func (plainStyle) output(stage, line string) string {
	return strings.TrimRight(stage+" | "+line, " \t") + "\n"
}

func (plainStyle) info(stage, line string) string {
	return strings.TrimRight(stage+": "+line, " \t") + "\n"
}

func (plainStyle) warning(stage string, lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(stage + ": warning: " + line + "\n")
	}
	return text.String()
}

func (plainStyle) end(stage, outcome string) string { return stage + ": " + outcome + "\n" }
