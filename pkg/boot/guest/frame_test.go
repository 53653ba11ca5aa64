package guest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fed returns what the frames of a stream are, fed in parts of the given size.
func fed(stream string, size int) []string {
	f := &frames{word: "bkw"}
	var got []string
	for part := range slices.Chunk([]byte(stream), size) {
		f.feed(part, func(id int) { got = append(got, fmt.Sprint("hello ", id)) }, func(a answer) {
			got = append(got, fmt.Sprintf("%d: %d %q", a.id, a.status, a.output))
		})
	}
	return got
}

func TestFrames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2*longestLine)
	for name, c := range map[string]struct {
		stream string
		want   []string
	}{
		"answer":            {"bkw-begin3\nout\n\nbkw-end3 0\n", []string{`3: 0 "out\n"`}},
		"no newline at end": {"bkw-begin3\nout\nbkw-end3 7\n", []string{`3: 7 "out"`}},
		"empty":             {"bkw-begin3\n\nbkw-end3 1\n", []string{`3: 1 ""`}},
		"nothing at all":    {"bkw-begin3\nbkw-end3 1\n", []string{`3: 1 ""`}},
		"usual tty":         {"\x1b[?2004l\rbkw-hello1\r\nbkw-begin2\r\nout\r\n\r\nbkw-end2 0\r\n", []string{"hello 1", `2: 0 "out\r\n\r"`}},
		"echo":              {"root# echo bkw\\-hello1; exec sh\nroot# echo bkw\\-begin2; ( x )\nbkw-hello1\n", []string{"hello 1"}},
		"noise between":     {"wall\nbkw-begin1\na\nbkw-end1 0\nmore\nbkw-begin2\nb\nbkw-end2 0\n", []string{`1: 0 "a"`, `2: 0 "b"`}},
		"another's end":     {"bkw-begin1\na\nbkw-end2 0\nb\nbkw-end1 0\n", []string{`1: 0 "a\nbkw-end2 0\nb"`}},
		"new shell":         {"bkw-begin1\na\nbkw-hello2\nbkw-end1 0\n", []string{"hello 2"}},
		"no marker":         {"bkw-begin1\nbkw-end1\nbkw-end1 x\nbkw-end\nbkw-begin1 2\nbkw-hello-1\nbkw-end1 0\n", []string{`1: 0 "bkw-end1\nbkw-end1 x\nbkw-end\nbkw-begin1 2\nbkw-hello-1"`}},
		"long line":         {"bkw-begin1\n" + long + "bkw-end1 0\n\nbkw-end1 0\n", []string{fmt.Sprintf(`1: 0 "%sbkw-end1 0\n"`, long)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 7, 4096} {
				if diff := cmp.Diff(c.want, fed(c.stream, size)); diff != "" {
					t.Errorf("in parts of %d (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

// Whatever a guest writes and however it comes, the frames are the same, and
// what is kept has its bounds.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("bkw-hello1\nbkw-begin2\nout\n\nbkw-end2 0\n"), 3)
	f.Add([]byte("bkw-begin2\r\n\x1b[31m\xff\r\nbkw-end2 130\r\n"), 1)
	f.Add(append([]byte("bkw-begin1\n"), bytes.Repeat([]byte("xy\n"), longestOutput)...), 4096)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		if size < 1 {
			size = 1
		}
		whole, parts := fed(string(stream), len(stream)+1), fed(string(stream), size)
		if diff := cmp.Diff(whole, parts); diff != "" {
			t.Errorf("whole and in parts (-whole +parts):\n%s", diff)
		}
		fr := &frames{word: "bkw"}
		fr.feed(stream, func(int) {}, func(a answer) {
			if len(a.output) > longestOutput {
				t.Errorf("the output has %d bytes", len(a.output))
			}
		})
		if len(fr.line) > longestLine || len(fr.output) > longestOutput {
			t.Errorf("%d and %d bytes are kept", len(fr.line), len(fr.output))
		}
	})
}
