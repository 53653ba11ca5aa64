package kernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// maxRelease is the longest release, __NEW_UTS_LEN in the kernel.
	maxRelease = 64
	// maxUnpackedKernel bounds a decompressed kernel, in bytes.
	maxUnpackedKernel = 1 << 30
	// banner is how linux_banner in init/version.c begins; the release, a
	// space and the builder in parentheses follow.
	banner = "Linux version "
)

// isRelease reports whether b can be a kernel release: the name of a folder in
// /usr/lib/modules, that begins with a number.
func isRelease(b []byte) bool {
	if len(b) == 0 || len(b) > maxRelease || b[0] < '0' || b[0] > '9' {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '/' {
			return false
		}
	}
	return true
}

// unpackKernel reads the compressed kernel in r, which begins at offset base
// of the file, to its end, which is to be less than limit bytes once unpacked.
func unpackKernel(r io.Reader, base, limit int64) (*Image, error) {
	// A decoder asks for more input after a bounded amount of output, and the
	// output is bounded below: there is nothing to cancel.
	//nolint:forbidigo // as above
	src := newSource(context.Background(), r)
	img, err := func() (*Image, error) {
		s, err := openStream(src)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		limited := &io.LimitedReader{R: s, N: limit}
		img, err := scanKernel(limited)
		if err != nil {
			return nil, err
		}
		// The kernel's version is near its beginning; what is damaged may not be.
		if _, err := io.Copy(io.Discard, limited); err != nil {
			return nil, err
		}
		if limited.N == 0 {
			return nil, fmt.Errorf("more than %d bytes: %w", limit-1, ErrLimit)
		}
		return img, nil
	}()
	if cause := src.failure(); cause != nil {
		return nil, fmt.Errorf("reading kernel image: %w", cause)
	}
	var format *FormatError
	switch {
	case errors.As(err, &format):
		return nil, &FormatError{Offset: base, Reason: "compressed kernel: " + format.Reason, Err: format.Err}
	case errors.Is(err, errMagic):
		return nil, &FormatError{Offset: base, Reason: "no compressed kernel", Err: err}
	case err != nil:
		return nil, &FormatError{Offset: base, Reason: "unpacking the compressed kernel", Err: err}
	}
	return img, nil
}

// scanKernel reads a kernel that is not compressed up to its version.
func scanKernel(r io.Reader) (*Image, error) {
	head := make([]byte, 64)
	if n, err := io.ReadFull(r, head); errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return nil, &FormatError{Offset: int64(n), Reason: fmt.Sprintf("no kernel image: %d bytes", n)}
	} else if err != nil {
		return nil, err
	}
	img := &Image{}
	switch {
	case string(head[56:60]) == "ARM\x64":
		img.Architecture, img.Format = "arm64", "arm64 Image"
	case string(head[48:53]) == "RISCV" && string(head[56:60]) == "RSC\x05":
		img.Architecture, img.Format = "riscv64", "riscv64 Image"
	case string(head[:4]) == "\x7fELF":
		img.Architecture, img.Format = elfArchitecture(head), "ELF"
		if img.Architecture == "" {
			return nil, &FormatError{Offset: 18, Reason: fmt.Sprintf("ELF file for an unknown machine: % x", head[16:20])}
		}
	default:
		return nil, &FormatError{Reason: fmt.Sprintf("no kernel image: begins with % x", head[:8])}
	}
	var err error
	if img.Release, err = findBanner(r); err == io.EOF {
		return nil, &FormatError{Reason: fmt.Sprintf("%s without a %q text", img.Format, banner)}
	} else if err != nil {
		return nil, err
	}
	return img, nil
}

// elfClass tells the byte order of an ELF file, and whether it has 64 bits.
func elfClass(h []byte) (order binary.ByteOrder, wide bool) {
	order = binary.LittleEndian
	if h[5] == 2 { // ELFDATA2MSB
		order = binary.BigEndian
	}
	return order, h[4] == 2 // ELFCLASS64
}

// checkELF makes sure that the section headers, which linkers put at the end,
// are inside the file with the header h.
func checkELF(f file, h []byte) error {
	if len(h) < 64 {
		return &FormatError{Offset: int64(len(h)), Reason: "truncated: the file ends in the ELF header"}
	}
	order, wide := elfClass(h)
	off, entry, count := int64(order.Uint32(h[32:])), order.Uint16(h[46:]), order.Uint16(h[48:])
	if wide {
		off, entry, count = int64(order.Uint64(h[40:])), order.Uint16(h[58:]), order.Uint16(h[60:])
	}
	if off == 0 || count == 0 {
		return nil // stripped of them
	}
	end := off + int64(entry)*int64(count)
	if off < 0 || end < off {
		return &FormatError{Offset: 40, Reason: "ELF section headers beyond the end of any file"}
	}
	_, err := f.read(end-1, 1, "the ELF section headers")
	return err
}

// elfArchitecture is the machine of an ELF header by its Go name, or "".
func elfArchitecture(h []byte) string {
	order, wide := elfClass(h)
	switch m := order.Uint16(h[18:]); {
	case m == 3:
		return "386"
	case m == 62:
		return "amd64"
	case m == 40:
		return "arm"
	case m == 183:
		return "arm64"
	case m == 21 && order == binary.LittleEndian:
		return "ppc64le"
	case m == 21:
		return "ppc64"
	case m == 22 && wide:
		return "s390x"
	case m == 243 && wide:
		return "riscv64"
	case m == 258 && wide:
		return "loong64"
	}
	return ""
}

// findBanner reads r up to the kernel's version text and returns the release
// in it; io.EOF if there is none.
func findBanner(r io.Reader) (string, error) {
	// The longest text that has to be seen whole. What may be a part of one at
	// the end of buf is looked at again with what follows.
	const whole = len(banner) + maxRelease + 2
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for {
			i := bytes.Index(rest, []byte(banner))
			if i < 0 {
				break
			}
			rest = rest[i+len(banner):]
			word := rest[:min(len(rest), maxRelease+2)]
			if end := bytes.Index(word, []byte(" (")); end > 0 && isRelease(word[:end]) {
				return string(word[:end]), nil
			}
		}
		if err != nil {
			return "", err
		}
		if keep := whole - 1; len(buf) > keep {
			buf = buf[:copy(buf, buf[len(buf)-keep:])]
		}
	}
}
