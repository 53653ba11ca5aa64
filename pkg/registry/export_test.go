package registry

// What happens to each blob, for tests outside of the package.
type BlobEvent = blobEvent

// OnBlob has f told of each step of each blob.
func (o *Options) OnBlob(f func(BlobEvent)) { o.onBlob = f }
