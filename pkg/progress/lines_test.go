package progress

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLineWriter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"lines in pieces", []string{"a", "b\nc", "\n"}, []string{"ab", "c"}},
		{"last line without an end", []string{"a\nb"}, []string{"a", "b"}},
		{"empty lines", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"line breaks of Windows", []string{"a\r\nb\r", "\nc\r\n"}, []string{"a", "b", "c"}},
		{"a line that is written anew", []string{" 1%\r 50%", "\r", "100%\n"}, []string{"100%"}},
		{"left as it was last", []string{"1%\r2%\r"}, []string{"2%"}},
		{"no command after a carriage return", []string{"x\r::add-mask::y\n"}, []string{"::add-mask::y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			w := &lineWriter{emit: func(line string) { got = append(got, line) }}
			for _, p := range tt.pieces {
				if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
					t.Errorf("Write(%q) = %d, %v", p, n, err)
				}
			}
			w.flush()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLineWriterCutsEndlessLines(t *testing.T) {
	t.Parallel()
	var got []string
	w := &lineWriter{emit: func(line string) { got = append(got, line) }}
	in := "x" + strings.Repeat("가", 3*longestLine) // the cut falls into a character
	if _, err := w.Write([]byte(in)); err != nil {
		t.Fatal(err)
	}
	if len(w.buf) >= longestLine {
		t.Errorf("%d bytes are held", len(w.buf))
	}
	w.flush()
	for _, line := range got {
		if len(line) > longestLine || !utf8.ValidString(line) {
			t.Errorf("a piece of %d bytes, UTF-8 %t", len(line), utf8.ValidString(line))
		}
	}
	if strings.Join(got, "") != in {
		t.Error("the pieces are not the whole")
	}
}

func TestWholeRunes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		"": 0, "a": 1, "ab": 2, "a가": 4, "a\xea": 1, "a\xea\xb0": 1, "\xb0\xb0\xb0\xb0\xb0\xb0": 6, "a\xff": 2,
	} {
		if got := wholeRunes([]byte(in)); got != want {
			t.Errorf("wholeRunes(%q) = %d, want %d", in, got, want)
		}
	}
}
