package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	digest "github.com/opencontainers/go-digest"
)

// SharedLayers are the decompressed layers of images that have an open Root,
// each in a file of its own without a name, so that nothing stays behind
// however the process ends. The zero value is ready; several goroutines may use
// it at once.
type SharedLayers struct {
	mu    sync.Mutex
	files map[layerKey]*layerFile
}

// layerKey has both digests: that a layer is what one manifest and
// configuration say does not make it what others say.
type layerKey struct{ blob, diffID digest.Digest }

// layerFile is a layer's archive. Contents of files are sections of it.
type layerFile struct {
	key  layerKey
	f    *os.File
	size int64 // to the archive's end at least

	ready chan struct{} // closed when filled
	bad   bool          // it could not be filled
	users int
}

// get returns the file of a layer, which the caller releases. Where it is not
// there yet, the caller fills it and says so by calling filled; others who want
// it wait for that.
func (s *SharedLayers) get(ctx context.Context, key layerKey) (f *layerFile, there bool, err error) {
	for {
		s.mu.Lock()
		f, there := s.files[key]
		if !there {
			f = &layerFile{key: key, ready: make(chan struct{})}
			if s.files == nil {
				s.files = map[layerKey]*layerFile{}
			}
			s.files[key] = f
		}
		f.users++
		s.mu.Unlock()
		if !there {
			return f, false, nil
		}
		select {
		case <-f.ready:
			if !f.bad {
				return f, true, nil
			}
			// What kept another from it, such as being cancelled, need not keep this
			// caller.
			err = ctx.Err()
		case <-ctx.Done():
			err = ctx.Err()
		}
		_ = s.release(f) // says nothing about what the caller asked for
		if err != nil {
			return nil, false, err
		}
	}
}

// filled ends what get began; err is why it failed.
func (s *SharedLayers) filled(f *layerFile, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		f.bad = true
		delete(s.files, f.key)
	}
	close(f.ready)
}

func (s *SharedLayers) release(f *layerFile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users--; f.users > 0 {
		return nil
	}
	if s.files[f.key] == f {
		delete(s.files, f.key)
	}
	if f.f == nil {
		return nil
	}
	return f.f.Close()
}

// create makes the file in a folder; "" is the one for temporary files.
func (l *layerFile) create(dir string) error {
	f, err := os.CreateTemp(dir, "bootkiln-layers-*")
	if err != nil {
		return fmt.Errorf("making temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return fmt.Errorf("making temporary file: %w", err)
	}
	l.f = f
	return nil
}

func (l *layerFile) append(b []byte) error {
	n, err := l.f.Write(b)
	l.size += int64(n)
	return err
}

// reader reads it from its beginning.
func (l *layerFile) reader() io.ReadSeeker { return io.NewSectionReader(l.f, 0, l.size) }
