package containerfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// UnsafeError says that a value of the recipe cannot stand in a Containerfile.
type UnsafeError struct {
	// Pos is the place of the value in the recipe.
	Pos diag.Pos
	// What is the thing that the value names, as in "image reference".
	What  string
	Value string
	// Reason says which rule the value breaks.
	Reason string
}

// Error returns "file:line:col: rendering the image reference "…": …".
func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s: rendering the %s %q: %s", e.Pos, e.What, e.Value, e.Reason)
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// The characters that a value may have, by the place it stands in. None of the
// lists has a quote, "$" or "<", which mean something to the reader of
// Containerfiles wherever they stand.
const (
	// wordChars are for words of a command line, which stand in single
	// quotes: package names, patterns, groups, units, locales, paths. A
	// backslash is one where no line ends after it, as in a unit's "\\x2d".
	wordChars = alphanumeric + `+-._:~^*?[]@/=()%,{} \`
	// argumentChars are for bootkiln's own words, which are not quoted.
	argumentChars = alphanumeric + "+-._:/="
	// referenceChars are for image references.
	referenceChars = alphanumeric + "+-._:/@,=%~"
	// nameChars are for caches, secrets and stages.
	nameChars = alphanumeric + "-._"
	// ownerChars are for "user:group".
	ownerChars = alphanumeric + "-._:"
	// pathChars are for paths of the build context and mount points.
	pathChars = alphanumeric + "-._/"
)

// only returns why value is not a non-empty string of chars that starts with a
// letter, a digit or one of first; "" where it is.
func only(value, chars, first string) string {
	switch i := strings.IndexFunc(value, func(r rune) bool { return !strings.ContainsRune(chars, r) }); {
	case value == "":
		return "it is empty"
	case !utf8.ValidString(value):
		return "it is not UTF-8"
	case i >= 0:
		r, _ := utf8.DecodeRuneInString(value[i:])
		return fmt.Sprintf("it has the character %q", r)
	case !strings.ContainsRune(alphanumeric+first, rune(value[0])):
		return fmt.Sprintf("it starts with %q", value[0])
	}
	return ""
}

// printable returns why value cannot stand in a line of text; "" where it can.
// Control characters end lines, and the others change what a reader sees
// without changing what is done.
func printable(value string) string {
	if !utf8.ValidString(value) {
		return "it is not UTF-8"
	}
	for _, r := range value {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\uFEFF' {
			return fmt.Sprintf("it has the character %U", r)
		}
	}
	return ""
}

// quotable returns why value cannot stand in single quotes as a word of a
// command line; "" where it can. Beyond ASCII, no character that can be
// printed means anything to those who read the line.
func quotable(value string) string {
	if reason := printable(value); reason != "" {
		return reason
	}
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return 'x'
		}
		return r
	}, value)
	return only(ascii, wordChars, "+-._/@*?[")
}

// quoteVariables protects value from the expansion of variables that COPY and
// LABEL undergo, which also takes away quotes and backslashes.
var quoteVariables = strings.NewReplacer(`\`, `\\`, `$`, `\$`, `"`, `\"`, `'`, `\'`)

// quoteLabel writes value as a word in double quotes.
func quoteLabel(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `$`, `\$`, `"`, `\"`).Replace(value) + `"`
}

// quoteJSON writes values as a JSON array on one line.
func quoteJSON(values []string) string {
	var b bytes.Buffer
	for _, v := range values {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // "&" is no danger, and easier to read than \u0026
		_ = e.Encode(v)        // a string always encodes
		b.Truncate(b.Len() - 1)
	}
	return "[" + b.String() + "]"
}

// destination returns why value is no folder of the image; "" where it is.
func destination(value string) string {
	switch {
	case !path.IsAbs(value):
		return "it is not absolute"
	case !strings.HasSuffix(value, "/") || value != "/" && path.Clean(value)+"/" != value:
		return "it is not a clean path of a folder"
	}
	return printable(value)
}
