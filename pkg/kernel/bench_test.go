package kernel

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// BenchmarkReadInitramfs compares reading an initramfs with no more than
// decompressing it with the library of the format. MB/s are of unpacked bytes.
func BenchmarkReadInitramfs(b *testing.B) {
	// Words, so that it compresses to about a third, as kernel modules do.
	rnd := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4000)
	for i := range words {
		words[i] = fmt.Sprintf("%x", rnd.Uint64()>>rnd.IntN(60))
	}
	all := dirs("usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/6.1.0")
	for n := range 300 {
		var data strings.Builder
		for data.Len() < 64<<10 {
			data.WriteString(words[rnd.IntN(len(words))])
		}
		all = append(all, cpioFile{name: fmt.Sprintf("usr/lib/modules/6.1.0/m%d.ko", n), data: data.String()})
	}
	plain := newc(all...)
	type open func(io.Reader) (io.Reader, error)
	for _, bb := range []struct {
		name   string
		encode encoding
		open   open
	}{
		{"none", encoding{encode: func(_ testing.TB, b []byte) []byte { return b }}, func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"gzip", encodingNamed("gzip"), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"zstd", encodingNamed("zstd"), func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }},
		{"xz", encodingNamed("xz"), func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
		{"lzma", encodingNamed("lzma"), func(r io.Reader) (io.Reader, error) { return lzma.NewReader(r) }},
		{"lz4", encodingNamed("lz4"), func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
		{"bzip2", encoding{encode: bzip2Archives}, func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	} {
		// A format's test archive is made when the benchmark is asked for.
		var packed []byte
		size := int64(0)
		run := func(b *testing.B, read func() (int64, error)) {
			b.Helper()
			if packed == nil {
				packed = bb.encode.encode(b, plain)
			}
			b.ReportAllocs()
			for b.Loop() {
				n, err := read()
				if err != nil {
					b.Fatal(err)
				}
				size = n
			}
			b.SetBytes(size)
		}
		b.Run(bb.name+"/initramfs", func(b *testing.B) {
			run(b, func() (int64, error) {
				i, err := ReadInitramfs(b.Context(), bytes.NewReader(packed), ReadOptions{})
				if err != nil {
					return 0, err
				}
				n := int64(0)
				for _, a := range i.Archives {
					n += a.Unpacked
				}
				return n, nil
			})
		})
		b.Run(bb.name+"/decompress", func(b *testing.B) {
			run(b, func() (int64, error) {
				r, err := bb.open(bytes.NewReader(packed))
				if err != nil {
					return 0, err
				}
				return io.Copy(io.Discard, struct{ io.Reader }{r})
			})
		})
	}
}

// bzip2Archives is bzip2 of archives that are short enough for bzip2Encode.
func bzip2Archives(t testing.TB, _ []byte) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for n := range 20 {
		data := make([]byte, 60<<10)
		for i := range data {
			data[i] = "0123456789abcdef"[rnd.IntN(16)]
		}
		b = append(b, bzip2Encode(t, newc(cpioFile{name: fmt.Sprint(n), data: string(data)}))...)
	}
	return b
}
