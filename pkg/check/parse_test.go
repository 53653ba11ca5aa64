package check

import (
	"strings"
	"testing"
)

func FuzzParseINI(f *testing.F) {
	f.Add(centosRepo + epelRepo)
	f.Add("[a\n[b]=\n =\n\tc\nd=e\n\tf\n;g\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range parseINI(text) {
			if s.name == "" || strings.ContainsAny(s.name, "]\n") {
				t.Errorf("section %q", s.name)
			}
			for key, value := range s.values {
				if key == "" || strings.Contains(key, "\n") || strings.TrimSpace(key) != key {
					t.Errorf("key %q is %q", key, value)
				}
			}
			for _, u := range s.repository("x.repo", "").urls {
				withoutSecrets(u)
			}
		}
	})
}

// Nothing that is a secret in an address is told.
func TestWithoutSecrets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://user:pw@rpm.example/a@b":  "https://rpm.example/a@b",
		"https://user:p@w@rpm.example":     "https://rpm.example",
		"https://rpm.example?token=x":      "https://rpm.example",
		"https://rpm.example/a?t=x://@":    "https://rpm.example/a",
		"file:///srv/$releasever":          "file:///srv/$releasever",
		"cdrom:[Debian GNU/Linux]/":        "cdrom:[Debian GNU/Linux]/",
		"mirror+file:/etc/apt/mirrors.txt": "mirror+file:/etc/apt/mirrors.txt",
	} {
		if got := withoutSecrets(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzSysuser(f *testing.F) {
	f.Add("u kiosk 1000:10 \"Kiosk\" /home/kiosk")
	f.Add("m a b")
	f.Add("g! \"x\" -1")
	f.Fuzz(func(t *testing.T, line string) {
		acc := accounts{users: ids{}, groups: ids{}}
		acc.sysuser(strings.Fields(line))
		for _, m := range []ids{acc.users, acc.groups} {
			for name, n := range m {
				if name == "" || n < unfixed {
					t.Errorf("%q is %d", name, n)
				}
			}
		}
	})
}
