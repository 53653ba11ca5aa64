//go:build e2e

package test

import (
	"fmt"
	"syscall"
	"testing"
)

// BenchmarkPublishMemory reports the peak of the resident memory of a publish
// ("peak-MB"), the largest of its processes: of a small image, and of one with
// a layer of another GiB that cannot be compressed. The two should be alike.
func BenchmarkPublishMemory(b *testing.B) {
	for _, c := range []struct{ name, step string }{
		{"base", "true"},
		{"base and 1 GiB", "head --bytes 1G /dev/urandom > /usr/lib/large"},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newSite(b)
			peak := int64(0)
			for b.Loop() {
				p := newProject(b)
				p.write(b, fmt.Sprintf("run: [{name: fill, shell: %q}]", c.step), s.destination("latest"))
				cmd := command(b, s.publishArgs(p)...)
				cmd.run(b).want(b, 0)
				// Of the process and of all descendants that were waited for, in KiB
				// (getrusage(2)).
				peak = max(peak, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
			}
			b.ReportMetric(float64(peak)/1024, "peak-MB")
		})
	}
}
