package boot

import (
	"context"
	"fmt"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
	"github.com/bootkiln/bootkiln/pkg/check"
)

// judge turns what was seen into the verdict. systemd's word counts before the
// console's, except that nothing is right again after a panic.
func (b *booting) judge(s *seen) {
	r, report := b.result, s.report
	r.State, r.Kernel, r.OS = report.State, report.Kernel, report.OSRelease["PRETTY_NAME"]
	if report.Target != "" {
		r.Target = report.Target
	}
	r.FailedUnits, r.Waiting, r.Assertions = report.Failed, report.Waiting, report.Assertions
	if report.Shell {
		r.Times = &Times{
			Firmware: report.Times.Firmware, Loader: report.Times.Loader, Kernel: report.Times.Kernel,
			Initrd: report.Times.Initrd, Userspace: report.Times.Userspace, Target: report.Times.Target,
		}
		r.Notes = append(r.Notes, report.Notes()...)
	}
	class, detail := classOf(s)
	if class == "" && !report.Shell {
		// The console is the only witness.
		switch {
		case b.asserts():
			class = NoLogin
			detail = "What the recipe expects of the guest could not be asked: a login was offered, and no systemd opened a shell."
		default:
			r.Notes = append(r.Notes, "systemd could not be asked: that it booted is the word of the console, which offered a login")
		}
	}
	if class == "" {
		r.Verdict = Booted
		return
	}
	r.Failure = failure(class, detail, s)
}

// asserts reports whether something is expected that only the guest can tell.
func (b *booting) asserts() bool {
	e := b.Expect
	return len(e.Active)+len(e.Commands)+len(e.Ports) > 0 || e.Within > 0
}

// classOf returns how the boot failed, "" for one that went well, and what is
// to be said of it beside what is known of the class.
func classOf(s *seen) (class Class, detail string) {
	report := s.report
	switch {
	case report.Shell && report.Reached && s.ending == "":
		return ofReached(s)
	case report.Shell && report.Emergency:
		return Emergency, lines(report)
	case report.Shell && report.TargetMissing:
		return NoTarget, lines(report)
	case s.ending == "" && report.Shell && (report.TimedOut || report.Stalled || s.timedOut):
		return Blocked, lines(report)
	case s.ending == "" && report.Shell && s.class == "" && !s.silent && !s.waits:
		return Unreached, lines(report)
	case s.class != "":
		return s.class, ""
	case s.ending == qemu.Panicked:
		return Panic, ""
	case s.ending == qemu.Reset:
		return Reboots, ""
	case s.ending == qemu.PoweredOff:
		return PowersOff, ""
	case s.neverSpoke:
		return NoOutput, ""
	case s.waits && s.initrd:
		return NoRoot, "It waits for what does not come, and does nothing else."
	case s.waits:
		return Hung, "It waits for what does not come, and does nothing else."
	case s.silent:
		return Hung, ""
	case !report.Shell && s.login:
		return "", ""
	case !report.Shell && (report.TimedOut || s.timedOut):
		return NoLogin, "Time was over."
	case !report.Shell:
		return NoLogin, ""
	}
	return Unreached, lines(report)
}

// ofReached judges a guest that reached its target.
func ofReached(s *seen) (Class, string) {
	report := s.report
	for _, u := range report.Failed {
		if u.Allowed == "" {
			return UnitFailed, lines(report)
		}
	}
	switch {
	case !report.OK():
		return Unexpected, lines(report)
	case !s.unasked:
		return "", ""
	case s.class != "":
		return s.class, ""
	case s.timedOut:
		return Unexpected, "Time was over before all of it was asked."
	}
	return Hung, "Its target was reached, and nobody could be asked any more what failed on the way."
}

// lines are the problems of a report, a sentence each.
func lines(report *guest.Report) string {
	var all []string
	for _, p := range report.Problems() {
		all = append(all, sentence(p.Summary))
	}
	return strings.Join(all, " ")
}

// sentence ends a text as one.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	if first, _, _ := strings.Cut(text, " "); !strings.Contains(first, ".") { // no name of a unit
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text + "."
}

func failure(class Class, detail string, s *seen) *Failure {
	f := &Failure{Class: class, Explanation: strings.TrimSpace(class.kind().explanation + " " + detail), Excerpt: s.last}
	if s.class != "" && s.excerpt != nil {
		f.Excerpt = s.excerpt
	}
	return f
}

// explained adds what the checks say to a failure.
func (b *booting) explained(ctx context.Context) (*Result, error) {
	f := b.result.Failure
	if f == nil || b.Causes == nil {
		return b.result, nil
	}
	found, err := b.Causes(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for the cause: %w", err)
	}
	for _, rule := range f.Class.kind().rules {
		for _, c := range found {
			if c.Rule == rule {
				f.Causes = append(f.Causes, c)
			}
		}
	}
	return b.result, nil
}

// CausesIn returns the findings of the checks, for [Options.Causes].
func CausesIn(report *check.Report) []Cause {
	var all []Cause
	for _, f := range report.Findings {
		message := f.Message
		if f.Path != "" {
			message = f.Path + ": " + message
		}
		all = append(all, Cause{Rule: f.Rule, Message: message})
	}
	return all
}
