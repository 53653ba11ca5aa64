package diag

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func printed(l List, src Sources, color bool) string {
	var out bytes.Buffer
	Print(&out, l, src, color)
	return out.String()
}

func TestPrint(t *testing.T) {
	t.Parallel()
	at := func(line, col int) Pos { return Pos{File: "recipe.yaml", Line: line, Col: col} }
	lines := strings.Repeat("a: b\n", 11)
	for _, c := range []struct {
		name string
		text string
		list List
		want string
	}{
		{name: "nothing"},
		{
			name: "a problem",
			text: lines + "    pakages:\n",
			list: List{{Pos: at(12, 5), Code: "unknown-key", Message: `unknown key "pakages"`, Hint: `did you mean "packages"?`}},
			want: `
recipe.yaml:12:5: unknown key "pakages" (unknown-key)
   |
12 |     pakages:
   |     ^^^^^^^
   hint: did you mean "packages"?
1 problem in recipe.yaml
`,
		},
		{
			name: "severities",
			text: "a: b\n",
			list: List{
				{Pos: at(1, 1), Severity: Warning, Code: "w", Message: "careful"},
				{Pos: at(1, 4), Severity: Note, Code: "n", Message: "by the way", Hint: "one\ntwo"},
				{Pos: at(1, 4), Severity: Note, Code: "n", Message: "again"},
			},
			want: `
recipe.yaml:1:1: warning: careful (w)
  |
1 | a: b
  | ^
recipe.yaml:1:4: note: by the way (n)
  |
1 | a: b
  |    ^
  hint: one
        two
recipe.yaml:1:4: note: again (n)
  |
1 | a: b
  |    ^
1 warning, 2 notes in recipe.yaml
`,
		},
		{
			name: "tabs stay tabs",
			text: "\tx:\t[a,\tb]\n",
			list: List{{Pos: at(1, 9), Code: "c", Message: "m"}},
			want: "\nrecipe.yaml:1:9: m (c)\n  |\n1 | \tx:\t[a,\tb]\n  | \t  \t   \t^\n1 problem in recipe.yaml\n",
		},
		{
			name: "wide characters take two columns",
			text: "이름: 값\n",
			list: List{{Pos: at(1, 5), Code: "c", Message: "m"}, {Pos: at(1, 1), Code: "c", Message: "m"}},
			want: `
recipe.yaml:1:5: m (c)
  |
1 | 이름: 값
  |       ^^
recipe.yaml:1:1: m (c)
  |
1 | 이름: 값
  | ^^^^
2 problems in recipe.yaml
`,
		},
		{
			name: "joined characters are as wide as they look",
			text: "e\u0301👩\u200d🚀: x\n",
			list: List{{Pos: at(1, 8), Code: "c", Message: "m"}},
			want: "\nrecipe.yaml:1:8: m (c)\n  |\n1 | e\u0301👩\u200d🚀: x\n  |      ^\n1 problem in recipe.yaml\n",
		},
		{
			name: "a quoted word, to its other quote",
			text: `a: ["x y", 'z: w', "open]` + "\n",
			list: List{{Pos: at(1, 5), Code: "c", Message: "m"}, {Pos: at(1, 12), Code: "c", Message: "m"}, {Pos: at(1, 20), Code: "c", Message: "m"}},
			want: `
recipe.yaml:1:5: m (c)
  |
1 | a: ["x y", 'z: w', "open]
  |     ^^^^^
recipe.yaml:1:12: m (c)
  |
1 | a: ["x y", 'z: w', "open]
  |            ^^^^^^
recipe.yaml:1:20: m (c)
  |
1 | a: ["x y", 'z: w', "open]
  |                    ^^^^^
3 problems in recipe.yaml
`,
		},
		{
			name: "the end of a line, of a file, and line ends of Windows",
			text: "\ufeffa:\r\nb: x",
			list: List{{Pos: at(1, 3), Code: "c", Message: "m"}, {Pos: at(2, 5), Code: "c", Message: "m"}, {Pos: at(2, 99), Code: "c", Message: "m"}},
			want: `
recipe.yaml:1:3: m (c)
  |
1 | a:
  |   ^
recipe.yaml:2:5: m (c)
  |
2 | b: x
  |     ^
recipe.yaml:2:99: m (c)
  |
2 | b: x
  |     ^
3 problems in recipe.yaml
`,
		},
		{
			name: "places that are not known",
			text: "a: b\n",
			list: List{
				{Pos: at(9, 1), Code: "c", Message: "m"},
				{Pos: at(1, 0), Code: "c", Message: "m"},
				{Pos: Pos{File: "other.yaml", Line: 1, Col: 1}, Code: "c", Message: "m", Hint: "h"},
				{Code: "c", Message: "m"},
			},
			want: `
recipe.yaml:9:1: m (c)
recipe.yaml:1: m (c)
  |
1 | a: b
other.yaml:1:1: m (c)
   hint: h
-: m (c)
4 problems in 3 files
`,
		},
		{
			name: "what a terminal would obey",
			text: "a: \x1b[2J\x07\u202eb\u2028\xff\u009b1m\n",
			list: List{{Pos: at(1, 4), Code: "c\x1b", Message: "m\x1b[31m\n", Hint: "h\x1b\r\n\x00"}},
			want: `
recipe.yaml:1:4: m�[31m� (c�)
  |
1 | a: �[2J��b���1m
  |    ^^^^^^^^^^^^
  hint: h��
        �
1 problem in recipe.yaml
`,
		},
		{
			name: "no position and no file",
			list: List{{Code: "c", Message: "m"}},
			want: "\n-: m (c)\n1 problem\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := printed(c.list, Sources{"recipe.yaml": []byte(c.text)}, false)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrintLongLines(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("한", 300)
	line := strings.Repeat("x", 5000) + " " + word + " " + strings.Repeat("y", 5000)
	got := printed(List{{Pos: Pos{File: "f", Line: 1, Col: 5002}, Code: "c", Message: "m"}}, Sources{"f": []byte(line)}, false)
	rows := strings.Split(got, "\n")
	for _, row := range rows {
		if n := columns.StringWidth(row); n > snippetColumns+12 {
			t.Errorf("a row is %d columns wide: %s", n, row)
		}
	}
	under := strings.Index(rows[3], "^")
	before := rows[2][:strings.Index(rows[2], "한")]
	if n := columns.StringWidth(before); n != under {
		t.Errorf("the carets begin at column %d, the word at column %d", under, n)
	}
	if !strings.Contains(rows[2], "… xxx") || !strings.HasSuffix(rows[2], " …") {
		t.Errorf("the cuts are not shown: %s", rows[2])
	}
}

func TestPrintInColor(t *testing.T) {
	t.Parallel()
	list := List{
		{Pos: Pos{File: "f", Line: 1, Col: 1}, Code: "c", Message: "m", Hint: "h"},
		{Pos: Pos{File: "f", Line: 1, Col: 1}, Severity: Warning, Code: "c", Message: "m"},
	}
	src := Sources{"f": []byte("a\x1b[31m: b\n")}
	got := printed(list, src, true)
	for _, want := range []string{"\x1b[1mf:1:1:\x1b[0m", "\x1b[1;31m^", "\x1b[1;33mwarning:\x1b[0m", "\x1b[1;36mhint: "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	plain := got
	for _, code := range []string{"0", bold, red, yellow, cyan, dim} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	if diff := cmp.Diff(printed(list, src, false), plain); diff != "" {
		t.Errorf("colour changes the words:\n%s", diff)
	}
}

// FuzzPrint looks for files and words that reach the terminal as more than
// text.
func FuzzPrint(f *testing.F) {
	f.Add("a: b\n", "message", "hint", 1, 4)
	f.Add("\ufeff\tx\r\n\x1b[2J", "m\x1b", "h\nh", 2, 3)
	f.Add("한글\u0301\u200d", "", "", 1, 2)
	f.Fuzz(func(t *testing.T, text, message, hint string, line, col int) {
		list := List{{Pos: Pos{File: "f", Line: line, Col: col}, Code: "c", Message: message, Hint: hint}}
		got := printed(list, Sources{"f": []byte(text)}, false)
		if !utf8.ValidString(got) || !strings.HasSuffix(got, "1 problem in f\n") {
			t.Errorf("got %q", got)
		}
		for _, r := range got {
			if Hidden(r) && r != '\n' && r != '\t' {
				t.Errorf("%U reaches the terminal", r)
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain 한글 👩\u200d🚀":  "plain 한글 👩\u200d🚀",
		"a\tb\nc":            "a�b�c",
		"\x1b]0;title\x07":   "�]0;title�",
		"\u202e\u2066\ufeff": "���",
		"\xff\u009b\u2028":   "���",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestVisibleJSON(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"{\n\t\"a\": \"한글 👩\u200d🚀 \ufffd\"\n}\n", ""} {
		if got := string(VisibleJSON([]byte(plain))); got != plain {
			t.Errorf("%q became %q", plain, got)
		}
	}
	for in, want := range map[string]string{
		"\x7f\u009b1m\u202e": `"\u007f\u009b1m\u202e"`,
		"\U000e0041한":        `"\udb40\udc41한"`,
		"\x1b\u2028":         `"\u001b\u2028"`,
	} {
		document, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		got := VisibleJSON(document)
		var back string
		if err := json.Unmarshal(got, &back); err != nil || string(got) != want || back != in {
			t.Errorf("%q became %s, which is %q (%v)", in, got, back, err)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := []string{"packages", "platforms", "publish", "default-target", "to", "tags", "run", "base", "files"}
	for got, want := range map[string]string{
		"pakages":                       "packages",
		"package":                       "packages",
		"Packages":                      "packages",
		"default_target":                "default-target",
		"defaultTarget":                 "default-target",
		"default-tagret":                "default-target",
		"tag":                           "tags",
		"rnu":                           "run",
		"platfom":                       "platforms",
		"nonesuch":                      "",
		"":                              "",
		"zz":                            "",
		strings.Repeat("packages", 100): "",
	} {
		if near := Nearest(got, keys); near != want {
			t.Errorf("Nearest(%q) = %q, want %q", got, near, want)
		}
	}
	if got := Nearest("a", nil); got != "" {
		t.Errorf("Nearest among nothing is %q", got)
	}
}

func TestNearestPrefersBeginnings(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{"tmuxx": "tmux", "tmu": "tmux", "htopp": "htop"} {
		if near := Nearest(got, []string{"tmuxp", "amux", "tmux", "atopp", "htop"}); near != want {
			t.Errorf("Nearest(%q) = %q, want %q", got, near, want)
		}
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	known := []string{"kde", "wine", "input-method-hangul", "input-method-chinese", "architectures", "language", "layout"}
	for got, want := range map[string]string{
		"hangul":            "input-method-hangul",
		"Hangul":            "input-method-hangul",
		"kde-plasma":        "kde",
		"plasma-kde":        "kde",
		"arch":              "architectures",
		"lang":              "language",
		"la":                "", // too short to mean one
		"input-method":      "input-method-hangul",
		"swine":             "",
		"":                  "",
		"input-method-nope": "",
	} {
		if near := Part(got, known); near != want {
			t.Errorf("Part(%q) = %q, want %q", got, near, want)
		}
	}
	if near := Part("method", []string{"a-method", "b-method"}); near != "" {
		t.Errorf("of two that are as likely, %q", near)
	}
}
