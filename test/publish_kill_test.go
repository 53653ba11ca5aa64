//go:build e2e

package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// parallel is how many blobs are under way at a time.
const parallel = 4

// TestKilledDuringThePublish kills a publish at ten requests, before, while and
// after the registry did what it was asked for, and resumes it; with a registry
// that keeps an upload whose connection broke, and with one that loses it.
func TestKilledDuringThePublish(t *testing.T) {
	t.Parallel()
	x := newTransaction(t)
	x.Forget()
	x.aim(t)
	bootkiln(t, x.publishing("--resume")...).want(t, 0, "cut already")
	all := len(x.Requests())
	whole := x.sentTo(x.repository)
	if all < 40 || whole == 0 {
		t.Fatalf("%d requests sent %d bytes: this test sees nothing", all, whole)
	}
	// What is signed anew is sent anew.
	signatures := whole - x.layoutSize(t)
	dice := rand.New(rand.NewPCG(7, 7))
	for _, keeps := range []bool{false, true} {
		name := "lost"
		if keeps {
			name = "kept"
		}
		x := &transaction{registryBed: newRegistryBed(t, registryConfig{keeps: keeps}), project: x.project, keys: x.keys}
		for i := range 10 {
			// One of each tenth, so that every part of the way is hit.
			at := all*i/10 + dice.IntN(all/10)
			t.Run(fmt.Sprintf("uploads are %s, at request %d of %d", name, at, all), func(t *testing.T) {
				repository := x.aim(t)
				hit, dead := make(chan struct{}), make(chan struct{})
				x.Mend()
				x.Forget()
				x.Fail(t, faultproxy.Fault{
					Skip: at, Read: []int64{0, 1 << 20, -1}[i%3], Cut: faultproxy.Closed, Then: func() { close(hit); <-dead },
				})
				stop := x.watch(t, repository)
				r := start(t, x.publishing("--resume")...)
				select {
				case <-hit:
				case <-r.ended:
					t.Errorf("it ended before:\n%s", r.said())
				}
				if err := r.Process.Kill(); err != nil {
					t.Error(err)
				}
				r.wait()
				close(dead)
				x.whole(t, repository)

				x.Mend()
				bootkiln(t, x.publishing("--resume")...).want(t, 0, "was built already")
				stop()
				tags := x.whole(t, repository)
				if len(tags) != 2 || tags["latest"] != x.result(t).Published[0].Digest || tags["latest"] != tags["12"] {
					t.Errorf("tags %v", tags)
				}
				// What had arrived is not sent again, and of what was under way nothing, or
				// where the registry lost it, that alone.
				for blob, n := range x.arrived(t, repository) {
					if n > 1 {
						t.Errorf("%s was sent %d times", blob, n)
					}
				}
				most := whole + signatures
				if !keeps {
					most += parallel * x.largest(t)
				}
				if sent := x.sentTo(repository); sent > most {
					t.Errorf("%d bytes were sent, of %d: %+v", sent, whole, x.uploads(repository))
				}
				if _, err := os.Stat(filepath.Join(x.out, "uploads.json")); err == nil {
					t.Error("an upload is still remembered")
				}
			})
		}
	}
}
