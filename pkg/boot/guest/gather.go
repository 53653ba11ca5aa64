package guest

import (
	"context"
	"fmt"
	"strings"
)

const (
	// mostLog is how many lines of the journal are asked for of a failed unit,
	// and mostLogs of how many units.
	mostLog  = 10
	mostLogs = 20
)

// gather asks what happened.
func (w *watcher) gather(ctx context.Context, allowed []string) error {
	r := w.report
	kernel, err := w.channel.run(ctx, "uname -r")
	if err != nil {
		return err
	}
	r.Kernel = strings.Join(lines(kernel.output, 1), "")
	release, err := w.channel.run(ctx, "cat /etc/os-release")
	if err != nil {
		return err
	}
	r.OSRelease = parseOSRelease(release.output)

	manager, err := w.show(ctx, append([]string{"SystemState", "Tainted"}, timestamps...))
	if err != nil {
		return err
	}
	if len(manager) == 1 {
		r.State = manager[0]["SystemState"]
		r.Tainted = strings.FieldsFunc(manager[0]["Tainted"], func(c rune) bool { return c == ':' })
		r.Times = times(manager[0], w.reached)
	}
	if err := w.jobs(ctx); err != nil {
		return err
	}
	if !r.Reached {
		said, err := w.channel.run(ctx, fmt.Sprintf("journalctl -b -n %d -o cat --no-pager -p err _PID=1", 2*mostLog))
		if err != nil {
			return err
		}
		r.Errors = lines(said.output, 2*mostLog)
	}
	return w.failed(ctx, allowed)
}

// failed asks which units failed, why, and what they said.
func (w *watcher) failed(ctx context.Context, allowed []string) error {
	got, err := w.channel.run(ctx, "systemctl list-units --state=failed --all --no-legend --no-pager --plain --full")
	if err != nil {
		return err
	}
	w.report.Failed = nil
	for i, name := range parseFailed(got.output) {
		u := Unit{Name: name, Allowed: Allowance(name, allowed)}
		shown, err := w.show(ctx, []string{"Result", "ExecMainStatus"}, name)
		if err != nil {
			return err
		}
		if len(shown) == 1 {
			u.Result, u.Status = shown[0]["Result"], shown[0].number("ExecMainStatus")
		}
		if i < mostLogs {
			log, err := w.channel.run(ctx, fmt.Sprintf("journalctl -b -n %d -o cat --no-pager -u %s", mostLog, quote(name)))
			if err != nil {
				return err
			}
			u.Log = lines(log.output, mostLog)
		}
		w.report.Failed = append(w.report.Failed, u)
	}
	return nil
}
