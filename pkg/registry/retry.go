package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Retry says how patient to be with a registry. The zero value tries five
// times, with about half a minute of waiting between them; more than a minute
// where the registry limits the rate of requests, and up to ten minutes before
// each try where it asks for that (Retry-After).
type Retry struct {
	// Silence is how long an attempt may go on without a byte in either direction;
	// then it has failed, as of class [Transient]. 0 is two minutes. A registry
	// that has all of a blob gets five times as long to store it.
	Silence time.Duration
	// Attempts is how often something is tried in a row without getting any
	// further; 0 is 5. Each layer that arrives starts the count anew, but not
	// for a layer that loses megabytes with each failure.
	Attempts int
	// Sleep waits for d or until ctx is done, and returns ctx.Err() then; nil
	// uses the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a number in [0,1) that spreads the waits of several
	// publishers; nil is random.
	Jitter func() float64
}

const (
	firstWait        = 2 * time.Second
	firstWaitLimited = 15 * time.Second // a limit of requests is counted by the minute or worse
	longestWait      = time.Minute
	longestAskedWait = 10 * time.Minute // what Retry-After may ask for
)

// wait returns how long to wait before try number n (from 1) is repeated:
// doubling, spread over its upper half, and never less than the registry asked
// for.
func (r Retry) wait(e *Error, n int) time.Duration {
	first := firstWait
	if e.Class == RateLimited {
		first = firstWaitLimited
	}
	d := longestWait
	if n < 6 { // 2 s << 5 is above the longest already
		d = min(first<<(n-1), longestWait)
	}
	jitter := rand.Float64
	if r.Jitter != nil {
		jitter = r.Jitter
	}
	d = d/2 + time.Duration(jitter()*float64(d/2))
	return max(d, min(e.RetryAfter, longestAskedWait))
}

func (r Retry) silence() time.Duration {
	if r.Silence <= 0 {
		return 2 * time.Minute
	}
	return r.Silence
}

func (r Retry) attempts() int {
	if r.Attempts <= 0 {
		return 5
	}
	return r.Attempts
}

func (r Retry) sleep(ctx context.Context, d time.Duration) error {
	if r.Sleep != nil {
		return r.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// retry runs try until it returns nil, an error that is no [*Error] of a
// retryable class (or one of also), or has failed too often in a row. try
// reports whether it, or what else is under way, got further than any try
// before it.
func (o Options) retry(ctx context.Context, also []Class, try func() (further bool, err error)) error {
	for failures := 0; ; {
		further, err := try()
		var e *Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &e) {
			return err
		}
		if further {
			failures = 0
		}
		failures++
		if !e.Retryable() && !slices.Contains(also, e.Class) || failures >= o.Retry.attempts() {
			return err
		}
		d := o.Retry.wait(e, failures)
		o.log().Warn("trying again", "op", e.Op, "repository", e.Repository, "class", string(e.Class), "wait", d, "error", e.Err)
		o.stage().Warnf("%v; trying again in %s", e, d.Round(time.Second))
		if err := o.Retry.sleep(ctx, d); err != nil {
			return err
		}
	}
}
