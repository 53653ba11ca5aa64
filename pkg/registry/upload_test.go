package registry_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// steps lists what a push told of its largest blob, which is its layer.
type steps []registry.BlobEvent

func (s *steps) record(o *registry.Options) {
	o.OnBlob(func(e registry.BlobEvent) {
		if e.Size > 100_000 {
			*s = append(*s, e)
		}
	})
}

func (s steps) names() string {
	var names []string
	for _, e := range s {
		names = append(names, string(e.Step))
	}
	return strings.Join(names, " ")
}

// sentWhole is what a push sends that sends everything once.
func sentWhole(t *testing.T, img testregistry.Image) int64 {
	t.Helper()
	var size int64
	for _, b := range blobFiles(t, img) {
		info, err := os.Stat(b)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// blobFiles are the layers and the configuration, and not the manifest.
func blobFiles(t *testing.T, img testregistry.Image) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(strings.TrimPrefix(img.At, "oci:"), "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(path string) bool { return filepath.Base(path) == img.ManifestDigest(t).Encoded() })
}

// TestBlobIsResumed cuts a layer twice; the registry gets each byte once.
func TestBlobIsResumed(t *testing.T) {
	t.Parallel()
	for name, zstd := range map[string]bool{"a layout as it is": true, "layers that are compressed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
			o := options(t, r)
			var s steps
			s.record(&o)
			r.Fail(t, testregistry.Fault{Method: "PATCH", Over: 100_000, Read: 100_000, Times: 2, Cut: testregistry.Reset})
			img := testregistry.NewImage(t, 1, 1, 400_000)
			if zstd {
				img = testregistry.NewZstdImage(t, 1, 1, 400_000)
			}
			if _, err := registry.Push(t.Context(), img, r.Host+"/me/os", o); err != nil {
				t.Fatal(err)
			}
			if got := s.names(); got != "begun failed begun failed begun arrived" {
				t.Fatalf("steps %q", got)
			}
			if s[2].Offset != 100_000 || s[4].Offset != 200_000 {
				t.Errorf("taken up at %d and %d, want 100000 and 200000", s[2].Offset, s[4].Offset)
			}
			if got, want := r.Sent("PATCH", "/blobs/uploads/"), sentWhole(t, img); zstd && got != want {
				t.Errorf("the registry got %d bytes, want %d", got, want)
			}
			if left := r.OpenUploads(); len(left) != 0 {
				t.Errorf("uploads that were not ended: %q", left)
			}
		})
	}
}

// TestBlobBeginsAnew is about registries that cannot, or will not, go on: only
// the blob that broke off is sent again.
func TestBlobBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]testregistry.Options{"forgetful": {Forgetful: true}, "whole": {Whole: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, is)
			o := options(t, r)
			var s steps
			s.record(&o)
			const cut = 200_000
			r.Fail(t, testregistry.Fault{Method: "PATCH", Over: cut, Read: cut, Cut: testregistry.Closed})
			img := testregistry.NewZstdImage(t, 1, 4, 400_000)
			if _, err := registry.Push(t.Context(), img, r.Host+"/me/os", o); err != nil {
				t.Fatal(err)
			}
			// A refused chunk may be on its way before it is refused.
			got, want := r.Sent("PATCH", "/blobs/uploads/"), sentWhole(t, img)+cut
			if is.Forgetful && got != want || got < want || got > want+cut {
				t.Errorf("the registry got %d bytes, want %d: %s", got, want, s.names())
			}
			for _, e := range s {
				if is.Forgetful && e.Offset != 0 {
					t.Errorf("taken up at %d", e.Offset)
				}
			}
		})
	}
}

// TestLostAnswer has the registry do all, and the connection end before it can
// say so.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	var s steps
	s.record(&o)
	r.Fail(t, testregistry.Fault{Method: "PUT", Path: "/blobs/uploads/", Read: -1, Cut: testregistry.Closed, Times: 2})
	img := testregistry.NewZstdImage(t, 1, 1, 400_000)
	if _, err := registry.Push(t.Context(), img, r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	if got := s.names(); got != "begun failed arrived" {
		t.Errorf("steps %q", got)
	}
	if got, want := r.Sent("PATCH", ""), sentWhole(t, img); got != want {
		t.Errorf("the registry got %d bytes, want %d", got, want)
	}
}

