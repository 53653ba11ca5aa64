package registry

import (
	"context"
	"testing"
)

// TestGate: fewer after failures, more as blobs arrive, and never none.
func TestGate(t *testing.T) {
	t.Parallel()
	g := newGate(4)
	full, cancel := context.WithCancel(t.Context())
	cancel() // who does not get in at once, gives up
	inside := func() (n int) {
		for g.inside < g.limit {
			if err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := g.enter(full); err == nil {
			t.Fatal("more got in than the limit")
		}
		return n
	}
	leave := func(n int, well bool) {
		for range n {
			g.leave(well)
		}
	}
	if n := inside(); n != 4 {
		t.Fatalf("%d at first, want 4", n)
	}
	leave(1, false)
	leave(3, true)
	// 4, halved to 2, and one more for each of three.
	if n := inside(); n != 4 {
		t.Errorf("%d after one failure and three that arrived, want 4", n)
	}
	leave(4, false)
	if n := inside(); n != 1 {
		t.Errorf("%d after failures alone, want 1", n)
	}
}
