package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestSparseFile compares with a file in memory.
func TestSparseFile(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &sparseFile{f: f}
	want := make([]byte, 10*blockSize+7)
	put := func(at int, b []byte) {
		copy(want[at:], b)
		if _, err := s.Seek(int64(at), 0); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
	}
	put(0, bytes.Repeat([]byte{1}, 3*blockSize+5))
	put(blockSize, make([]byte, blockSize)) // zeros over data
	put(5*blockSize+1, append(make([]byte, 3*blockSize), 2))
	put(10*blockSize, make([]byte, 7))
	put(2, []byte{3})
	read := make([]byte, len(want))
	if _, err := s.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(read); {
		n, err := s.Read(read[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += n
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read, want) || !bytes.Equal(file, want) {
		t.Error("it is not what was written")
	}
}
