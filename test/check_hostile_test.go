//go:build e2e

package test

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/check"
)

// compressed passes what fill writes through zstd into a file, and returns
// the digest of what was written and the description of the file.
func compressed(t testing.TB, file string, fill func(w io.Writer)) (digest.Digest, imgspecv1.Descriptor) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, packed := digest.Canonical.Digester(), digest.Canonical.Digester()
	z, err := zstd.NewWriter(io.MultiWriter(f, packed.Hash()), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	fill(io.MultiWriter(z, plain.Hash()))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return plain.Digest(), imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageLayerZstd, Digest: packed.Digest(), Size: fi.Size()}
}

// layoutOf makes an OCI layout of one layer.
func layoutOf(t testing.TB, fill func(w *tar.Writer)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	blobs := filepath.Join(dir, imgspecv1.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	document := func(mediaType string, v any) imgspecv1.Descriptor {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d := imgspecv1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		write(t, filepath.Join(blobs, d.Digest.Encoded()), data)
		return d
	}
	diffID, layer := compressed(t, filepath.Join(blobs, "layer"), func(w io.Writer) {
		archive := tar.NewWriter(w)
		fill(archive)
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if err := os.Rename(filepath.Join(blobs, "layer"), filepath.Join(blobs, layer.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	config := document(imgspecv1.MediaTypeImageConfig, imgspecv1.Image{
		Platform: imgspecv1.Platform{Architecture: "amd64", OS: "linux"}, RootFS: imgspecv1.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
	})
	manifest := document(imgspecv1.MediaTypeImageManifest, imgspecv1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest, Config: config, Layers: []imgspecv1.Descriptor{layer},
	})
	for name, v := range map[string]any{
		imgspecv1.ImageIndexFile:  imgspecv1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []imgspecv1.Descriptor{manifest}},
		imgspecv1.ImageLayoutFile: imgspecv1.ImageLayout{Version: imgspecv1.ImageLayoutVersion},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), data)
	}
	return dir
}

// A million files in a layer, each of which breaks several rules, and more in
// the initramfs than are read, cost memory that is bounded, and end. As in
// [TestBootMisbehaves], no test is beside it.
func TestCheckOfAMillionFiles(t *testing.T) {
	const million, peakMB, folder = 1_000_000, 1200, "usr/lib/modules/6.1.0/"
	initramfs := filepath.Join(t.TempDir(), "initramfs")
	compressed(t, initramfs, func(w io.Writer) {
		archive := cpio.NewWriter(w)
		for i := range million + 1 {
			if err := archive.WriteHeader(&cpio.Header{Name: fmt.Sprintf("%03d-%07d", i%1000, i), Mode: cpio.TypeReg | 0o644}); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
	})
	inside, err := os.ReadFile(initramfs)
	if err != nil {
		t.Fatal(err)
	}
	dir := layoutOf(t, func(w *tar.Writer) {
		add := func(name string, content []byte, mode int64) {
			err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Uid: 4242, Size: int64(len(content)), Typeflag: tar.TypeReg})
			if err == nil {
				_, err = w.Write(content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		add(folder+"vmlinuz", nil, 0o644)
		add(folder+"initramfs.img", inside, 0o644)
		for i := range million {
			add(fmt.Sprintf("usr/share/%03d/\x1b[31m%d", i%1000, i), nil, 0o666)
		}
	})
	cmd := command(t, "check", "--format", "json", "oci:"+dir)
	o := cmd.run(t)
	o.want(t, 4)
	if peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10; peak > peakMB { // KiB of getrusage(2)
		t.Errorf("it took %d MB, more than %d", peak, peakMB)
	} else {
		t.Logf("%d MB, %s", peak, cmd.ProcessState.UserTime())
	}
	if strings.Contains(o.stdout+o.stderr, "\x1b") {
		t.Error("a name colours the terminal")
	}
	var report check.Report
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Fatal(err)
	}
	for _, rule := range report.Rules {
		switch {
		case rule.ID == "world-writable" && rule.Findings != million:
			t.Errorf("%d files are found to be world-writable", rule.Findings)
		case rule.ID == "initramfs-decodes" && (rule.Status != check.StatusCouldNotRun || !strings.Contains(rule.Reason, "number of entries")):
			t.Errorf("of the initramfs it says %s %q", rule.Status, rule.Reason)
		}
	}
}
