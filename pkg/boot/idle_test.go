package boot

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// share is what the machine uses of one processor from the start on, in
		// percent, and signs how many there are at that second.
		share func(second int) int
		signs func(second int) int64
		// after is when it is found to be idle, in seconds; 0 is never.
		from, to int
	}{
		"at rest":       {func(int) int { return 5 }, func(int) int64 { return 3 }, 30, 31},
		"working":       {func(int) int { return 100 }, func(int) int64 { return 3 }, 0, 0},
		"working a bit": {func(int) int { return 30 }, func(int) int64 { return 3 }, 0, 0},
		"at rest later": {func(s int) int { return 100 * max(0, 65-s) / max(1, 65-s) }, func(int) int64 { return 3 }, 90, 111},
		"talking":       {func(int) int { return 5 }, func(s int) int64 { return int64(s / 20) }, 0, 0},
		"silent later":  {func(int) int { return 5 }, func(s int) int64 { return int64(min(s, 50)) }, 80, 81},
		"busy every now and then": {func(s int) int {
			if s%25 < 5 {
				return 100
			}
			return 0
		}, func(int) int64 { return 3 }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var used time.Duration
				i := idling{busy: func() (time.Duration, error) { return used, nil }}
				for s := range 300 {
					if i.stands(c.signs(s), 30*time.Second) {
						if s < c.from || s > c.to {
							t.Errorf("idle after %d s", s)
						}
						return
					}
					time.Sleep(time.Second)
					used += time.Duration(c.share(s)) * time.Second / 100
				}
				if c.to > 0 {
					t.Error("it is never idle")
				}
			})
		})
	}
}

// Who cannot be asked is not taken for idle.
func TestIdlingUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		for _, i := range []idling{{}, {busy: func() (time.Duration, error) { asked++; return 0, errors.New("gone") }}} {
			for range 100 {
				if i.stands(1, 30*time.Second) {
					t.Fatal("idle")
				}
				time.Sleep(time.Second)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}
