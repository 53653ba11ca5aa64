package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const pem = "-----BEGIN KEY-----\nMIGHAgEA\nqQ==\n-----END KEY-----\n"

func TestRedactOutput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		secrets []string
		in      string
		want    string // what comes out, whatever the pieces
	}{
		{"a value", []string{"hunter2"}, "pw=hunter2;\n", "pw=***;\n"},
		{"twice in a row", []string{"hunter2"}, "hunter2hunter2\n", "******\n"},
		{"short, but all of it", []string{"ab"}, "cabbage\n", "c***bage\n"},
		{"a beginning only", []string{"hunter2"}, "hunter1 hunte\n", "hunter1 hunte\n"},
		{"beginning repeated", []string{"aab"}, "aaab\n", "a***\n"},
		{"the longer of two", []string{"abc", "abcdef"}, "abcdef abcde\n", "*** ***de\n"},
		{"overlapping", []string{"abcdef", "defghi"}, "abcdefghi!\n", "***!\n"},
		{"one inside another", []string{"abcdef", "cd"}, "abcdef\n", "***\n"},
		{"whole, of several lines", []string{pem}, "x\n" + pem + "y\n", "x\n***\ny\n"},
		{"of several lines, with other line breaks", []string{pem}, strings.ReplaceAll(pem, "\n", "\r\n"), "***\r\n***\r\n***\r\n***\r\n"},
		{"one line of it", []string{pem}, "a MIGHAgEA b\n", "a *** b\n"},
		{"unfinished at the end", []string{pem}, "-----BEGIN KEY-----\nMIGHA", "***\nMIGHA"},
		{"short lines stay", []string{"long line\n}\n"}, "{}\n", "{}\n"},
		{"line break at its end", []string{"hunter2\n"}, "hunter2 x\n", "*** x\n"},
		{"empty values", []string{"", "\n"}, "text\n", "text\n"},
		{"in another script", []string{"비밀번호"}, "은 비밀번호다\n", "은 ***다\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(tt.in); size++ {
				var out bytes.Buffer
				w := NewRedactor(tt.secrets).Writer(&out)
				for rest := []byte(tt.in); len(rest) > 0; {
					n := min(size, len(rest))
					if got, err := w.Write(rest[:n]); got != n || err != nil {
						t.Fatalf("Write = %d, %v", got, err)
					}
					rest = rest[n:]
				}
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				if out.String() != tt.want {
					t.Fatalf("in pieces of %d: %q, want %q", size, out.String(), tt.want)
				}
			}
		})
	}
}

// What cannot become a secret any more must not wait.
func TestRedactShowsOutputAtOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newClock()
	s := Redact(newPlain(&out, c.timing()), []string{"hunter2"}).Stage("build")
	out.Reset()
	fmt.Fprint(s.Output(), "STEP 1: hun\n")
	if got, want := out.String(), "build | STEP 1: hun\n"; got != want {
		t.Errorf("after a line: %q, want %q", got, want)
	}
	fmt.Fprint(s.Output(), "hunt")
	s.End(nil)
	if got, want := out.String(), "build | STEP 1: hun\nbuild | hunt\nbuild: done in 0.0 s\n"; got != want {
		t.Errorf("at the end: %q, want %q", got, want)
	}
}

func TestRedactEverything(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t\nline two"
	say := "a " + secret + " b line two"
	for name, newReporter := range map[string]func(*bytes.Buffer) Reporter{
		"plain":   func(b *bytes.Buffer) Reporter { return newPlain(b, newClock().timing()) },
		"actions": func(b *bytes.Buffer) Reporter { return newActions(b, newClock().timing()) },
		"terminal": func(b *bytes.Buffer) Reporter {
			return NewTerminal(b, TerminalOptions{size: func() (int, int) { return 200, 50 }, refresh: make(chan any), now: newClock().now})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := Redact(newReporter(&out), []string{secret}).Stage(say)
			s.Infof("%s", say)
			s.Warnf("%s", say)
			tr := s.Transfer(say, 10)
			tr.Add(3)
			tr.Done(say)
			fmt.Fprint(s.Output(), say)
			s.End(errors.New(say))
			for _, part := range []string{"s3cr3t", "line two"} {
				if strings.Contains(out.String(), part) {
					t.Errorf("%q shows in\n%s", part, out.String())
				}
			}
			if !strings.Contains(out.String(), mask) {
				t.Errorf("nothing is masked in\n%s", out.String())
			}
		})
	}
}

func TestRedactKeepsInterruption(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newClock()
	s := Redact(newPlain(&out, c.timing()), []string{"hunter2"}).Stage("build")
	c.pass(time.Second)
	s.End(fmt.Errorf("hunter2: %w", context.Canceled))
	if want := "build: interrupted after 1.0 s\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%q does not end in %q", out.String(), want)
	}
}

func TestRedactWithoutValues(t *testing.T) {
	t.Parallel()
	if got := Redact(Discard, []string{"", "\n"}); got != Discard {
		t.Errorf("Redact without values is %T, want the reporter itself", got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("hunter2", "defg", "pw hunter2 defghunt", uint8(3))
	f.Add("abcabd", "abd", "abcabcabdabd", uint8(1))
	f.Add(pem, "MIGH", pem+pem, uint8(7))
	f.Fuzz(func(t *testing.T, one, two, text string, size uint8) {
		s := NewRedactor([]string{one, two})
		var out bytes.Buffer
		w := s.Writer(&out)
		for rest := []byte(text); len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if whole := s.String(text); out.String() != whole {
			t.Errorf("in pieces %q, as a whole %q", out.String(), whole)
		}
		for _, v := range s.values {
			for piece := range strings.SplitSeq(out.String(), mask) {
				if strings.Contains(piece, string(v)) {
					t.Errorf("%q is left in %q", v, out.String())
				}
			}
		}
	})
}
