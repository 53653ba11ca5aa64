//go:build e2e

package test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// pushAndTag is the way of an image to its tag.
func (b *registryBed) pushAndTag(t testing.TB, l *ociLayout, repository string, o registry.Options) error {
	t.Helper()
	p, err := registry.Push(t.Context(), l, repository, o)
	if err != nil {
		return err
	}
	if p.Digest != l.manifest {
		t.Errorf("pushed %s, want %s", p.Digest, l.manifest)
	}
	return registry.Tag(t.Context(), p, "latest", o)
}

// classOf is the class of a registry's failure, "" for none.
func classOf(err error) registry.Class {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// TestRegistryFaults are those that only a real registry has.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	l := newLayout(t, layers(3, size), ordinal)
	path := "/blobs/uploads/"
	for _, tt := range []struct {
		name  string
		fault func(t *testing.T, b *registryBed) faultproxy.Fault
		class registry.Class
		// says is part of a step's failure, "" for none.
		says string
	}{
		{"token that ended", func(_ *testing.T, b *registryBed) faultproxy.Fault {
			return faultproxy.Fault{Method: "PATCH", Path: path, Change: func(req *http.Request) {
				old := b.registry.tokens.issue(time.Now().Add(-time.Hour), b.repository, "pull", "push")
				req.Header.Set("Authorization", "Bearer "+old)
			}}
		}, "", "token ended"},
		{"token without the right", func(_ *testing.T, b *registryBed) faultproxy.Fault {
			// A token without the right to push, as a token service gives that was
			// asked too late.
			return faultproxy.Fault{Method: "PUT", Path: path, Times: 8, Change: func(req *http.Request) {
				req.Header.Set("Authorization", "Bearer "+b.registry.tokens.issue(time.Now().Add(time.Hour), b.repository, "pull"))
			}}
		}, "", "authentication required"},
		{"session lost", func(*testing.T, *registryBed) faultproxy.Fault {
			return faultproxy.Fault{Method: "PATCH", Path: path, Change: func(req *http.Request) {
				req.URL.Path = "/v2/os/e2e/blobs/uploads/00000000-0000-4000-8000-000000000000"
			}}
		}, "", "BLOB_UPLOAD"},
		{"registry restarted in a blob", func(t *testing.T, b *registryBed) faultproxy.Fault {
			return faultproxy.Fault{Method: "PATCH", Path: path, Read: size / 2, Cut: faultproxy.Closed, Then: func() { b.registry.restart(t) }}
		}, "", ""},
		{"registry restarted before the manifest", func(t *testing.T, b *registryBed) faultproxy.Fault {
			return faultproxy.Fault{Method: "PUT", Path: "/manifests/sha256:", Cut: faultproxy.Reset, Then: func() { b.registry.restart(t) }}
		}, "", ""},
		{"manifest changed on its way", func(*testing.T, *registryBed) faultproxy.Fault {
			return faultproxy.Fault{Method: "PUT", Path: "/manifests/sha256:", Change: func(req *http.Request) {
				req.Header.Set("Content-Type", "application/x-nothing-that-is-known")
			}}
		}, registry.Rejected, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newRegistryBed(t, registryConfig{tokens: newTokenService(t)})
			b.Fail(t, tt.fault(t, b))
			o := b.options(t)
			var said bytes.Buffer
			o.Progress = progress.NewPlain(&said).Stage("push")
			err := b.pushAndTag(t, l, b.name, o)
			if got := classOf(err); got != tt.class || err != nil && got == "" {
				t.Errorf("class %q, want %q: %v", got, tt.class, err)
			}
			if !strings.Contains(said.String(), tt.says) {
				t.Errorf("it said %q, want %q", said.String(), tt.says)
			}
		})
	}
}

// memoryDisk mounts a file system in memory of at most that size.
func memoryDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestRegistryDiskFull has a registry whose file system holds one layer, and not
// two; when it holds two, the other one is sent and no more.
func TestRegistryDiskFull(t *testing.T) {
	t.Parallel()
	disk := memoryDisk(t, "12m")
	b := newRegistryBed(t, registryConfig{storage: "filesystem: {rootdirectory: " + disk + "}"})
	l := newLayout(t, layers(2, 8<<20), ordinal)
	err := b.pushAndTag(t, l, b.name, b.options(t))
	if classOf(err) != registry.Quota {
		t.Errorf("class %q: %v", classOf(err), err)
	}
	if tags := b.registry.tags(t, b.repository); len(tags) != 0 {
		t.Errorf("tags %q", tags)
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	arrived := int64(0)
	for _, r := range b.Requests() {
		if query, err := url.ParseQuery(r.Query); err == nil && r.Method == http.MethodPut && r.Status == http.StatusCreated {
			arrived += l.blobs[digest.Digest(query.Get("digest"))]
		}
	}
	b.Forget()
	if err := b.pushAndTag(t, l, b.name, b.options(t)); err != nil {
		t.Error(err)
	}
	if sent := b.Sent(http.MethodPatch, ""); sent > l.size()-arrived {
		t.Errorf("%d bytes were sent, of %d, of which %d had arrived", sent, l.size(), arrived)
	}
}

// TestRegistryOutOfReach: a name that nobody has, and a certificate of another
// authority.
func TestRegistryOutOfReach(t *testing.T) {
	t.Parallel()
	b := newRegistryBed(t, registryConfig{})
	l := newLayout(t, layers(1, 1000), ordinal)
	o := b.options(t)
	if err := b.pushAndTag(t, l, "registry.invalid/os/e2e", o); classOf(err) != registry.Unreachable {
		t.Errorf("%v", err)
	}
	o.CertDir = newAuthority(t).dir
	if err := b.pushAndTag(t, l, b.name, o); classOf(err) != registry.TLS {
		t.Errorf("%v", err)
	}
	if n := len(b.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestRegistryMount takes layers over from another repository of the registry.
func TestRegistryMount(t *testing.T) {
	t.Parallel()
	b := newRegistryBed(t, registryConfig{})
	l := newLayout(t, layers(3, 100_000), ordinal)
	if err := b.pushAndTag(t, l, b.name, b.options(t)); err != nil {
		t.Fatal(err)
	}
	b.Forget()
	o := b.options(t)
	o.MountFrom = []string{b.Host + "/os/nothing-there", b.name, "registry.invalid/os/other"}
	var said bytes.Buffer
	o.Progress = progress.NewPlain(&said).Stage("push")
	if err := b.pushAndTag(t, l, b.Host+"/os/second", o); err != nil {
		t.Fatal(err)
	}
	if sent := b.Sent(http.MethodPatch, ""); sent != 0 || !strings.Contains(said.String(), "0 blobs sent, 4 taken over from another repository") {
		t.Errorf("%d bytes were sent; it said %q", sent, said.String())
	}
}
