package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

// What is typed goes to the guest up to Ctrl-], in pieces or not.
func TestCopyKeys(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"ls\r\x03\x1b[A\x1drest": "ls\r\x03\x1b[A",
		"\x1d":                   "",
		"the end":                "the end",
	} {
		var whole, pieces bytes.Buffer
		if err := copyKeys(&whole, strings.NewReader(typed)); err != nil || whole.String() != want {
			t.Errorf("%q: got %q, %v", typed, whole.String(), err)
		}
		if err := copyKeys(&pieces, iotest.OneByteReader(strings.NewReader(typed))); err != nil || pieces.String() != want {
			t.Errorf("%q in pieces: got %q, %v", typed, pieces.String(), err)
		}
	}
	if err := copyKeys(&bytes.Buffer{}, iotest.ErrReader(iotest.ErrTimeout)); err == nil {
		t.Error("a terminal that cannot be read is no error")
	}
}
