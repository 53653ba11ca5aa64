package layermodel

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

var firstNight = time.Date(2026, 7, 7, 0, 0, 0, 0, time.UTC)

// origin is a source package of a real desktop.
type origin struct {
	name    string
	size    int64
	changes []time.Time
	build   int
	here    bool
}

// rate is how often it is going to change, per day: as often as in the three
// years that are known, and hardly ever where it did not.
func (o *origin) rate() float64 { return (float64(len(o.changes)) + 0.1) / 1100 }

func readOrigins(t *testing.T) []*origin {
	t.Helper()
	text, err := os.ReadFile("testdata/desktop.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []*origin
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if words[0] == "#" {
			continue
		}
		o := &origin{name: words[0], here: true}
		for i, w := range words[1:] {
			n, err := strconv.Atoi(w)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				o.size = int64(n) << 10
			} else {
				o.changes = append(o.changes, firstNight.AddDate(0, 0, -n))
			}
		}
		list = append(list, o)
	}
	return list
}

// treeOf is the desktop as it is at night. What the packages have changes as a
// whole with each build, so that nothing is to be gained from splits.
func treeOf(list []*origin, night int) *Tree {
	tree := &Tree{}
	add := func(name string, size int64, version int) {
		tree.Files = append(tree.Files, Content{
			File:       chunk.File{Name: name, Mode: 0o644, Size: size * 5 / 2, Time: firstNight},
			Sum:        sha256.Sum256(fmt.Appendf(nil, "%s %d", name, version)),
			Compressed: size,
		})
	}
	for _, o := range list {
		if !o.here {
			continue
		}
		name := "usr/lib/" + o.name + "/all"
		add(name, o.size, o.build)
		tree.Packages = append(tree.Packages, packagedb.Owner{Files: []string{name}, Package: packagedb.Package{
			Name: o.name, Source: o.name, Version: strconv.Itoa(o.build), Format: "rpm", Changes: o.changes, BuildTime: firstNight.AddDate(-3, 0, 0),
		}})
		if o.build > 0 {
			tree.Packages[len(tree.Packages)-1].BuildTime = o.changes[0]
		}
	}
	add("usr/lib/sysimage/rpm/rpmdb.sqlite", 8<<20, night)
	add("usr/lib/modules/6.1/initramfs.img", 30<<20, night/5)
	slices.SortFunc(tree.Files, func(a, b Content) int { return strings.Compare(a.Name, b.Name) })
	return tree
}

// TestSeriesOfNights updates a real desktop night by night: packages change as
// often as they did, some come and some go.
func TestSeriesOfNights(t *testing.T) {
	t.Parallel()
	for _, layers := range []int{64, 128} {
		t.Run(strconv.Itoa(layers), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(11, 11))
			list := readOrigins(t)
			for i := 5; i < len(list); i += 60 {
				list[i].here = false
			}
			const nights = 14
			options := chunk.Options{Layers: layers, Stale: Readable}
			before := treeOf(list, 0)
			plan, err := chunk.Assign(before.Input(), nil, options)
			if err != nil {
				t.Fatal(err)
			}
			var ours, theirs, best, kept []float64
			for night := 1; night <= nights; night++ {
				before.Written(plan)
				for _, o := range list {
					if random.Float64() < -math.Expm1(-o.rate()) {
						o.build++
						o.changes = slices.Insert(slices.Clone(o.changes), 0, firstNight.AddDate(0, 0, night))
					}
				}
				if night%2 == 0 {
					list[random.IntN(len(list))].here = night%4 == 0
					list[5+60*(night/2%8)].here = true
				}
				after := treeOf(list, night)
				next, err := chunk.Assign(after.Input(), plan, options)
				if err != nil {
					t.Fatal(err)
				}
				total := float64(after.Total())
				floor, _, _ := Floor(before, after)
				got := Download(before, before.Planned(plan), after, after.Planned(next))
				chunkah := Download(before, before.Chunkah(layers), after, after.Chunkah(layers))
				ours = append(ours, 1-float64(got)/total)
				theirs = append(theirs, 1-float64(chunkah)/total)
				best = append(best, 1-float64(floor)/total)
				kept = append(kept, ours[night-1]/best[night-1])
				stale, dead := Dead(next)
				t.Logf("night %2d: floor %5.1f MB, ours %5.1f with %.1f dead in %d layers, chunkah's %5.1f %v",
					night, float64(floor)/1e6, float64(got)/1e6, float64(dead)/1e6, stale, float64(chunkah)/1e6, next.Notes)
				if float64(dead) > 0.026*total {
					t.Errorf("night %d: %d of %.0f bytes are dead", night, dead, total)
				}
				before, plan = after, next
			}
			t.Logf("%d layers: %.1f %% are reused in the mean, with chunkah's packing %.1f %%, at most %.1f %%", layers, 100*mean(ours), 100*mean(theirs), 100*mean(best))
			if mean(ours) <= mean(theirs) {
				t.Errorf("chunkah's packing is better")
			}
			if first, last := mean(kept[:3]), mean(kept[nights-3:]); last < 0.95*first {
				t.Errorf("the plan decays: of what can be reused, %.3f is in the first nights and %.3f in the last", first, last)
			}
			if m := mean(kept); m < 0.97 {
				t.Errorf("%.3f of what can be reused is", m)
			}
		})
	}
}

func mean(values []float64) float64 {
	sum := 0.
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
