package progress

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, plain, terminal string }{
		{"ASCII", "STEP 1/4: FROM x", "STEP 1/4: FROM x", "STEP 1/4: FROM x"},
		{"other scripts", "한국어 ünï", "한국어 ünï", "한국어 ünï"},
		{"tab", "a\tb", "a\tb", "a\tb"},
		{"colour", "\x1b[1;31mred\x1b[m", "red", "\x1b[1;31mred\x1b[m\x1b[0m"},
		{"extended colours", "\x1b[38;5;208;48;2;1;2;3mx", "x", "\x1b[38;5;208;48;2;1;2;3mx\x1b[0m"},
		{"index that looks like blinking", "\x1b[38;5;5mx", "x", "\x1b[38;5;5mx\x1b[0m"},
		{"concealed", "\x1b[8mx\x1b[28m", "x", "x\x1b[28m\x1b[0m"},
		{"blinking", "\x1b[1;5mx", "x", "x"},
		{"extended colour without an index", "\x1b[38mx", "x", "x"},
		{"private m", "\x1b[>4;1mx", "x", "x"},
		{"cursor", "\x1b[2J\x1b[1;1Hx", "x", "x"},
		{"title, ended by BEL", "a\x1b]0;owned\ab", "ab", "ab"},
		{"clipboard, ended by ST", "a\x1b]52;c;cm0gLXJm\x1b\\b", "ab", "ab"},
		{"ended by the first of two", "a\x1b]0;x\x1b\\b\ac", "abc", "abc"},
		{"link without its end", "a\x1b]8;;http://x", "a8;;http://x", "a8;;http://x"},
		{"device control", "a\x1bPq#0\x1b\\b", "ab", "ab"},
		{"reset", "a\x1bcb", "ab", "ab"},
		{"character set", "a\x1b(0b", "ab", "ab"},
		{"8-bit CSI", "a\u009b31mb", "ab", "ab"},
		{"8-bit OSC", "a\u009d0;x\u009cb", "ab", "ab"},
		{"8-bit next line", "a\u0085b", "ab", "ab"},
		{"raw C1 byte", "a\x9b31mb", "a\ufffd31mb", "a\ufffd31mb"},
		{"lone escape", "a\x1b", "a", "a"},
		{"escape before another script", "a\x1b한", "a한", "a한"},
		{"unfinished CSI", "a\x1b[31", "a", "a"},
		{"backspace, bell, delete, null", "a\b\a\x7f\x00b", "ab", "ab"},
		{"line separators", "a\u2028b\u2029c", "a b c", "a b c"},
	} {
		if got := clean(tt.in, false); got != tt.plain {
			t.Errorf("%s: clean(%q, false) = %q, want %q", tt.name, tt.in, got, tt.plain)
		}
		if got := clean(tt.in, true); got != tt.terminal {
			t.Errorf("%s: clean(%q, true) = %q, want %q", tt.name, tt.in, got, tt.terminal)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		"plain", "\x1b[31mred\x1b[0m", "\x1b]0;t\a", "\x1b]8;;", "\u009b2J", "\x9b", "\x1b\x1b[1m", "\x1b[38;2;1m", "a\rb\nc",
	} {
		f.Add(seed)
	}
	sgr := regexp.MustCompile("\x1b\\[[0-9;]*m")
	f.Fuzz(func(t *testing.T, in string) {
		plain := clean(in, false)
		for _, r := range plain {
			if r != '\t' && (r < 0x20 || r >= 0x7f && r <= 0x9f) {
				t.Errorf("clean(%q, false) = %q holds %U", in, plain, r)
			}
		}
		if !utf8.ValidString(plain) {
			t.Errorf("clean(%q, false) = %q is not UTF-8", in, plain)
		}
		if again := clean(plain, false); again != plain {
			t.Errorf("clean(%q, false) = %q, and again %q", in, plain, again)
		}
		coloured := clean(in, true)
		if rest := sgr.ReplaceAllString(coloured, ""); strings.ContainsRune(rest, esc) {
			t.Errorf("clean(%q, true) = %q holds more than colours", in, coloured)
		}
	})
}
