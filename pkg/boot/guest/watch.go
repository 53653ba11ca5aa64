package guest

import (
	"context"
	"strings"
	"time"
)

const (
	// settling is how long units may still start once the target is reached:
	// what fails after it is told too, what never ends is not waited for.
	settling = time.Minute
	// failing is the same once the target cannot be reached any more, for other
	// units to fail too.
	failing = 10 * time.Second
	// stalling is how long systemd may wait for its jobs without a change while
	// the processors have nothing to do. Waiting for a device ends by itself
	// before, after 90 seconds, and is explained better then.
	stalling = 2 * time.Minute
	// rest is after how many looks the jobs are asked for.
	rest = 4
)

// watcher follows a boot.
type watcher struct {
	channel *channel
	report  *Report
	// target is the unit to wait for; empty is not known yet.
	target string
	// reached is when the target became active, in seconds of the guest's
	// monotonic clock.
	reached float64
	// progress are systemd's counts of jobs when the last one came or went, since
	// that time, and the processors' idle and whole time then, in ticks.
	progress    string
	since       time.Time
	idle, ticks uint64
	// decided is since when it is known whether the target is reached; zero for
	// not yet.
	decided time.Time
}

// show asks systemd for properties of units, or of itself where there are none.
func (w *watcher) show(ctx context.Context, keys []string, units ...string) ([]properties, error) {
	command := "systemctl show --no-pager -p " + strings.Join(keys, " -p ")
	for _, u := range units {
		command += " " + quote(u)
	}
	got, err := w.channel.run(ctx, command)
	return parseShow(got.output), err
}

// watch returns when the boot has come to its end, good or bad.
func (w *watcher) watch(ctx context.Context) error {
	if err := w.channel.connect(ctx); err != nil {
		return err
	}
	w.report.Shell = true
	if w.target == "" {
		w.target = "default.target"
	}
	for round := 1; ; round++ {
		manager, err := w.show(ctx, []string{"SystemState", "NJobs", "NInstalledJobs"})
		if err != nil {
			return err
		}
		units, err := w.show(ctx, []string{"Id", "LoadState", "ActiveState", "Job", "ActiveEnterTimestampMonotonic"},
			w.target, "emergency.target", "rescue.target")
		if err != nil {
			return err
		}
		if len(manager) == 1 && len(units) == 3 {
			if w.judge(manager[0], units) {
				return nil
			}
			if stalled, err := w.stalls(ctx, manager[0]); stalled || err != nil {
				w.report.Stalled = stalled
				return err
			}
			// In case that the guest has no later word. It is a long answer for
			// an emulated machine.
			if round%rest == 0 {
				if err := w.jobs(ctx); err != nil {
					return err
				}
			}
		}
		// To wait for systemd's own word ends the moment that it is there. It
		// ends at once where it is there already, or is not understood.
		wait := "sleep 1"
		if strings.HasSuffix(w.report.State, "ing") && w.report.State != "running" {
			wait = "timeout 5 systemctl is-system-running --wait || sleep 1"
		}
		if _, err := w.channel.run(ctx, wait); err != nil {
			return err
		}
	}
}

// judge reports whether the boot has come to its end.
func (w *watcher) judge(manager properties, units []properties) bool {
	target, r := units[0], w.report
	r.State = manager["SystemState"]
	r.Reached = target["ActiveState"] == "active"
	r.TargetMissing = target["LoadState"] != "loaded"
	w.reached = target.seconds("ActiveEnterTimestampMonotonic")
	if isUnitName(target["Id"]) {
		r.Target = target["Id"]
	}
	if r.State == "stopping" {
		// It goes down, with all that was reached. Whether it comes back is told
		// by others.
		w.decided = time.Time{}
		return false
	}
	for _, u := range units[1:] {
		if u["ActiveState"] == "active" && u["Id"] != r.Target {
			r.Emergency = true
			return true
		}
	}
	r.Lost = !r.Reached && target.number("Job") == 0
	busy := manager.number("NJobs") > 0
	switch {
	case r.Reached && !busy, r.TargetMissing:
		return true
	case !r.Reached && !r.Lost:
		w.decided = time.Time{}
		return false
	case w.decided.IsZero():
		w.decided = time.Now()
		return false
	case r.Lost:
		return !busy || time.Since(w.decided) >= failing
	}
	return time.Since(w.decided) >= settling
}

// stalls reports whether the boot waits for what does not come.
func (w *watcher) stalls(ctx context.Context, manager properties) (bool, error) {
	now := manager["NJobs"] + " of " + manager["NInstalledJobs"]
	changed := now != w.progress
	if !changed && time.Since(w.since) < stalling {
		return false, nil
	}
	got, err := w.channel.run(ctx, "read -r cpu </proc/stat; echo $cpu")
	if err != nil {
		return false, err
	}
	idle, ticks := parseTicks(got.output)
	// Who works is not stuck, even if it is for long: three in four, so that
	// one busy processor of two is enough.
	stuck := !changed && ticks > w.ticks && 4*(idle-w.idle) >= 3*(ticks-w.ticks)
	w.progress, w.since, w.idle, w.ticks = now, time.Now(), idle, ticks
	return stuck && !w.report.Reached, nil
}

// jobs asks what systemd has still to do.
func (w *watcher) jobs(ctx context.Context) error {
	got, err := w.channel.run(ctx, "systemctl list-jobs --no-legend --no-pager --plain --full")
	w.report.Waiting = parseJobs(got.output)
	return err
}
