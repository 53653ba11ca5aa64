//go:build e2e

package test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"go.podman.io/buildah"
	"go.podman.io/buildah/define"
	"go.podman.io/buildah/imagebuildah"
	nettypes "go.podman.io/common/libnetwork/types"

	"github.com/bootkiln/bootkiln/pkg/build"
)

// noNetworks spares buildah the search for netavark.
type noNetworks struct{ nettypes.ContainerNetwork }

// BenchmarkBuildOverhead builds the same Containerfile in turns with bootkiln
// and with the bare library, without the cache, and reports the ratio of the
// fastest runs ("ratio", 1 is no overhead): what other programs do meanwhile
// only makes runs slower. The steps take two seconds, less than any real build.
func BenchmarkBuildOverhead(b *testing.B) {
	s := newTestStore(b)
	builder := s.open(b)
	store := s.store(b)
	f := containerFile(
		"RUN sleep 1 && dd if=/dev/zero of=/var/zero bs=1M count=50",
		"RUN sleep 1 && echo done > /etc/done",
		`LABEL org.example.label="value"`,
	)
	dir := b.TempDir()
	file, policy, tmp := filepath.Join(dir, "Containerfile"), filepath.Join(dir, "policy.json"), filepath.Join(dir, "tmp")
	if err := os.WriteFile(file, f.Text, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(policy, []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		b.Fatal(err)
	}
	b.Setenv("TMPDIR", tmp)
	runtimes, err := build.ProbeRuntimes(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	runtime := runtimes[len(runtimes)-1]
	if runtime.Err != nil {
		b.Fatal(runtime.Err)
	}
	bare := func() {
		_, _, err := imagebuildah.BuildDockerfiles(b.Context(), store, define.BuildOptions{
			ContextDirectory: tmp, OutputFormat: buildah.OCIv1ImageManifest, PullPolicy: define.PullNever,
			Isolation: define.IsolationOCI, Runtime: runtime.Path,
			CommonBuildOpts:  &define.CommonBuildOptions{Ulimit: []string{"nofile=1024:1024", "nproc=1024:1024"}},
			NamespaceOptions: define.NamespaceOptions{{Name: "network", Host: true}}, NetworkInterface: noNetworks{},
			Layers: true, NoCache: true, RemoveIntermediateCtrs: true, ForceRmIntermediateCtrs: true,
			SignaturePolicyPath: policy, Out: io.Discard, Err: io.Discard, ReportWriter: io.Discard,
		}, file)
		if err != nil {
			b.Fatal(err)
		}
	}
	ours := func() {
		_, err := builder.Build(b.Context(), f, build.Options{
			Isolation: build.IsolationOCI, NoCache: true, MinFree: -1, Project: fstest.MapFS{},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var bareTimes, ourTimes []time.Duration
	for b.Loop() {
		begin := time.Now()
		bare()
		middle := time.Now()
		ours()
		bareTimes = append(bareTimes, middle.Sub(begin))
		ourTimes = append(ourTimes, time.Since(middle))
	}
	bareTime, ourTime := slices.Min(bareTimes), slices.Min(ourTimes)
	b.ReportMetric(float64(bareTime.Milliseconds()), "bare-ms")
	b.ReportMetric(float64(ourTime.Milliseconds()), "bootkiln-ms")
	b.ReportMetric(float64(ourTime)/float64(bareTime), "ratio")
}
