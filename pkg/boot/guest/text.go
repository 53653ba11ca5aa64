package guest

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestText is the most bytes of a line of the guest's that are kept.
const longestText = 400

// colour is what programs make their output coloured with, as ECMA-48 has it.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// clean makes a line of the guest's fit to be shown: without colours and other
// control characters, which could drive a terminal, without what is not Unicode
// text, and not too long.
func clean(line string) string {
	if len(line) > 4*longestText {
		line = line[:4*longestText]
	}
	line = colour.ReplaceAllString(line, "")
	if len(line) > longestText {
		line = line[:longestText]
		for len(line) > 0 && !utf8.RuneStart(line[len(line)-1]) {
			line = line[:len(line)-1]
		}
		line += "…"
	}
	line = strings.ToValidUTF8(line, "\uFFFD")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, line)
}

// lines returns the lines of an output, cleaned, without empty ones, and no
// more than most of them.
func lines(output []byte, most int) []string {
	var out []string
	for line := range strings.Lines(string(output)) {
		if len(out) == most {
			break
		}
		if line = strings.TrimRight(line, "\r\n\t "); line != "" {
			out = append(out, clean(line))
		}
	}
	return out
}
