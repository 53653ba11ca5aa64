package chunk

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	// halfLife is after how many days a change counts half: what a package did
	// years ago says less, and in another phase of its distribution.
	halfLife = 365
	// watched is the number of days that changelogs stand for, so weighed.
	watched = halfLife / math.Ln2
	// belief is how many days of watching the prior is worth.
	belief = 365
	// seldom is the prior of a package, in changes per day, once more for each
	// entry of its changelog that mended a hole: who parses what strangers send
	// is found to have more of them. Both numbers and halfLife are those that
	// foretell best which of a desktop's packages Debian 12 updated within 132
	// days, from what their changelogs said before: eight such times, 649
	// sources, 272 updates. A package without a hole or a change has one in 27
	// years.
	seldom = 1. / 4000
	// window is how far back two changelogs are held against each other.
	window = 365 * day
)

const day = 24 * time.Hour

// often are source packages that follow an upstream with a calendar of its own,
// by changes per day; where a changelog says something else, it wins in time.
var often = map[string]float64{
	"chromium": 1. / 10, "google-chrome-stable": 1. / 10, "microsoft-edge-stable": 1. / 10, "brave-browser": 1. / 10,
	"vivaldi-stable": 1. / 10, "code": 1. / 10, "firefox": 1. / 20, "firefox-esr": 1. / 28, "thunderbird": 1. / 28,
	"kernel": 1. / 20, "linux": 1. / 28, "linux-signed-amd64": 1. / 28, "linux-signed-arm64": 1. / 28,
	"webkit2gtk": 1. / 45, "webkit2gtk3": 1. / 45, "webkitgtk": 1. / 45, "linux-firmware": 1. / 40, "tzdata": 1. / 90,
	"intel-microcode": 1. / 90, "glibc": 1. / 120, "systemd": 1. / 90, "openssl": 1. / 90,
}

// Rates of what has no package, in changes per day.
const (
	fileRate   = 1. / 60
	folderRate = 1. / 40
	etcRate    = 1. / 20
	initRate   = 1. / 30 // beside that of the kernel
)

// stableUpdate counts the updates that a distribution made to a package after
// its release: 2.36-9+deb12u10, 1.1.1f-1ubuntu2.24, 0ubuntu0.22.04.5.
var stableUpdate = regexp.MustCompile(`[+~]deb\d+u(\d+)|ubuntu(?:\d+\.)+(\d+)`)

// backport marks a new upstream version in a distribution that else has none.
var backport = regexp.MustCompile(`~deb\d+u\d+`)

// rater turns what packages say into rates, in changes per day.
type rater struct {
	now time.Time // the newest of everything: no clock is asked
	age float64   // days since the distribution's release, as far as one sees
}

// newRater finds the two times from when sources were built (their own word, or
// the time of most of their files).
func newRater(list []source, epochs []time.Time) *rater {
	r := &rater{age: 365}
	var untouched []time.Time
	latest := func(t time.Time) {
		if t.After(r.now) {
			r.now = t
		}
	}
	for i := range list {
		latest(epochs[i])
	}
	if r.now.IsZero() { // who writes a changelog may err in the year, which machines that build do not
		for _, s := range list {
			for _, t := range s.changes {
				latest(t)
			}
		}
	}
	for i, s := range list {
		if !epochs[i].IsZero() && updates(s.versions) == 0 {
			untouched = append(untouched, epochs[i])
		}
	}
	if len(untouched) > 0 {
		slices.SortFunc(untouched, time.Time.Compare)
		release := untouched[len(untouched)*19/20]
		r.age = min(max(r.now.Sub(release).Hours()/24, 60), 3*365)
	}
	return r
}

func updates(versions []string) int {
	most := 0
	for _, v := range versions {
		if m := stableUpdate.FindStringSubmatch(v); m != nil {
			n, err := strconv.Atoi(m[1] + m[2])
			if err == nil {
				most = max(most, min(n, 100))
			}
		}
	}
	return most
}

// rate is the expectation of a gamma distribution whose prior is worth belief
// days of watching.
func (r *rater) rate(s *source) float64 {
	prior, known := often[s.name]
	if !known {
		prior = seldom * float64(1+s.flaws)
	}
	if s.changes != nil {
		last, n := -1, 0.
		for _, t := range slices.SortedFunc(slices.Values(s.changes), time.Time.Compare) {
			if age := max(int(r.now.Sub(t).Hours()/24), 0); age != last && !t.IsZero() {
				n += math.Exp2(-float64(age) / halfLife)
				last = age
			}
		}
		return (n + prior*belief) / (watched + belief)
	}
	if n := updates(s.versions); n > 0 && !known {
		if slices.ContainsFunc(s.versions, backport.MatchString) {
			prior = 1. / 60
		}
		return (float64(n) + prior*belief) / (r.age + belief)
	}
	return prior
}

// days are those on which a source changed within the window, sorted.
func (r *rater) days(s *source) []int {
	var list []int
	for _, t := range s.changes {
		if age := max(r.now.Sub(t), 0); age < window && !t.IsZero() {
			list = append(list, int(math.Floor(age.Hours()/24)))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// together is how much of two sources' changes has to be on common days for
// them to be released together.
const together = 0.6

// releases finds sources that are released together: desktops and their
// frameworks, compilers. It returns for each source the number of its set, -1
// for those that go their own way. Each source is held against the first of a
// set, in the order of the list.
func (r *rater) releases(list []source) []int {
	sets := make([]int, len(list))
	type first struct {
		days []int
		at   int
	}
	var leaders []first
	byDay := map[int][]int{} // leaders that changed that day
	for i := range list {
		sets[i] = -1
		days := r.days(&list[i])
		if len(days) < 2 {
			continue
		}
		common := map[int]int{}
		for _, d := range days {
			for _, l := range byDay[d] {
				common[l]++
			}
		}
		best := -1
		for l, n := range common {
			union := len(days) + len(leaders[l].days) - n
			if n >= 2 && float64(n) >= together*float64(union) && (best < 0 || l < best) {
				best = l
			}
		}
		if best >= 0 {
			sets[i], sets[leaders[best].at] = best, best
			continue
		}
		for _, d := range days {
			byDay[d] = append(byDay[d], len(leaders))
		}
		leaders = append(leaders, first{days, i})
	}
	return sets
}
