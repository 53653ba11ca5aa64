package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/transports/alltransports"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// options reach the registry with its own certificate and login; nothing of the
// machine's configuration is read, and no wait is real.
func options(t *testing.T, r *testregistry.Registry) registry.Options {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "registries.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return registry.Options{
		AuthFile:         r.WriteAuth(t, testregistry.User, testregistry.Password),
		CertDir:          filepath.Join(r.WriteCerts(t), r.Host),
		RegistriesConf:   conf,
		BlobInfoCacheDir: t.TempDir(),
		TempDir:          t.TempDir(),
		Retry:            registry.Retry{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testregistry.Auth{
		"anonymous": testregistry.Anonymous, "basic": testregistry.Basic, "token": testregistry.Token,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: auth})
			o := options(t, r)
			p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 3, 20_000), r.Host+"/me/os", o)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Tags("me/os"); len(got) != 0 {
				t.Errorf("tags after the push: %q", got)
			}
			raw, mediaType := r.Manifest("me/os", p.Digest.String())
			if digest.FromBytes(raw) != p.Digest {
				t.Errorf("the registry holds %s, Push returned %s", digest.FromBytes(raw), p.Digest)
			}
			if mediaType != imgspecv1.MediaTypeImageManifest || p.MediaType != mediaType {
				t.Errorf("media type %q at the registry, %q returned", mediaType, p.MediaType)
			}
			var m imgspecv1.Manifest
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			if len(m.Layers) != 3 || p.Layers != 3 {
				t.Errorf("%d layers pushed, %d returned", len(m.Layers), p.Layers)
			}
			var size int64
			for _, l := range m.Layers {
				size += l.Size
				blob := r.Blob("me/os", l.Digest.String())
				if l.MediaType != imgspecv1.MediaTypeImageLayerZstd || !strings.HasPrefix(string(blob), "\x28\xb5\x2f\xfd") {
					t.Errorf("layer %s is %s", l.Digest, l.MediaType)
				}
			}
			if p.Size != size || p.Repository != r.Host+"/me/os" {
				t.Errorf("%+v, want size %d", p, size)
			}
			if left := r.OpenUploads(); len(left) != 0 {
				t.Errorf("uploads that were not ended: %q", left)
			}
			if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
				t.Errorf("left in the temporary folder: %v", left)
			}
		})
	}
}

func TestPushAgainSendsNothing(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	img := testregistry.NewImage(t, 1, 3, 20_000)
	o := options(t, r)
	first, err := registry.Push(t.Context(), img, r.Host+"/me/os", o)
	if err != nil {
		t.Fatal(err)
	}
	for name, cache := range map[string]string{"same machine": o.BlobInfoCacheDir, "fresh machine": t.TempDir()} {
		r.Forget()
		o.BlobInfoCacheDir = cache
		again, err := registry.Push(t.Context(), img, r.Host+"/me/os", o)
		if err != nil {
			t.Fatal(err)
		}
		if again != first {
			t.Errorf("%s: %+v, want %+v", name, again, first)
		}
		if n := r.Count("PATCH", "/blobs/uploads/"); n != 0 {
			t.Errorf("%s: %d blobs were sent again", name, n)
		}
	}
}

func TestPushKeepsFinalLayout(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	img := testregistry.NewZstdImage(t, 1, 2, 5_000)
	p, err := registry.Push(t.Context(), img, r.Host+"/me/os", options(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if want := img.ManifestDigest(t); p.Digest != want {
		t.Errorf("digest %s, want the layout's own %s", p.Digest, want)
	}
}

func TestPushSourceIsNoImage(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	for _, at := range []string{"dir-rootfs:/", "nonsense:x", "oci:" + t.TempDir()} {
		_, err := registry.Push(t.Context(), testregistry.Image{At: at}, r.Host+"/me/os", options(t, r))
		var e *registry.Error
		if err == nil || errors.As(err, &e) {
			t.Errorf("pushing %q: %v, want an error that is not the registry's", at, err)
		}
	}
}

func TestPushSweepsWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	left := filepath.Join(o.TempDir, "bootkiln-registry-123")
	other := filepath.Join(o.TempDir, "something-else")
	for _, dir := range []string{left, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "layer"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("removed what is not its own")
	}
}

// stage counts what a push shows.
type stage struct {
	progress.Stage
	mu    sync.Mutex
	bytes int64
	notes map[string]int
	warns []string
	infos []string
	// onTransfer, where set, is called as each transfer ends.
	onTransfer func()
}

func (s *stage) Warnf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warns = append(s.warns, fmt.Sprintf(format, args...))
}

func (s *stage) Infof(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.infos = append(s.infos, fmt.Sprintf(format, args...))
}

func (s *stage) Transfer(string, int64) progress.Transfer { return transfer{s} }

type transfer struct{ *stage }

func (t transfer) Add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += n
}

func (t transfer) Done(note string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notes == nil {
		t.notes = map[string]int{}
	}
	t.notes[note]++
	if t.onTransfer != nil {
		t.onTransfer()
	}
}

func TestPushShowsTransfers(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	img := testregistry.NewZstdImage(t, 1, 3, 20_000)
	var first, second stage
	for _, s := range []*stage{&first, &second} {
		o.Progress = s
		if _, err := registry.Push(t.Context(), img, r.Host+"/me/os", o); err != nil {
			t.Fatal(err)
		}
	}
	if first.bytes == 0 || first.notes["done"] < 3 {
		t.Errorf("first push: %d bytes, %v", first.bytes, first.notes)
	}
	if second.notes["exists"] != 3 {
		t.Errorf("second push: %v", second.notes)
	}
	if !strings.HasPrefix(first.infos[0], "4 blobs sent (4") || second.infos[0] != "0 blobs sent, 4 there already" {
		t.Errorf("first %q, second %q", first.infos, second.infos)
	}
}

func TestPushStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	r.Fail(t, testregistry.Fault{Method: "PATCH", Path: "/blobs/uploads/", Status: 503, Times: -1})
	o.Retry.Sleep = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	_, err := registry.Push(ctx, testregistry.NewImage(t, 1, 2, 5_000), r.Host+"/me/os", o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it to be context.Canceled", err)
	}
	if left, _ := os.ReadDir(o.TempDir); len(left) != 0 {
		t.Errorf("left in the temporary folder: %v", left)
	}
}

// TestPushForcesZstd has the registry hold the gzip layers already, as it does
// when the base was pushed there: they would be reused.
func TestPushForcesZstd(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	img := testregistry.NewImage(t, 1, 2, 5_000)
	r.Load(t, img)
	p, err := registry.Push(t.Context(), img, r.Host+"/me/os", options(t, r))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := r.Manifest("me/os", p.Digest.String())
	if n := strings.Count(string(raw), imgspecv1.MediaTypeImageLayerZstd); n != 2 {
		t.Errorf("%d zstd layers, want 2:\n%s", n, raw)
	}
}

// TestPushDropsOldSignatures pushes an image that came with a signature, which
// what is pushed no longer matches.
func TestPushDropsOldSignatures(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	dir := t.TempDir()
	from, err := alltransports.ParseImageName(testregistry.NewImage(t, 1, 1, 1_000).At)
	if err != nil {
		t.Fatal(err)
	}
	to, err := alltransports.ParseImageName("dir:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copy.Image(t.Context(), policy, to, from, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "signature-1"), []byte("\x99signature"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Push(t.Context(), testregistry.Image{At: "dir:" + dir}, r.Host+"/me/os", options(t, r)); err != nil {
		t.Error(err)
	}
}
