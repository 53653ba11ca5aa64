//go:build e2e

package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// registryBed is a real registry with TLS behind a proxy that breaks what it is
// told to.
type registryBed struct {
	*faultproxy.Proxy
	registry *dockerRegistry
	ca       *authority
	// repository is the path in the registry, and name the same with the
	// proxy's address before it.
	repository, name string
}

// newRegistryBed starts both. Clients log in with the account at the registry
// itself, or with tokens of a service that is at "/token" of the proxy.
func newRegistryBed(t testing.TB, c registryConfig) *registryBed {
	t.Helper()
	b := &registryBed{ca: newAuthority(t), repository: "os/e2e"}
	b.registry = newRegistry(t, b.ca)
	certFile, keyFile := b.ca.issue(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	o := faultproxy.Options{To: &url.URL{Scheme: "https", Host: b.registry.host}, Transport: b.ca.transport(), Keep: c.keeps, Certificate: &pair}
	if c.tokens != nil {
		o.Beside = map[string]http.Handler{"/token": c.tokens}
	}
	b.Proxy = faultproxy.New(t, o)
	c.realm = "https://" + b.Host + "/token"
	b.registry.start(t, c)
	b.name = b.Host + "/" + b.repository
	return b
}

// options reach the registry through the proxy. Nothing of the machine's own
// configuration is read, and no wait is real.
func (b *registryBed) options(t testing.TB) registry.Options {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "registries.conf")
	write(t, conf, nil)
	return registry.Options{
		CertDir: b.ca.dir, RegistriesConf: conf, BlobInfoCacheDir: t.TempDir(), TempDir: t.TempDir(),
		Credentials: &registry.Credentials{Username: registryUser, Password: registryPassword},
		Retry:       registry.Retry{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	}
}

// ociLayout is an OCI layout as a chunker leaves one, but for its layers: they
// are called zstd and are random bytes, because nobody unpacks them.
type ociLayout struct {
	image.Image
	dir      string
	manifest digest.Digest
	// blobs are the sizes of the layers and the configuration.
	blobs map[digest.Digest]int64
	// made are the layers by how they are made.
	made map[layerKey]imgspecv1.Descriptor
}

type layerKey struct {
	seed uint64
	size int64
}

// Location implements [image.Image].
func (l *ociLayout) Location() string { return "oci:" + l.dir }

// size is what a push sends that sends everything once.
func (l *ociLayout) size() (n int64) {
	for _, size := range l.blobs {
		n += size
	}
	return n
}

// newLayout writes a layout with layers of these sizes, in bytes. A layer's
// content comes from its seed; so layouts with a seed in common share a layer,
// and it is not made again where one of them is in have.
func newLayout(t testing.TB, sizes []int64, seed func(layer int) uint64, have ...*ociLayout) *ociLayout {
	t.Helper()
	l := &ociLayout{dir: t.TempDir(), blobs: map[digest.Digest]int64{}, made: map[layerKey]imgspecv1.Descriptor{}}
	put := func(mediaType string, from io.Reader) imgspecv1.Descriptor {
		t.Helper()
		temp := filepath.Join(l.dir, "blob")
		file, err := os.Create(temp)
		if err != nil {
			t.Fatal(err)
		}
		hash := digest.Canonical.Digester()
		size, err := io.Copy(io.MultiWriter(file, hash.Hash()), from)
		if err == nil {
			err = file.Close()
		}
		d := hash.Digest()
		if err == nil {
			err = os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o755)
		}
		if err == nil {
			err = os.Rename(temp, filepath.Join(l.dir, "blobs/sha256", d.Encoded()))
		}
		if err != nil {
			t.Fatal(err)
		}
		l.blobs[d] = size
		return imgspecv1.Descriptor{MediaType: mediaType, Digest: d, Size: size}
	}
	encode := func(v any) io.Reader {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(text)
	}
	config := imgspecv1.Image{Platform: imgspecv1.Platform{Architecture: "amd64", OS: "linux"}, RootFS: imgspecv1.RootFS{Type: "layers"}}
	manifest := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest}
	add := func(m imgspecv1.Descriptor) {
		manifest.Layers = append(manifest.Layers, m)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, m.Digest)
	}
	for i, size := range sizes {
		key := layerKey{seed(i), size}
		for _, h := range have {
			if m, ok := h.made[key]; ok {
				file := filepath.Join("blobs/sha256", m.Digest.Encoded())
				if err := errors.Join(os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o755), os.Link(filepath.Join(h.dir, file), filepath.Join(l.dir, file))); err != nil {
					t.Fatal(err)
				}
				l.made[key], l.blobs[m.Digest] = m, m.Size
			}
		}
		if m, ok := l.made[key]; ok {
			add(m)
			continue
		}
		var random [32]byte
		copy(random[:], fmt.Sprint("layer ", key.seed))
		m := put(imgspecv1.MediaTypeImageLayerZstd, io.LimitReader(rand.NewChaCha8(random), size))
		l.made[key] = m
		add(m)
	}
	manifest.Config = put(imgspecv1.MediaTypeImageConfig, encode(config))
	top := put(imgspecv1.MediaTypeImageManifest, encode(manifest))
	delete(l.blobs, top.Digest)
	l.manifest = top.Digest
	index, err := io.ReadAll(encode(imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex, Manifests: []imgspecv1.Descriptor{top},
	}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(l.dir, "index.json"), index)
	write(t, filepath.Join(l.dir, imgspecv1.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

// layers is a number of layers of one size.
func layers(n int, size int64) []int64 {
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// ordinal seeds each layer with its number.
func ordinal(layer int) uint64 { return uint64(layer) }
