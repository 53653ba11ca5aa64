package progress

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	esc      = '\x1b'
	sgrReset = "\x1b[0m"
)

// clean makes one line of text that others wrote safe to show. Control
// characters and the escape sequences of ECMA-48 are dropped whole, in their
// 7-bit and their 8-bit form, so that the output of a build step can neither
// move the cursor, nor retitle the window, nor type into the clipboard. With
// sgr, sequences that choose colours and weights pass, and are reset at the end
// of the line. Tabs stay. The result is valid UTF-8 and holds no line break.
func clean(line string, sgr bool) string {
	if !needsCleaning(line) {
		return line
	}
	var b strings.Builder
	b.Grow(len(line))
	styled := false
	for i := 0; i < len(line); {
		c := line[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(line[i:])
			switch {
			case r >= 0x80 && r <= 0x9f:
				// C1: the 8-bit form of ESC and the character 0x40 below.
				i += size + sequenceLen(byte(r-0x40), line[i+size:])
			case r == '\u2028' || r == '\u2029':
				b.WriteByte(' ')
				i += size
			default:
				b.WriteRune(r) // U+FFFD for a byte that is no UTF-8
				i += size
			}
			continue
		}
		switch {
		case c == esc && i+1 < len(line):
			n := 1
			if next := line[i+1]; next >= 0x20 && next <= 0x7e {
				n = 2 + sequenceLen(next, line[i+2:])
			}
			if seq := line[i : i+n]; sgr && harmlessSGR(seq) {
				b.WriteString(seq)
				styled = true
			}
			i += n
		case c == '\t' || c >= 0x20 && c != 0x7f:
			b.WriteByte(c)
			i++
		default:
			i++
		}
	}
	if styled {
		b.WriteString(sgrReset)
	}
	return b.String()
}

func needsCleaning(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 && c != '\t' || c >= 0x7f {
			return true
		}
	}
	return false
}

// sequenceLen returns how many bytes of rest belong to the escape sequence that
// kind, the character after ESC, begins.
func sequenceLen(kind byte, rest string) int {
	switch kind {
	case '[': // CSI: parameters, intermediates, one final byte
		n := countIn(rest, 0x30, 0x3f)
		n += countIn(rest[n:], 0x20, 0x2f)
		return n + min(countIn(rest[n:], 0x40, 0x7e), 1)
	case ']', 'P', 'X', '^', '_': // OSC, DCS, SOS, PM, APC: a string up to ST, or BEL
		end := -1
		for _, terminator := range []string{"\a", "\x1b\\", "\u009c"} {
			if i := strings.Index(rest, terminator); i >= 0 && (end < 0 || i+len(terminator) < end) {
				end = i + len(terminator)
			}
		}
		// Without its end it would hide the rest of the line: only the opening goes.
		return max(end, 0)
	}
	if kind >= 0x20 && kind <= 0x2f { // nF: more intermediates, one final byte
		n := countIn(rest, 0x20, 0x2f)
		return n + min(countIn(rest[n:], 0x30, 0x7e), 1)
	}
	return 0
}

// countIn counts the leading bytes of s that are within [low, high].
func countIn(s string, low, high byte) int {
	n := 0
	for n < len(s) && s[n] >= low && s[n] <= high {
		n++
	}
	return n
}

// harmlessSGR reports whether seq is a "select graphic rendition" sequence that
// leaves the text legible: blinking (5, 6) and concealed (8) text does not pass.
func harmlessSGR(seq string) bool {
	body, ok := strings.CutPrefix(seq, "\x1b[")
	if !ok {
		return false
	}
	body, ok = strings.CutSuffix(body, "m")
	if !ok {
		return false
	}
	params := strings.Split(body, ";")
	for i := 0; i < len(params); i++ {
		n := 0 // an empty parameter is 0, reset
		if params[i] != "" {
			var err error
			if n, err = strconv.Atoi(params[i]); err != nil {
				return false
			}
		}
		switch {
		case n == 5 || n == 6 || n == 8 || n > 107:
			return false
		case n == 38 || n == 48: // extended colour: 5;index or 2;r;g;b
			if i+1 == len(params) {
				return false
			}
			switch params[i+1] {
			case "5":
				i += 2
			case "2":
				i += 4
			default:
				return false
			}
		}
	}
	return true
}
