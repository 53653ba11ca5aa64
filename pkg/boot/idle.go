package boot

import "time"

// idling finds out that a machine has nothing more to do and nothing more to
// say: it waits for what does not come. The zero value never finds it.
type idling struct {
	// busy returns how long the machine's processors had something to do until
	// now; nil where nobody can tell.
	busy func() (time.Duration, error)

	// signs is how much the machine had said at the last look, and since the time
	// from which on it has said no more and done nothing.
	signs int64
	since time.Time
	// looked is when busy was asked last, and used what it said.
	looked time.Time
	used   time.Duration
}

const (
	// glance is how often busy is asked.
	glance = 10 * time.Second
	// idleShare of the time of one processor is what a machine may use that does
	// nothing: clocks tick, and systemd shows that it waits.
	idleShare = 4
)

// stands reports whether the machine has been idle for as long as that. It is
// to be asked about once a second, with how many signs of life there were in
// all.
func (i *idling) stands(signs int64, longest time.Duration) bool {
	if i.busy == nil {
		return false
	}
	now := time.Now()
	span := now.Sub(i.looked)
	if signs == i.signs && span < glance {
		return false
	}
	used, err := i.busy()
	if err != nil {
		i.busy = nil // that the machine has ended is told by itself
		return false
	}
	if signs != i.signs || i.looked.IsZero() || idleShare*(used-i.used) > span {
		i.since = now
	}
	i.signs, i.looked, i.used = signs, now, used
	return now.Sub(i.since) >= longest
}
