package chunk

import (
	"compress/gzip"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// readChangelogs adds what dpkg's database does not say. It is a hint: what
// cannot be read is no error.
func (a *assigner) readChangelogs() {
	if a.in.Open == nil {
		return
	}
	stable := slices.ContainsFunc(a.sources, func(s source) bool { return updates(s.versions) > 0 })
	for i := range a.sources {
		s := &a.sources[i]
		if len(s.changes) > 0 || !s.built.IsZero() {
			continue
		}
		for _, p := range s.packages {
			for _, name := range dpkgChangelogs(p) {
				if at, ok := a.place[name]; ok && a.files[at].Mode.IsRegular() && s.changes == nil {
					s.changes, s.flaws = a.readChangelog(name, stable)
				}
			}
		}
	}
}

// newest is how much of a changelog is read: the years that count are first.
const newest = 256 << 10

func (a *assigner) readChangelog(name string, stable bool) (times []time.Time, flaws int) {
	f, err := a.in.Open(name)
	if err != nil {
		return nil, 0
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, 0
	}
	text, _ := io.ReadAll(io.LimitReader(z, newest))
	return parseChangelog(string(text), stable)
}

// dpkgChangelogs are the places of a package's changelog (Debian Policy 12.7;
// a native package has the second).
func dpkgChangelogs(name string) []string {
	return []string{"usr/share/doc/" + name + "/changelog.Debian.gz", "usr/share/doc/" + name + "/changelog.gz"}
}

// entryHead and entryEnd are the first and the last line of an entry of a
// Debian changelog (deb-changelog(5)).
var (
	entryHead = regexp.MustCompile(`^\S+ \([^)]*\)((?: [-+.a-zA-Z0-9]+)+);`)
	entryEnd  = regexp.MustCompile(`^ -- .*>  (.*)$`)
)

// flaw is what changelogs call a hole by.
const flaw = "CVE-"

// parseChangelog returns the times of a Debian changelog's entries, and the
// number of those that mended holes. Where the distribution is a stable one,
// what was done in its time of development says nothing of how often it is
// updated, and the times of that are left out; the holes tell all the same who
// finds more of them.
func parseChangelog(text string, stable bool) (times []time.Time, flaws int) {
	times = []time.Time{}
	skip, counted := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		if m := entryHead.FindStringSubmatch(line); m != nil {
			skip, counted = stable && (m[1] == " unstable" || m[1] == " experimental"), false
			continue
		}
		if !counted && strings.Contains(line, flaw) {
			counted = true
			flaws++
		}
		m := entryEnd.FindStringSubmatch(line)
		if m == nil || skip {
			continue
		}
		if t, err := time.Parse("Mon, _2 Jan 2006 15:04:05 -0700", m[1]); err == nil {
			times = append(times, t)
		}
	}
	return times, flaws
}
