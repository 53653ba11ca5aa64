package chunk

import (
	"io"
	"math/rand/v2"
	"testing"
)

// TestForm notices when layers come out other than they did: with another version
// of the library, say. Then count [cacheForm] up, so that layers of before are
// not mixed with those of now, and change the digest here; a machine downloads
// each layer once more.
func TestForm(t *testing.T) {
	t.Parallel()
	tools, err := newTools()
	if err != nil {
		t.Fatal(err)
	}
	defer tools.close()
	// Larger than a window of the compressor, with words that come again.
	words, text := rand.New(rand.NewPCG(1, 2)), make([]byte, 0, 9<<20)
	for len(text) < cap(text) {
		if n := words.IntN(100); len(text) > 1<<20 && n < 60 {
			from := len(text) - 1 - words.IntN(1<<20)
			text = append(text, text[from:min(from+n, len(text), from+cap(text)-len(text))]...)
		} else {
			text = append(text, byte(words.IntN(40)))
		}
	}
	b, err := tools.compress(newTestLayout(t), int64(len(text)), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if cacheForm != "zstd3-1" || b.digest.Encoded()[:16] != "569b58f02156f278" {
		t.Errorf("form %q gives %s (%d bytes)", cacheForm, b.digest, b.size)
	}
}
