package registry

import (
	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// watch shows the transfers of a push, and knows over all its attempts which
// blobs have arrived.
type watch struct {
	stage   progress.Stage
	arrived map[digest.Digest]bool
}

func newWatch(stage progress.Stage) *watch {
	return &watch{stage: stage, arrived: map[digest.Digest]bool{}}
}

// attempt returns the channel for one call of copy.Image, and what to call
// after it: that ends the transfers and reports whether a blob arrived that no
// attempt before had brought. moved is called for each event.
func (w *watch) attempt(moved func()) (chan types.ProgressProperties, func() bool) {
	// containers/image blocks on the channel, so it is always read.
	events := make(chan types.ProgressProperties)
	ended := make(chan struct{})
	before := len(w.arrived)
	running := map[digest.Digest]progress.Transfer{}
	go func() {
		defer close(ended)
		for e := range events {
			moved()
			w.event(e, running)
		}
	}()
	return events, func() bool {
		close(events)
		<-ended
		for _, t := range running {
			t.Done("stopped")
		}
		return len(w.arrived) > before
	}
}

func (w *watch) event(e types.ProgressProperties, running map[digest.Digest]progress.Transfer) {
	d := e.Artifact.Digest
	switch e.Event {
	case types.ProgressEventNewArtifact:
		running[d] = w.stage.Transfer(shortName(d), e.Artifact.Size)
	case types.ProgressEventRead:
		if t, ok := running[d]; ok {
			t.Add(int64(e.OffsetUpdate))
		}
	case types.ProgressEventDone:
		w.arrived[d] = true
		if t, ok := running[d]; ok {
			t.Add(int64(e.OffsetUpdate))
			t.Done("done") // sent, or found to be there once its digest was known
			delete(running, d)
		}
	case types.ProgressEventSkipped:
		w.arrived[d] = true
		t, ok := running[d]
		if !ok {
			t = w.stage.Transfer(shortName(d), e.Artifact.Size)
		}
		t.Done("exists")
		delete(running, d)
	}
}

// shortName is how a blob is called on a line.
func shortName(d digest.Digest) string {
	name := d.Encoded()
	return name[:min(len(name), 12)]
}
