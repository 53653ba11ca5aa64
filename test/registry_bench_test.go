//go:build e2e

package test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/registry"
)

// skopeo runs Debian's, with nothing of the machine's caches.
func skopeo(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command("skopeo", append([]string{"--tmpdir", t.TempDir()}, args...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "XDG_DATA_HOME="+t.TempDir())
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("skopeo %q: %v\n%s", args, err, said)
	}
}

// BenchmarkPush compares a push with that of skopeo, in the same run and to the
// same registry: of 64 layers that it has none of ("cold"), one ("warm": 63 of
// them are there, from another machine), and all ("same"). The aims are 0.8 and
// 0.1 of skopeo's cold push.
func BenchmarkPush(b *testing.B) {
	const size = 8 << 20
	r := startRegistry(b, newAuthority(b))
	bed := &registryBed{registry: r, ca: r.ca}
	base := newLayout(b, layers(64, size), ordinal)
	push := func(l *ociLayout, repository string, ours bool) time.Duration {
		began := time.Now()
		if ours {
			if _, err := registry.Push(b.Context(), l, r.host+"/"+repository, bed.options(b)); err != nil {
				b.Fatal(err)
			}
		} else {
			skopeo(b, "copy", "--quiet", "--dest-cert-dir", r.ca.dir, "--dest-creds", registryUser+":"+registryPassword,
				"oci:"+l.dir, "docker://"+r.host+"/"+repository+":latest")
		}
		return time.Since(began)
	}
	var cold, warm, same, theirCold, theirWarm time.Duration
	n := 0
	for b.Loop() {
		n++
		// What a registry holds for one repository it takes no second time from
		// the other, but it stores it once: both begin with what nobody has.
		seed := func(which int) func(int) uint64 {
			return func(layer int) uint64 { return uint64(n*1000+which)*1000 + uint64(layer) }
		}
		changed := func(which int) func(int) uint64 {
			return func(layer int) uint64 {
				if layer == 7 {
					return uint64(n*1000+which)*1000 + 999
				}
				return seed(which)(layer)
			}
		}
		a, z := newLayout(b, layers(64, size), seed(1), base), newLayout(b, layers(64, size), seed(2), base)
		ours, theirs := fmt.Sprintf("ours/%d", n), fmt.Sprintf("theirs/%d", n)
		cold += push(a, ours, true)
		theirCold += push(z, theirs, false)
		warm += push(newLayout(b, layers(64, size), changed(1), a), ours, true)
		theirWarm += push(newLayout(b, layers(64, size), changed(2), z), theirs, false)
		same += push(a, ours, true)
	}
	for name, d := range map[string]time.Duration{"cold": cold, "warm": warm, "same": same, "skopeo-cold": theirCold, "skopeo-warm": theirWarm} {
		b.ReportMetric(float64(d.Milliseconds())/float64(n), name+"-ms")
	}
	b.ReportMetric(float64(cold)/float64(theirCold), "cold/skopeo-cold")
	b.ReportMetric(float64(warm)/float64(theirCold), "warm/skopeo-cold")
}
