package diag

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
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

// VisibleJSON returns a JSON document in which every character that
// [Hidden] reports is written as its escape, but for the white space between
// the values. It stands for the same values, and a terminal that it is printed
// to obeys nothing in it.
func VisibleJSON(document []byte) []byte {
	// encoding/json has escaped what is below U+0020 where it belongs to a value,
	// and what is above U+007E can stand in a value only.
	hidden := func(r rune) bool { return r > '~' && Hidden(r) }
	if !bytes.ContainsFunc(document, hidden) {
		return document
	}
	var b bytes.Buffer
	for _, r := range string(document) {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}
