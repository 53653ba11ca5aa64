package host

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

func TestWriteText(t *testing.T) {
	t.Parallel()
	findings := []Finding{
		{"root", OK, "running as root", ""},
		{"graph-root", Problem, "on 9p\x1b[2J", "first\nsecond"},
		{"kvm", Warning, "no", "modprobe"},
		{"shared-mount", Note, "is not", ""},
		{"clock", Unknown, "?", ""},
	}
	for name, color := range map[string]bool{"plain.txt": false, "color.txt": true} {
		var out bytes.Buffer
		if err := WriteText(&out, findings, color); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, filepath.Join("testdata", name), out.Bytes())
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteTextFails(t *testing.T) {
	t.Parallel()
	if err := WriteText(brokenWriter{}, nil, false); !errors.Is(err, errBroken) {
		t.Errorf("error is %v", err)
	}
}
