package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

// recorded is what the transcripts were asked, all of them of the Debian test
// base with systemd 252 under TCG.
func recorded() Expect {
	root := "root"
	return Expect{
		Active: []string{"systemd-journald.service", "getty@tty1.service"}, Ports: []Port{{22, "tcp"}},
		Commands: []Command{
			{Run: "id; cat /proc/cmdline\n# it's\nexit 3", Status: 3, Contains: &root},
			{Run: "exec 2>&1; kill -9 $PPID; kill -9 $$", Matches: regexp.MustCompile("x")},
			{Run: "true"},
		},
		Within: 60 * time.Second,
	}
}

func TestObserveTranscripts(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".transcript"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer := transcript(t, path)
				conn := (&shell{t: t, answer: func(command string) (reply, bool) {
					time.Sleep(time.Second) // of the test's own clock
					return answer(command)
				}}).connect()
				defer conn.Close()
				report, err := Observe(t.Context(), conn, Options{Expect: recorded(), Timeout: 10 * time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				got, err := json.MarshalIndent(struct {
					Report   *Report
					Problems []Problem
					Notes    []string
				}{report, report.Problems(), report.Notes()}, "", "\t")
				if err != nil {
					t.Fatal(err)
				}
				golden.Check(t, strings.TrimSuffix(path, ".transcript")+".json", append(got, '\n'))
			})
		})
	}
}

// booted answers as a guest that has reached its target.
func booted(command string) reply {
	switch {
	case strings.Contains(command, "-p NJobs"):
		return reply{0, "SystemState=running\nNJobs=0"}
	case strings.Contains(command, "emergency.target"):
		return reply{0, "Id=multi-user.target\nLoadState=loaded\nActiveState=active\nJob=\nActiveEnterTimestampMonotonic=9000000\n\n" +
			"Id=emergency.target\nLoadState=loaded\nActiveState=inactive\n\nId=rescue.target\nLoadState=loaded\nActiveState=inactive"}
	case command == "uname -r":
		return reply{0, "6.1.0"}
	case strings.Contains(command, "Tainted"):
		return reply{0, "SystemState=running\nTainted=unmerged-usr:old-kernel\nUserspaceTimestampMonotonic=3000000\nFinishTimestampMonotonic=9500000"}
	}
	return reply{}
}

func observe(t *testing.T, s *shell, o Options) (*Report, error) {
	t.Helper()
	conn := s.connect()
	defer conn.Close()
	return Observe(t.Context(), conn, o)
}

func TestShellThatIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, dying := range []int{1, 2, 4} {
			s := &shell{t: t}
			asked := 0
			s.answer = func(command string) (reply, bool) {
				asked++
				return booted(command), asked != dying
			}
			report, err := observe(t, s, Options{})
			if err != nil || !report.OK() || report.Kernel != "6.1.0" || report.Times.Target != 9 || report.Times.Userspace != 6.5 {
				t.Errorf("after command %d: %+v, %v", dying, report, err)
			}
		}
	})
}

func TestGuestThatGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for asked := range 4 {
			host, far := net.Pipe()
			s := &shell{t: t}
			n := 0
			s.answer = func(command string) (reply, bool) {
				if n++; n > asked {
					far.Close()
				}
				return booted(command), true
			}
			go s.serve(far)
			report, err := Observe(t.Context(), host, Options{})
			if !errors.Is(err, io.EOF) || report == nil || !report.Shell {
				t.Errorf("gone after %d answers: %+v, %v", asked, report, err)
			}
			host.Close()
		}
	})
}

func TestNoShell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host, far := net.Pipe()
		defer host.Close()
		defer far.Close()
		report, err := Observe(t.Context(), host, Options{Timeout: time.Minute})
		if err != nil || report.Shell || !report.TimedOut || report.OK() {
			t.Errorf("got %+v, %v", report, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err = Observe(ctx, host, Options{Timeout: time.Minute})
		if !errors.Is(err, context.DeadlineExceeded) || report.Shell || report.TimedOut {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}

// A guest that stops in the middle is reported with what it waited for.
func TestGuestThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, asked, hangs := &shell{t: t}, 0, make(chan struct{})
		defer close(hangs)
		s.answer = func(command string) (reply, bool) {
			asked++
			switch {
			case asked > 40:
				<-hangs
			case strings.Contains(command, "-p NJobs"):
				return reply{0, "SystemState=starting\nNJobs=3"}, true
			case strings.Contains(command, "emergency.target"):
				r := booted(command)
				r.output = strings.Replace(r.output, "ActiveState=active\nJob=", "ActiveState=inactive\nJob=7", 1)
				return r, true
			case strings.Contains(command, "list-jobs"):
				return reply{0, "7 multi-user.target start waiting\n9 slow.service   start running\nrubbish"}, true
			}
			return reply{}, true
		}
		conn := s.connect()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		report, err := Observe(ctx, conn, Options{Timeout: 5 * time.Minute})
		if !errors.Is(err, context.DeadlineExceeded) || !report.TimedOut || report.Lost || report.State != "starting" {
			t.Errorf("got %+v, %v", report, err)
		}
		want := []string{"the job to start slow.service is running", "the job to start multi-user.target is waiting"}
		if got := report.Problems()[0]; !slices.Equal(got.Detail, want) {
			t.Errorf("got %q, want %q", got.Detail, want)
		}
		conn.Close()
	})
}

