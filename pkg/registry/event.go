package registry

import digest "github.com/opencontainers/go-digest"

// BlobStep is a step on the way of a blob to the registry.
type BlobStep string

// The steps. A blob ends with exactly one of BlobExists, BlobMounted and
// BlobArrived, or fails for good.
const (
	// BlobExists: the repository has it, nothing was sent.
	BlobExists BlobStep = "exists"
	// BlobMounted: the registry took it over from another repository of
	// [Options.MountFrom], nothing was sent.
	BlobMounted BlobStep = "mounted"
	// BlobBegun: sending begins, from Offset on; where that is not 0, an upload
	// that broke off is resumed.
	BlobBegun BlobStep = "begun"
	// BlobFailed: a try failed with Err. Others may follow.
	BlobFailed BlobStep = "failed"
	// BlobArrived: the registry has all of it, and has compared its digest.
	BlobArrived BlobStep = "arrived"
)

// BlobEvent tells of one step.
type BlobEvent struct {
	Step   BlobStep
	Digest digest.Digest
	// Size is the blob's, in bytes.
	Size int64
	// Offset is where sending begins; only for BlobBegun.
	Offset int64
	// Sent is how many bytes of the blob were given to connections so far, over
	// all tries; more than Size where something was sent again.
	Sent int64
	// Err is why a try failed; only for BlobFailed.
	Err error
}
