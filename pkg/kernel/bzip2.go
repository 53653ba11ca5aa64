package kernel

import (
	"bufio"
	"io"
)

// bzip2Reader decodes one bzip2 stream and ends behind it, as the kernel does
// (lib/decompress_bunzip2.c). Go's decoder looks for another stream behind
// the first: it asks for two bytes, fails if they are not "BZ", and reads on
// if they are. A bzip2 stream has no length that would say where it ends, so
// bzip2Source watches for the end mark to go by, and lends the two bytes behind
// it instead of consuming them.
type bzip2Reader struct {
	src *bzip2Source
	z   io.Reader
	err error
}

func (z *bzip2Reader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.z.Read(p)
	if err != nil && z.src.asked {
		// The decoder had checked the stream's sum, or it would not have asked
		// for what is behind it. What it says of that is not of this stream.
		err = io.EOF
	}
	z.err = err
	return n, err
}

// bzip2Source is what Go's decoder reads from: byte by byte, and none ahead.
type bzip2Source struct {
	br *bufio.Reader
	// hi and lo are the last 16 bytes that were consumed.
	hi, lo uint64
	// ended says that they end in an end mark; asked that the decoder went on
	// for more; lent is how many bytes it was then given, still in br.
	ended, asked bool
	lent         int
}

func (s *bzip2Source) ReadByte() (byte, error) {
	if s.ended {
		return s.lend()
	}
	b, err := s.consume()
	s.ended = err == nil && s.endMark()
	return b, err
}

func (s *bzip2Source) consume() (byte, error) {
	b, err := s.br.ReadByte()
	if err == nil {
		s.hi = s.hi<<8 | s.lo>>56
		s.lo = s.lo<<8 | uint64(b)
	}
	return b, err
}

// Read is what bzip2.NewReader asks for; it calls ReadByte alone.
func (s *bzip2Source) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := s.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// endMark reports whether the bytes so far end in the 48 bits that end a
// stream, its 32-bit sum and the up to 7 bits that fill the last byte.
func (s *bzip2Source) endMark() bool {
	const mark = 0x177245385090
	for fill := uint(0); fill < 8; fill++ {
		if (s.lo>>(32+fill)|s.hi<<(32-fill))&(1<<48-1) == mark {
			return true
		}
	}
	return false
}

func (s *bzip2Source) lend() (byte, error) {
	if s.lent == 2 {
		// It wants a third: these were data that look like an end mark, which
		// happens once in 2^45 bytes. Take back that this was the end.
		for s.lent > 0 {
			if _, err := s.consume(); err != nil {
				return 0, err
			}
			s.lent--
		}
		s.ended, s.asked = false, false
		return s.ReadByte()
	}
	s.asked = true
	next, err := s.br.Peek(2)
	if err != nil && (err != io.EOF || len(next) <= s.lent) {
		return 0, err
	}
	if string(next) == "BZ" {
		// Another stream, which is another archive.
		return 0, io.EOF
	}
	b := next[s.lent]
	s.lent++
	return b, nil
}
