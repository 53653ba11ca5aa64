package diag

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with everything that a terminal might obey, or that
// would hide or reorder what is read, replaced by U+FFFD: control characters
// (line breaks and tabs too), bidirectional and other format characters, line
// and paragraph separators, and bytes that are not UTF-8. Joiners stay, since
// scripts and emoji are written with them.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if Hidden(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Hidden reports whether a terminal might obey the character or not show it:
// what [Printable] replaces.
func Hidden(r rune) bool {
	switch r {
	case '\u200c', '\u200d':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
