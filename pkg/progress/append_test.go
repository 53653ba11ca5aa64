package progress

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

// clock is a time that moves when it is told to.
type clock struct {
	mu     sync.Mutex
	t      time.Time
	timers []*timer
}

type timer struct {
	at   time.Time
	fire func()
}

func newClock() *clock { return &clock{t: time.Date(2026, 9, 2, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	var due []*timer
	c.timers = slices.DeleteFunc(c.timers, func(t *timer) bool {
		if t.at.After(c.t) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mu.Unlock()
	for _, t := range due {
		t.fire()
	}
}

func (c *clock) after(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.t.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		before := len(c.timers)
		c.timers = slices.DeleteFunc(c.timers, func(other *timer) bool { return other == t })
		return len(c.timers) < before
	}
}

func (c *clock) timing() timing { return timing{now: c.now, after: c.after} }

// script is a run that shows everything a reporter can be told.
func script(r Reporter, c *clock) {
	plan := r.Stage("plan")
	plan.Infof("base is %s", "quay.io/centos-bootc/centos-bootc@sha256:0123")
	c.pass(240 * time.Millisecond)
	plan.End(nil)

	build := r.Stage("build")
	fmt.Fprint(build.Output(), "STEP 1/2: FROM base\nSTEP 2/2: RUN dnf -y install wine\nDownloading 10%\rDownload")
	fmt.Fprint(build.Output(), "ing 100%\n\x1b[32mComplete!\x1b[0m\x1b]0;title\a\n")
	fmt.Fprint(build.Output(), "::set-output name=x::y\n  ::add-mask::a\nsee ##[group]z\n\n50 %, 100 %")
	build.Warnf("100%% of the disk is used:\nremove %q, then go on", "a,b:c")
	c.pass(61 * time.Second)
	build.End(nil)

	push := r.Stage("push")
	layer := push.Transfer("layer 3f2a91", 1_400_000_000)
	unknown := push.Transfer("configuration", -1)
	push.Transfer("layer 77aa00", 267_000_000).Done("exists")
	for range 100 { // 250 s
		c.pass(2500 * time.Millisecond)
		layer.Add(14_000_000)
		unknown.Add(7)
	}
	layer.Done("pushed")
	unknown.Done("")
	push.Transfer("nothing", 0).Done("")
	push.End(errors.New("pushing \"r/x\": denied\n::error::injected"))

	sign := r.Stage("sign")
	c.pass(3*time.Hour + 2*time.Minute)
	sign.End(fmt.Errorf("signing: %w", context.Canceled))
}

func TestPlainGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newClock()
	script(newPlain(&out, c.timing()), c)
	golden.Check(t, filepath.Join("testdata", "plain.txt"), out.Bytes())
}

func TestActionsGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newClock()
	script(newActions(&out, c.timing()), c)
	golden.Check(t, filepath.Join("testdata", "actions.txt"), out.Bytes())
}

func TestTransferLines(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	type add struct {
		after time.Duration
		bytes int64
	}
	for _, tt := range []struct {
		name  string
		total int64
		adds  []add
		want  string
	}{
		{"short ones have no line", 100 * mb, []add{{time.Second, 50 * mb}, {time.Second, 50 * mb}}, ""},
		{"a tenth after a while", 100 * mb, []add{{14 * time.Second, 20 * mb}, {time.Second, 1}}, "s: x: 20% of 100 MB\n"},
		{"less than a tenth waits", 100 * mb, []add{{16 * time.Second, 5 * mb}, {15 * time.Second, 1}}, ""},
		{"but not for ever", 100 * mb, []add{{59 * time.Second, 5 * mb}, {time.Second, 1}}, "s: x: 5% of 100 MB\n"},
		{"more than was said", 100 * mb, []add{{20 * time.Second, 120 * mb}}, "s: x: 100% of 100 MB\n"},
		{"unknown size", -1, []add{{20 * time.Second, 1500}, {40 * time.Second, 1}}, "s: x: 1.5 kB so far\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c := newClock()
			s := newPlain(&out, c.timing()).Stage("s")
			s.Infof("not silent")
			tr := s.Transfer("x", tt.total)
			out.Reset()
			for _, a := range tt.adds {
				c.pass(a.after)
				tr.Add(a.bytes)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// Of transfers that are soon over, a line sums up those that ended alike: after a
// while, and before whatever else is said.
func TestTally(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newClock()
	s := newPlain(&out, c.timing()).Stage("push")
	ends := func(name string, size int64, note string) { s.Transfer(name, size).Done(note) }
	ends("a1", 1000, "exists")
	ends("b2", 2000, "done")
	ends("c3", 3000, "exists")
	c.pass(quietFor)
	ends("d4", 4000, "done")
	ends("e5", 5000, "done")
	s.Warnf("careful")
	long := s.Transfer("f6", 6000)
	c.pass(quietFor)
	ends("g7", 7000, "exists")
	long.Done("done")
	ends("h8", 8000, "done")
	s.Infof("repository@digest\n\nof both")
	ends("i9", 9000, "done")
	ends("j0", -1, "done")
	s.End(nil)
	want := `push: started
push: 2 blobs: 4.0 kB, exists
push: 2 blobs: 6.0 kB, done
push: e5: 5.0 kB, done
push: warning: careful
push: g7: 7.0 kB, exists
push: f6: 6.0 kB, done
push: h8: 8.0 kB, done
push: repository@digest
push:
push: of both
push: 2 blobs: 9.0 kB, done
push: done in 30.0 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Only a stage that is silent for a while is said to have started.
func TestStarted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		run  func(*clock, Stage)
		want string
	}{
		{"soon over", func(c *clock, s Stage) { c.pass(silentFor / 2); s.End(nil); c.pass(silentFor) }, "s: done in 0.5 s\n"},
		{"silent", func(c *clock, s Stage) { c.pass(silentFor); s.Infof("x"); s.End(nil) }, "s: started\ns: x\ns: done in 1.0 s\n"},
		{"heard", func(c *clock, s Stage) { s.Infof("x"); c.pass(silentFor); s.End(nil) }, "s: x\ns: done in 1.0 s\n"},
		{"steps heard", func(c *clock, s Stage) { fmt.Fprintln(s.Output(), "x"); c.pass(silentFor); s.End(nil) }, "s | x\ns: done in 1.0 s\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c := newClock()
			tt.run(c, newPlain(&out, c.timing()).Stage("s"))
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		-1: "0 B", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 267_400_000: "267 MB", 21_600_000_000: "22 GB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// hammer uses a reporter from many sides at once, as a build and a push do.
func hammer(r Reporter) {
	s := r.Stage("build")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			tr := s.Transfer(fmt.Sprintf("layer %d", i), 1000)
			for j := range 50 {
				fmt.Fprintf(s.Output(), "step %d line %d\n", i, j)
				tr.Add(20)
				s.Infof("info %d", j)
				s.Warnf("warning %d", j)
			}
			tr.Done("pushed")
		})
	}
	wg.Wait()
	s.End(nil)
}

// ended returns how many transfers of hammer are told to have ended.
func ended(t *testing.T, text string) (n int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`: (?:layer \d|(\d) blobs): .*, pushed\n`).FindAllStringSubmatch(text, -1) {
		several, err := strconv.Atoi(stdcmp.Or(m[1], "1"))
		if err != nil {
			t.Fatal(err)
		}
		n += several
	}
	return n
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for name, newReporter := range map[string]func(*bytes.Buffer) Reporter{
		"plain":    func(b *bytes.Buffer) Reporter { return NewPlain(b) },
		"actions":  func(b *bytes.Buffer) Reporter { return NewActions(b) },
		"redacted": func(b *bytes.Buffer) Reporter { return Redact(NewPlain(b), []string{"secret"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			hammer(newReporter(&out))
			for want, n := range map[string]int{"info ": 8 * 50, "line ": 8 * 50, "warning ": 8 * 50} {
				if got := strings.Count(out.String(), want); got < n {
					t.Errorf("%q is there %d times, want %d", want, got, n)
				}
			}
			if n := ended(t, ": "+strings.ReplaceAll(out.String(), "\n", "\n: ")); n != 8 {
				t.Errorf("%d transfers ended, want 8", n)
			}
		})
	}
}
