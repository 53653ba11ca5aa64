package image

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// spool keeps the contents of regular files one after the other in a file
// that has no name, so that nothing stays behind however the process ends.
type spool struct {
	f    *os.File
	w    *bufio.Writer
	size int64
}

// newSpool makes a spool in a folder; "" is the one for temporary files.
func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "bootkiln-layers-*")
	if err != nil {
		return nil, fmt.Errorf("making temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("making temporary file: %w", err)
	}
	return &spool{f: f, w: bufio.NewWriterSize(f, 1<<20)}, nil
}

// add appends size bytes and returns where they begin.
func (s *spool) add(r io.Reader, size int64) (int64, error) {
	begin := s.size
	n, err := io.CopyN(s.w, r, size)
	s.size += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return begin, err
}

// flush must be called between the last add and the first read.
func (s *spool) flush() error { return s.w.Flush() }

func (s *spool) close() error { return s.f.Close() }
