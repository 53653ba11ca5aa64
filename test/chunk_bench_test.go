//go:build e2e

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkChunk cuts the base into layers in turns with what somebody would
// run instead, skopeo, which compresses the layers that there are. It reports
// the ratios of the fastest runs (1 is as long as skopeo): "cold" without a
// cache, and "warm" of an image in which a file of every 20th package was
// changed, with the layers of the first in the cache; and the peak of the
// resident memory ("peak-MB").
func BenchmarkChunk(b *testing.B) {
	p := newProject(b)
	p.write(b, `run: [{name: update, shell: "dpkg-query --show --showformat '${Package}\\n' | awk 'NR % 20 == 0' | while read -r p; do dpkg -L $p | while read -r f; do if [ -f $f ] && [ ! -L $f ]; then echo >> $f; break; fi; done; done"}]`, "boot: off")
	bootkiln(b, p.args("build")...).want(b, 0)

	var theirs, cold, warm time.Duration = 1 << 62, 1 << 62, 1 << 62
	peak := int64(0)
	for b.Loop() {
		dir := b.TempDir()
		begin := time.Now()
		skopeo := exec.Command("skopeo", "copy", "--quiet", "--dest-compress", "--dest-compress-format", "zstd", "containers-storage:"+debianBase, "oci:"+filepath.Join(dir, "skopeo"))
		if out, err := skopeo.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		theirs = min(theirs, time.Since(begin))
		run := func(name, cache string, fastest *time.Duration, args ...string) {
			cmd := command(b, append([]string{"chunk", "--quiet", name, "--to", "oci:" + filepath.Join(dir, "layout"), "--cache", cache}, args...)...)
			begin := time.Now()
			cmd.run(b).want(b, 0)
			*fastest = min(*fastest, time.Since(begin))
			// In KiB (getrusage(2)).
			peak = max(peak, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		}
		cache := filepath.Join(dir, "cache")
		run(debianBase, cache, &cold)
		run(p.tag, cache, &warm, "--previous", "oci:"+filepath.Join(dir, "layout"))
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(theirs.Seconds(), "skopeo-s")
	b.ReportMetric(cold.Seconds()/theirs.Seconds(), "cold")
	b.ReportMetric(warm.Seconds()/theirs.Seconds(), "warm")
	b.ReportMetric(float64(peak)/1024, "peak-MB")
}
