package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

type warnings struct {
	progress.Stage
	lines []string
}

func (w *warnings) Warnf(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func TestPushNeedsSpace(t *testing.T) {
	t.Parallel()
	// Two random layers of about 20,000 bytes, which do not compress.
	for name, tt := range map[string]struct {
		free          int64
		zstd          bool
		refused, warn bool
	}{
		"none":                        {free: 0, refused: true},
		"less than a layer":           {free: 15_000, refused: true},
		"a layer, not all of them":    {free: 50_000, warn: true},
		"enough":                      {free: 1_000_000},
		"nothing waits that is final": {free: 0, zstd: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{})
			conf := filepath.Join(t.TempDir(), "registries.conf")
			if err := os.WriteFile(conf, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			shown := &warnings{Stage: progress.Discard.Stage("")}
			o := Options{
				CertDir: filepath.Join(r.WriteCerts(t), r.Host), RegistriesConf: conf, AuthFile: r.WriteAuth(t, "x", "y"),
				BlobInfoCacheDir: t.TempDir(), TempDir: t.TempDir(), Progress: shown,
				freeSpace: func(string) (int64, error) { return tt.free, nil },
			}
			img := testregistry.NewImage(t, 1, 2, 20_000)
			if tt.zstd {
				img = testregistry.NewZstdImage(t, 1, 2, 20_000)
			}
			_, err := Push(t.Context(), img, r.Host+"/me/os", o)
			var e *SpaceError
			if errors.As(err, &e) != tt.refused || err != nil && !tt.refused {
				t.Errorf("%v, want it refused: %t", err, tt.refused)
			}
			if e != nil && (!strings.Contains(err.Error(), o.TempDir) || !strings.Contains(e.MendHint(), o.TempDir)) {
				t.Errorf("%q, %q: the folder is missing", err, e.MendHint())
			}
			if (len(shown.lines) > 0) != tt.warn {
				t.Errorf("warnings %q, want one: %t", shown.lines, tt.warn)
			}
		})
	}
}

func TestDiskFullDuringPush(t *testing.T) {
	t.Parallel()
	s := &Session{Repository: "registry.example.org/me/os", options: Options{TempDir: "/tmp/full"}}
	full := fmt.Errorf("writing blob: %w", &os.PathError{Op: "write", Path: "/tmp/full/x", Err: syscall.ENOSPC})
	err := s.uploadError(t.Context(), full)
	var e *SpaceError
	if !errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(e.MendHint(), "/tmp/full") {
		t.Errorf("%v, want a space error with a hint that names the folder", err)
	}
}
