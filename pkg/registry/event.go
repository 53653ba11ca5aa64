package registry

import (
	"fmt"

	"github.com/dustin/go-humanize"
	digest "github.com/opencontainers/go-digest"
)

// blobStep is a step on the way of a blob to the registry.
type blobStep string

// The steps. A blob ends with exactly one of blobExists, blobMounted and
// blobArrived, or fails for good.
const (
	// blobExists: the repository has it, nothing was sent.
	blobExists blobStep = "exists"
	// blobMounted: the registry took it over from another repository of
	// [Options.MountFrom], nothing was sent.
	blobMounted blobStep = "mounted"
	// blobBegun: sending begins, from Offset on; where that is not 0, an upload
	// that broke off is resumed.
	blobBegun blobStep = "begun"
	// blobFailed: a try failed with Err. Others may follow.
	blobFailed blobStep = "failed"
	// blobArrived: the registry has all of it, and has compared its digest.
	blobArrived blobStep = "arrived"
)

// blobEvent tells of one step.
type blobEvent struct {
	Step   blobStep
	Digest digest.Digest
	// Size is the blob's, in bytes.
	Size int64
	// Offset is where sending begins; only for blobBegun.
	Offset int64
	// Sent is how many bytes of the blob were given to connections so far, over
	// all tries; more than Size where something was sent again.
	Sent int64
	// Err is why a try failed; only for blobFailed.
	Err error
}

// tally sums up what happened to the blobs of an image.
type tally struct {
	steps map[blobStep]int
	// bytes are those that were given to connections, of blobs that arrived.
	bytes int64
}

func (t *tally) add(e blobEvent) {
	if t.steps == nil {
		t.steps = map[blobStep]int{}
	}
	t.steps[e.Step]++
	if e.Step == blobArrived {
		t.bytes += e.Sent
	}
}

// String is "3 blobs sent (1.2 MB), 60 there already, 2 taken over from another
// repository".
func (t *tally) String() string {
	noun := "blobs"
	if t.steps[blobArrived] == 1 {
		noun = "blob"
	}
	text := fmt.Sprintf("%d %s sent", t.steps[blobArrived], noun)
	if t.bytes > 0 {
		text += fmt.Sprintf(" (%s)", humanize.Bytes(uint64(t.bytes)))
	}
	if n := t.steps[blobExists]; n > 0 {
		text += fmt.Sprintf(", %d there already", n)
	}
	if n := t.steps[blobMounted]; n > 0 {
		text += fmt.Sprintf(", %d taken over from another repository", n)
	}
	return text
}