// Of a guest that goes down nothing is concluded: it may come back.
func TestGuestThatGoesDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for state, job := range map[string]string{"active": "\nJob=7", "inactive": "\nJob=0"} {
			conn, start := io.ReadWriteCloser(nil), time.Now()
			s := &shell{t: t, answer: func(command string) (reply, bool) {
				r := booted(command)
				switch {
				case strings.Contains(command, "-p NJobs"):
					r.output = "SystemState=stopping\nNJobs=9"
				case strings.Contains(command, "emergency.target"):
					r.output = strings.Replace(r.output, "ActiveState=active\nJob=", "ActiveState="+state+job, 1)
				case time.Since(start) > 40*time.Second:
					conn.Close()
				case strings.HasPrefix(command, "timeout 5 "):
					time.Sleep(6 * time.Second)
				}
				return r, true
			}}
			conn = s.connect()
			report, err := Observe(t.Context(), conn, Options{})
			if err == nil || report.Lost || report.State != "stopping" || time.Since(start) < 40*time.Second {
				t.Errorf("%s: after %s %+v, %v", state, time.Since(start), report, err)
			}
		}
	})
}

// A guest that waits for ever is not waited for, one that works is.
func TestGuestThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for idle, stalls := range map[int]bool{100: true, 80: true, 50: false, 0: false} {
			start := time.Now()
			s := &shell{t: t, answer: func(command string) (reply, bool) {
				uptime := int(time.Since(start).Milliseconds())
				switch {
				case strings.Contains(command, "-p NJobs"):
					return reply{0, fmt.Sprintf("SystemState=starting\nNJobs=2\nNInstalledJobs=%d", 70+min(uptime/1000, 30))}, true
				case strings.Contains(command, "emergency.target"):
					r := booted(command)
					r.output = strings.Replace(r.output, "ActiveState=active\nJob=", "ActiveState=inactive\nJob=7", 1)
					return r, true
				case strings.Contains(command, "/proc/stat"):
					return reply{0, fmt.Sprintf("cpu %d 0 0 %d 0 0 0 0 0 0", uptime*(100-idle), uptime*idle)}, true
				case strings.Contains(command, "list-jobs"):
					return reply{0, "9 slow.service start running"}, true
				case strings.HasPrefix(command, "timeout 5 "):
					time.Sleep(6 * time.Second)
				}
				return reply{}, true
			}}
			report, err := observe(t, s, Options{Timeout: 10 * time.Minute})
			took := time.Since(start)
			if err != nil || report.Stalled != stalls || report.TimedOut == stalls || stalls && took > 3*time.Minute {
				t.Errorf("%d%% idle: after %s %+v, %v", idle, took, report, err)
			}
			if got := report.Problems()[0].Detail; len(got) != 1 || got[0] != "the job to start slow.service is running" {
				t.Errorf("%d%% idle: got %q", idle, got)
			}
		}
	})
}

// What a guest prints without an end is not kept, and the verdict still comes.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shell{t: t}
		flood := strings.Repeat("\x1b[31mroot@localhost:/# ", 200_000) + strings.Repeat("x\n", 200_000)
		s.answer = func(command string) (reply, bool) {
			r := booted(command)
			if r.output == "" || strings.HasPrefix(command, "timeout -k") {
				r.output = flood
			}
			return r, true
		}
		report, err := observe(t, s, Options{Expect: Expect{Commands: []Command{{Run: "flood"}}, AllowFailed: []string{"*"}}})
		if err != nil || !report.Reached || len(report.Assertions) != 1 || !report.Assertions[0].OK {
			t.Fatalf("got %+v, %v", report, err)
		}
		text, err := json.Marshal(report)
		if err != nil || len(text) > 64<<10 || strings.Contains(string(text), `\u001b`) {
			t.Errorf("the report has %d bytes: %.300s, %v", len(text), text, err)
		}
	})
}

// Once the outcome is known, a job that never ends is not waited for.
func TestJobThatNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for state, longest := range map[string]time.Duration{"active": 2 * time.Minute, "inactive": 20 * time.Second} {
			s := &shell{t: t, answer: func(command string) (reply, bool) {
				r := booted(command)
				switch {
				case strings.Contains(command, "-p NJobs"):
					r.output = "SystemState=starting\nNJobs=1\nNInstalledJobs=90"
				case strings.Contains(command, "emergency.target"):
					r.output = strings.Replace(r.output, "ActiveState=active", "ActiveState="+state, 1)
				case strings.Contains(command, "list-jobs"):
					r.output = "9 slow.service start running"
				case strings.HasPrefix(command, "timeout 5 "):
					time.Sleep(6 * time.Second)
				}
				return r, true
			}}
			start := time.Now()
			report, err := observe(t, s, Options{})
			if took := time.Since(start); err != nil || took > longest || report.Reached != (state == "active") || report.Lost == report.Reached || len(report.Waiting) != 1 {
				t.Errorf("%s: after %s %+v, %v", state, took, report, err)
			}
		}
	})
}
