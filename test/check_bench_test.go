//go:build e2e

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// BenchmarkCheckStored checks whole images in turns with what nobody can do
// without: the metadata of all files, by find, and the initramfs, decoded
// once. It reports the ratio of the fastest runs ("ratio", 1 is nothing on
// top) and the peak of the resident memory ("peak-MB"). The first image is the
// base; the second has 150,000 files more and 3 GB, on top of it.
func BenchmarkCheckStored(b *testing.B) {
	base := mounted(b, debianBase)
	b.Run("base", func(b *testing.B) { benchmarkCheck(b, base, debianBase) })
	b.Run("large", func(b *testing.B) {
		dir := largeFolder(b, base)
		benchmarkCheck(b, dir, "--rootfs", dir)
	})
}

func benchmarkCheck(b *testing.B, dir string, args ...string) {
	b.Helper()
	initramfs, err := filepath.Glob(filepath.Join(dir, "usr/lib/modules/*/initramfs.img"))
	if err != nil || len(initramfs) != 1 {
		b.Fatalf("initramfs images: %q, %v", initramfs, err)
	}
	peer := func() {
		find := exec.Command("find", dir, "-printf", "%p %M %U %G %s %T@ %i %n %l\\n")
		if err := find.Run(); err != nil {
			b.Fatalf("running find: %v", err)
		}
		f, err := os.Open(initramfs[0])
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if _, err := kernel.ReadInitramfs(b.Context(), f, kernel.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	compareCheck(b, func() {}, peer, args...)
}

// compareCheck runs check in turns with its peer, after other, and returns the
// fastest run.
func compareCheck(b *testing.B, other, peer func(), args ...string) time.Duration {
	b.Helper()
	peer() // what the kernel has not cached yet it reads here
	var ours, theirs time.Duration = 1 << 62, 1 << 62
	peak := int64(0)
	for b.Loop() {
		other()
		begin := time.Now()
		peer()
		theirs = min(theirs, time.Since(begin))
		cmd := command(b, append([]string{"check", "--format", "json"}, args...)...)
		begin = time.Now()
		o := cmd.run(b)
		ours = min(ours, time.Since(begin))
		if o.status != 0 && o.status != 4 {
			o.want(b, 0)
		}
		// In KiB (getrusage(2)).
		peak = max(peak, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
	b.ReportMetric(ours.Seconds(), "s/check")
	b.ReportMetric(float64(peak)/1024, "peak-MB")
	return ours
}

// largeFolder lays 150,000 files of 3 GB over an image. Most of an image's
// files are small; the bytes are in a few large ones, of holes.
func largeFolder(b *testing.B, base string) string {
	b.Helper()
	const folders, files, large = 1500, 100, 30
	dir := b.TempDir()
	for _, name := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for i := range folders {
		folder := filepath.Join(dir, "upper/usr/share/kiln", fmt.Sprint(i%40), fmt.Sprint(i))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range files {
			name := filepath.Join(folder, fmt.Sprintf("file-%d.png", j))
			if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
				b.Fatal(err)
			}
			if j == 0 && i < large {
				if err := os.Truncate(name, 100_000_000); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	merged := filepath.Join(dir, "merged")
	if err := syscall.Mount("overlay", merged, "overlay", 0, "lowerdir="+base+",upperdir="+dir+"/upper,workdir="+dir+"/work"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := syscall.Unmount(merged, syscall.MNT_DETACH); err != nil {
			b.Error(err)
		}
	})
	return merged
}

// BenchmarkCheckRemote checks the base in a registry in turns with downloading
// its layers and decompressing them, by the library that check uses ("ratio"),
// and with doing that and verifying both digests of each, as every client must
// ("verified-ratio").
func BenchmarkCheckRemote(b *testing.B) {
	r := startRegistry(b, newAuthority(b))
	const repository = "os/bench"
	image := "docker://" + r.host + "/" + repository + ":latest"
	copyImage(b, "containers-storage:"+debianBase, image, r.access())
	var manifest imgspecv1.Manifest
	if err := json.Unmarshal(r.manifest(b, repository, "latest"), &manifest); err != nil {
		b.Fatal(err)
	}
	var config imgspecv1.Image
	if err := json.NewDecoder(r.blob(b, repository, manifest.Config.Digest.String())).Decode(&config); err != nil {
		b.Fatal(err)
	}
	download := func(verify bool) {
		for i, layer := range manifest.Layers {
			body := r.blob(b, repository, layer.Digest.String())
			compressed, plain := layer.Digest.Verifier(), config.RootFS.DiffIDs[i].Verifier()
			from, to := io.Reader(body), io.Discard
			if verify {
				from, to = io.TeeReader(body, compressed), plain
			}
			content, _, err := compression.AutoDecompress(from)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(to, content); err != nil {
				b.Fatal(err)
			}
			_ = content.Close()
			if _, err := io.Copy(io.Discard, from); err != nil {
				b.Fatal(err)
			}
			_ = body.Close()
			if verify && (!compressed.Verified() || !plain.Verified()) {
				b.Fatal("the registry has another layer")
			}
		}
	}
	verifying := time.Duration(1 << 62)
	ours := compareCheck(b, func() {
		begin := time.Now()
		download(true)
		verifying = min(verifying, time.Since(begin))
	}, func() { download(false) }, image, "--cert-dir", r.ca.dir, "--creds", registryUser+":"+registryPassword)
	b.ReportMetric(ours.Seconds()/verifying.Seconds(), "verified-ratio")
}
