package guest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAllowance(t *testing.T) {
	t.Parallel()
	patterns := []string{"vendor-*.service", "broken["}
	for unit, want := range map[string]string{
		"vendor-a.service":                           "the recipe allows it",
		"sshd.service":                               "",
		"NetworkManager-wait-online.service":         noNetwork,
		"systemd-networkd-wait-online@eth0.service":  noNetwork,
		"NetworkManager.service":                     "",
		"nvidia-persistenced.service":                noHardware,
		"broken[":                                    "",
		"bootc-fetch-apply-updates.service":          noNetwork,
		"not-NetworkManager-wait-online.service.org": "",
	} {
		if got := Allowance(unit, patterns); got != want {
			t.Errorf("%s: got %q, want %q", unit, got, want)
		}
	}
}

func TestUnreached(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Report{
		"fell into its emergency shell": {Emergency: true, TimedOut: true},
		"no such unit":                  {TargetMissing: true},
		"does not pull it in":           {Lost: true, State: "running"},
		"what it needs failed":          {Lost: true, Failed: []Unit{{Name: "a.service", Allowed: noNetwork}}},
		"in time":                       {TimedOut: true},
		"waits for what does not come":  {Stalled: true},
	} {
		r.Shell, r.Target = true, "x.target"
		got := r.Problems()
		if len(got) != 1 || !strings.Contains(got[0].Summary, want) || !strings.HasPrefix(got[0].Summary, "x.target was not reached") {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestProblemsAndNotes(t *testing.T) {
	t.Parallel()
	r := Report{
		Shell: true, Reached: true, Target: "x.target",
		Failed: []Unit{
			{Name: "a.service", Result: "exit-code", Status: 3, Log: []string{"why"}},
			{Name: "b.service", Result: "signal", Status: 11},
			{Name: "c.mount", Result: "timeout"},
			{Name: "d.service", Allowed: "because"},
		},
		Waiting:    []Job{{"slow.service", "start", "running"}},
		Assertions: []Assertion{{What: "one is so", OK: true, Found: "yes"}, {What: "two is so", Found: "no"}},
	}
	want := []Problem{
		{"a.service failed: exit status 3", []string{"why"}},
		{"b.service failed: signal 11", nil},
		{"c.mount failed: timeout", nil},
		{"expected that two is so: no", nil},
	}
	if diff := cmp.Diff(want, r.Problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	notes := []string{"d.service failed, which is allowed: because", "x.target was reached while the job to start slow.service was still running"}
	if diff := cmp.Diff(notes, r.Notes()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if r.OK() || !(&Report{Shell: true, Reached: true}).OK() {
		t.Error("OK is wrong")
	}
}

// What a service does a moment after it is started counts.
func TestAssertionsSettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for after, ok := range map[int]bool{1: true, 5: true, 50: false} {
			asked := 0
			s := &shell{t: t, answer: func(command string) (reply, bool) {
				if strings.HasPrefix(command, "cat /proc/net/tcp") {
					if asked++; asked >= after {
						return reply{0, "0: 00000000:0016 00000000:0000 0A"}, true
					}
				}
				return booted(command), true
			}}
			report, err := observe(t, s, Options{Expect: Expect{Ports: []Port{{22, "tcp"}}}})
			if err != nil || report.OK() != ok {
				t.Errorf("after %d looks: %+v, %v", after, report.Assertions, err)
			}
		}
	})
}

func TestCommands(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			command Command
			reply   reply
			found   string // empty is that the assertion holds
		}{
			{Command{Equals: text("Enforcing\n")}, reply{0, "Enforcing"}, ""},
			{Command{Equals: text("Enforcing")}, reply{0, "Permissive"}, `it did not print "Enforcing"; it printed "Permissive"`},
			{Command{Contains: text("b")}, reply{0, "a\nb"}, ""},
			{Command{Contains: text("x")}, reply{0, ""}, `"x" is not in what it printed; it printed nothing`},
			{Command{Status: 2}, reply{2, ""}, ""},
			{Command{Status: 2}, reply{0, "\x1b]1mhi"}, `it ended with status 0; it printed "` + "\uFFFD" + `]1mhi"`},
			{Command{}, reply{124, ""}, "it was not done after 1m0s; it printed nothing"},
		} {
			c.command.Run = "check it's"
			s := &shell{t: t, answer: func(command string) (reply, bool) {
				if strings.HasPrefix(command, "timeout -k") {
					return c.reply, true
				}
				return booted(command), true
			}}
			report, err := observe(t, s, Options{Expect: Expect{Commands: []Command{c.command}}})
			if err != nil || len(report.Assertions) != 1 || report.Assertions[0].OK != (c.found == "") || report.Assertions[0].Found != c.found {
				t.Errorf("%+v: got %+v, %v", c.command, report.Assertions, err)
			}
			if want := `timeout -k 5 60 /bin/sh -c 'check it'\''s'`; !slices.Contains(s.commands, want) {
				t.Errorf("%q was not run, but %q", want, s.commands)
			}
		}
	})
}

// A command that takes the shell with it is asked once, and the rest goes on.
func TestCommandThatKillsTheShell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		s := &shell{t: t, answer: func(command string) (reply, bool) {
			if strings.Contains(command, "deadly") {
				ran++
				return reply{}, false
			}
			return booted(command), true
		}}
		report, err := observe(t, s, Options{Expect: Expect{Commands: []Command{{Run: "deadly"}, {Run: "true"}}, Within: 10 * time.Second}})
		got := fmt.Sprint(report.Assertions)
		want := `[{"deadly" ends with status 0 false the shell that ran it did not come back} {"true" ends with status 0 true } {the target is reached within 10s true it took 9s}]`
		if err != nil || got != want || ran != 1 {
			t.Errorf("got %s, %v; it ran %d times", got, err, ran)
		}
	})
}

func TestKernelArgs(t *testing.T) {
	t.Parallel()
	want := []string{"systemd.debug_shell=ttyS1", "systemd.mask=serial-getty@ttyS1.service"}
	if diff := cmp.Diff(want, KernelArgs("ttyS1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
