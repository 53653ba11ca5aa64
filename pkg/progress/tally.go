package progress

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// tally sums up transfers that were over so soon that a line for each would only
// be in the way: an image has a hundred layers, most of them small.
type tally struct {
	mu    sync.Mutex
	sums  []sum
	since time.Time // when the first one of sums ended
	// blobs and bytes count all that ended in the stage, told or not.
	blobs int
	bytes int64
}

// sum is of those that ended in the same way.
type sum struct {
	name, note string // name is of the last one
	blobs      int
	bytes      int64
}

// add counts a transfer that ended now. tell says that it is to have a line of
// its own. The lines that are due by then are returned.
func (t *tally) add(now time.Time, name string, done, total int64, note string, tell bool) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if done == 0 && total > 0 {
		done = total // of a blob that the registry had, no byte was sent
	}
	t.blobs, t.bytes = t.blobs+1, t.bytes+done
	if tell {
		return append(t.take(), transferLine(name, done, note))
	}
	if len(t.sums) == 0 {
		t.since = now
	}
	i := slices.IndexFunc(t.sums, func(s sum) bool { return s.note == note })
	if i < 0 {
		i, t.sums = len(t.sums), append(t.sums, sum{note: note})
	}
	s := &t.sums[i]
	s.name, s.blobs, s.bytes = name, s.blobs+1, s.bytes+done
	if now.Sub(t.since) < quietFor {
		return nil
	}
	return t.take()
}

// lines are those about the transfers that nothing was said of yet.
func (t *tally) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take()
}

func (t *tally) take() (lines []string) {
	for _, s := range t.sums {
		name := s.name
		if s.blobs > 1 {
			name = fmt.Sprintf("%d blobs", s.blobs)
		}
		lines = append(lines, transferLine(name, s.bytes, s.note))
	}
	t.sums = nil
	return lines
}

// sofar is what ended in the stage, "" where nothing did.
func (t *tally) sofar() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.blobs {
	case 0:
		return ""
	case 1:
		return "1 blob, " + size(t.bytes)
	}
	return fmt.Sprintf("%d blobs, %s", t.blobs, size(t.bytes))
}
