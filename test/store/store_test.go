//go:build e2e

// Package store tests images in a real containers/storage, which needs root.
package store

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/transports/alltransports"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/reexec"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/storeimage"
)

func TestMain(m *testing.M) {
	// The store unpacks layers in a process of its own.
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}

func openStore(t *testing.T, driver string) storage.Store {
	t.Helper()
	dir := t.TempDir()
	store, err := storage.GetStore(storage.StoreOptions{
		GraphDriverName: driver, GraphRoot: filepath.Join(dir, "root"), RunRoot: filepath.Join(dir, "run"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := store.Shutdown(true); err != nil {
			t.Error(err)
		}
	})
	return store
}

// file is one entry of a layer. Its zero type is a regular file with mode 0644.
type file struct {
	name, content string
	hdr           tar.Header
}

func text(name, content string) file { return file{name: name, content: content} }

func dir(name string) file {
	return file{name: name + "/", hdr: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
}

func layerOf(t *testing.T, files []file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		hdr := f.hdr
		hdr.Name, hdr.Size = f.name, int64(len(f.content))
		if hdr.Typeflag == 0 {
			hdr.Typeflag = tar.TypeReg
		}
		if hdr.Mode == 0 {
			hdr.Mode = 0o644
		}
		if err := w.WriteHeader(&hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// put copies an image into the store, and opens the layout it came from.
func put(t *testing.T, store storage.Store, name string, layers ...[]file) image.Image {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	add := func(mediaType string, content []byte) imgspecv1.Descriptor {
		d := digest.FromBytes(content)
		write("blobs/sha256/"+d.Encoded(), content)
		return imgspecv1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	config := imgspecv1.Image{
		Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
		Config:   imgspecv1.ImageConfig{Labels: map[string]string{"containers.bootc": "1"}},
		RootFS:   imgspecv1.RootFS{Type: "layers"},
	}
	m := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest}
	for _, files := range layers {
		desc := add(imgspecv1.MediaTypeImageLayer, layerOf(t, files))
		m.Layers = append(m.Layers, desc)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, desc.Digest)
	}
	m.Config = add(imgspecv1.MediaTypeImageConfig, encode(config))
	write("index.json", encode(imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		Manifests: []imgspecv1.Descriptor{add(m.MediaType, encode(m))},
	}))
	write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))

	src, err := layout.ParseReference(dir)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := istorage.Transport.ParseStoreReference(store, name)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := policy.Destroy(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := copy.Image(t.Context(), policy, dst, src, &copy.Options{}); err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenLayout(t.Context(), dir, "", image.LayerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestStoreImage(t *testing.T) {
	for _, driver := range []string{"vfs", "overlay"} {
		t.Run(driver, func(t *testing.T) {
			store := openStore(t, driver)
			put(t, store, "localhost/os:latest", []file{text("etc/os-release", "ID=x\n")})
			img, err := storeimage.Open(store, "os")
			if err != nil {
				t.Fatal(err)
			}
			want := "containers-storage:[" + driver + "@" + store.GraphRoot() + "+" + store.RunRoot()
			if got := img.Location(); !strings.HasPrefix(got, want) || !strings.Contains(got, "]localhost/os:latest@") {
				t.Errorf("Location = %q", got)
			}
			if ref, err := alltransports.ParseImageName(img.Location()); err != nil {
				t.Errorf("containers/image does not read the location: %v", err)
			} else if _, _, err := istorage.ResolveReference(ref); err != nil {
				t.Error(err)
			}
			if c, err := img.Config(t.Context()); err != nil || c.Config.Labels["containers.bootc"] != "1" || c.Architecture != "amd64" {
				t.Errorf("Config = %v, %v", c, err)
			}
			one, err := img.Root(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			two, err := img.Root(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := one.Close(); err != nil {
				t.Error(err)
			}
			if got, err := fs.ReadFile(two, "etc/os-release"); err != nil || string(got) != "ID=x\n" {
				t.Errorf("after the other root was closed: %q, %v", got, err)
			}
			if err := two.Close(); err != nil {
				t.Error(err)
			}
			if err := two.Close(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
			mounts, err := os.ReadFile("/proc/self/mountinfo")
			if err != nil || strings.Contains(string(mounts), store.GraphRoot()+"/"+driver+"/") {
				t.Errorf("a mount is left, or %v:\n%s", err, mounts)
			}
		})
	}
}

func TestNames(t *testing.T) {
	store := openStore(t, "vfs")
	put(t, store, "localhost/os:latest", []file{text("name", "mine")})
	put(t, store, "docker.io/library/os:latest", []file{text("name", "theirs")})
	put(t, store, "ghcr.io/me/os:v1", []file{text("name", "tagged")})
	tagged, err := store.Image("ghcr.io/me/os:v1")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"os": "mine", "os:latest": "mine", "localhost/os": "mine", "docker.io/library/os": "theirs", "library/os": "theirs",
		"ghcr.io/me/os:v1": "tagged", tagged.ID: "tagged", tagged.ID[:12]: "tagged",
	} {
		img, err := storeimage.Open(store, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		root, err := img.Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(root, "name"); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"absent", "ghcr.io/me/os", "", "UPPER", strings.Repeat("0", 64)} {
		if _, err := storeimage.Open(store, name); !errors.Is(err, storage.ErrImageUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// The merge of package image is that of overlayfs and of containers/storage.
func TestMergeIsTheStores(t *testing.T) {
	const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	layers := [][]file{
		{
			dir("a"), text("a/x", "1"), text("a/y", "2"), text("b", "3"),
			{name: "l", hdr: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "a", Mode: 0o777}},
			dir("gone"), text("gone/x", "4"), dir("opaque"), text("opaque/x", "5"),
			{name: "hard", hdr: tar.Header{Typeflag: tar.TypeLink, Linkname: "a/x"}},
			{name: "caps", hdr: tar.Header{Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": capability}}},
		},
		{
			dir("a"), text("a/.wh.y", ""), text("b/c", "6"), text(".wh.gone", ""), dir("opaque"), text("opaque/z", "7"),
			text("opaque/.wh..wh..opq", ""), text("l/own", "8"),
			{name: "owned", hdr: tar.Header{Mode: 0o4755, Uid: 3, Gid: 4}},
			{name: "dev", hdr: tar.Header{Typeflag: tar.TypeChar, Mode: 0o600, Devmajor: 5, Devminor: 1}},
			{name: "caf\xe9", content: "9", hdr: tar.Header{Format: tar.FormatGNU}},
		},
	}
	store := openStore(t, "overlay")
	fromLayout := put(t, store, "localhost/os:latest", layers...)
	fromStore, err := storeimage.Open(store, "localhost/os")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(snapshot(t, fromStore), snapshot(t, fromLayout)); diff != "" {
		t.Errorf("(-store +layers):\n%s", diff)
	}
}

type entry struct {
	Mode    fs.FileMode
	Stat    image.Stat
	Content string
	Xattrs  map[string][]byte
}

func snapshot(t *testing.T, img image.Image) map[string]entry {
	t.Helper()
	r, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := map[string]entry{}
	err = fs.WalkDir(r, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{Mode: fi.Mode(), Stat: *image.StatOf(fi)}
		e.Stat.Inode = 0
		if fi.IsDir() {
			e.Stat.Nlink = 0 // overlayfs says 1
		}
		if e.Xattrs, err = r.Xattrs(name); err != nil {
			return err
		}
		switch fi.Mode().Type() {
		case 0:
			b, err := fs.ReadFile(r, name)
			if err != nil {
				return err
			}
			e.Content = string(b)
		case fs.ModeSymlink:
			if e.Content, err = r.ReadLink(name); err != nil {
				return err
			}
		}
		out[name] = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