// TestLimitIsExplained pushes a layer that a limit on uploads ends each time.
func TestLimitIsExplained(t *testing.T) {
	t.Parallel()
	img := testregistry.NewZstdImage(t, 1, 1, 18<<20)
	for name, tt := range map[string]struct {
		fault testregistry.Fault
		class registry.Class
		hints []string
	}{
		"broken off": {
			testregistry.Fault{Read: 9 << 20, Cut: testregistry.Closed},
			registry.Transient,
			[]string{"broke off", "of its 18 MiB", "{largest: ", "MiB}"},
		},
		"refused by its head": {
			testregistry.Fault{Status: http.StatusRequestEntityTooLarge, Body: []byte("<html><head><title>413 Request Entity Too Large")},
			registry.TooLarge,
			[]string{"this layer has 18 MiB", "{largest: 4MiB}", "client_max_body_size"},
		},
		"by a limit that is named": {
			testregistry.Fault{Status: http.StatusRequestEntityTooLarge, Body: testregistry.ErrorBody("BLOB_UPLOAD_INVALID", "Uploaded blob of 18.0 MiB is larger than 16.0 MiB allowed by this registry"), Read: -1},
			registry.TooLarge,
			[]string{"{largest: 8MiB}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Forgetful: true})
			tt.fault.Method, tt.fault.Over, tt.fault.Times = "PATCH", 1<<20, -1
			r.Fail(t, tt.fault)
			_, err := registry.Push(t.Context(), img, r.Host+"/me/os", options(t, r))
			for _, hint := range tt.hints {
				wantError(t, err, tt.class, "uploading the layer", hint)
			}
			var e *registry.Error
			if errors.As(err, &e) && (e.Blob == "" || e.Size < 17<<20) {
				t.Errorf("blob %q of %d bytes", e.Blob, e.Size)
			}
		})
	}
}

// TestStalledUploadIsTakenUp has a registry stop reading in the middle of a
// layer that is larger than all buffers on the way.
func TestStalledUploadIsTakenUp(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	o.Retry.Silence = 100 * time.Millisecond
	r.Fail(t, testregistry.Fault{Method: "PATCH", Over: 1 << 20, Read: 1 << 20, Cut: testregistry.Frozen})
	var s steps
	s.record(&o)
	if _, err := registry.Push(t.Context(), testregistry.NewZstdImage(t, 1, 1, 24<<20), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	if got := s.names(); got != "begun failed begun arrived" || s[2].Offset < 1<<20 {
		t.Errorf("%s: %+v", got, s)
	}
}

// TestDamagedLayout is no failure of the registry, which only noticed.
func TestDamagedLayout(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	img := testregistry.NewZstdImage(t, 1, 1, 400_000)
	for _, path := range blobFiles(t, img) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("damage"), 100); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := registry.Push(t.Context(), img, r.Host+"/me/os", options(t, r))
	var e *registry.Error
	if err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), "was damaged or changed") {
		t.Errorf("%v, want it to name the file", err)
	}
	if n := r.Count("PUT", "/blobs/uploads/"); n > 2 {
		t.Errorf("%d tries", n)
	}
}

// TestFinalFailureStopsTheRest: nothing new is begun after it.
func TestFinalFailureStopsTheRest(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	r.Fail(t, testregistry.Fault{Method: "PATCH", Status: 403, Body: testregistry.ErrorBody("DENIED", "Quota has been exceeded on namespace"), Times: -1})
	_, err := registry.Push(t.Context(), testregistry.NewZstdImage(t, 1, 40, 1_000), r.Host+"/me/os", options(t, r))
	wantError(t, err, registry.Quota, "uploading the ", "quota")
	if n := r.Count("PATCH", ""); n > 8 {
		t.Errorf("%d blobs were sent to a registry that is full", n)
	}
}
