package progress

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendSummary(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "summary.md")
	for _, text := range []string{"# one\n", "two"} {
		if err := AppendSummary(path, text); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != "# one\ntwo\n" {
		t.Errorf("the summary is %q", got)
	}

	line := strings.Repeat("x", 99) + "\n"
	if err := AppendSummary(path, strings.Repeat(line, 11000)); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	if len(got) > summaryLimit || len(got) < summaryLimit-400 {
		t.Errorf("the summary has %d bytes, want it just under %d", len(got), summaryLimit)
	}
	if !strings.HasPrefix(got, "# one\n") || !strings.HasSuffix(got, line+summaryCut) {
		t.Errorf("the summary ends in %q", got[len(got)-200:])
	}

	if err := AppendSummary(path, strings.Repeat(line, 10)); !errors.Is(err, errSummaryFull) {
		t.Errorf("appending to a full summary: %v", err)
	}
	if again := read(t, path); again != got {
		t.Error("a full summary was changed")
	}
}

func TestAppendSummaryNamesTheFile(t *testing.T) {
	t.Parallel()
	err := AppendSummary(filepath.Join(t.TempDir(), "no", "such"), "x")
	if err == nil || !strings.Contains(err.Error(), "such") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func TestFitSummary(t *testing.T) {
	t.Parallel()
	const room = 200
	for name, markdown := range map[string]string{
		"one long line":  strings.Repeat("가", 1000),
		"in a fence":     "```\n" + strings.Repeat("x\n", 1000),
		"after a fence":  "```\nx\n```\n" + strings.Repeat("x\n", 1000),
		"fenced, indent": "  ```go\n" + strings.Repeat("x\n", 1000),
	} {
		got, ok := fitSummary(markdown, room)
		if !ok || len(got) > room || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, %t: %q", name, len(got), ok, got)
		}
		if strings.Count(got, "```")%2 != 0 {
			t.Errorf("%s: a fence stays open: %q", name, got)
		}
	}
	if _, ok := fitSummary(strings.Repeat("x", 100), 20); ok {
		t.Error("a text fits where there is no room for the note")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
