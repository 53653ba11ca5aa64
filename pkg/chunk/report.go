package chunk

import (
	digest "github.com/opencontainers/go-digest"
)

// Report is what [Rewrite] did.
type Report struct {
	// Layers are those of the image, the lowest first.
	Layers []LayerReport `json:"layers"`
	// Size and Unpacked are the sums over the layers, in bytes.
	Size     int64 `json:"size"`
	Unpacked int64 `json:"unpacked"`
	// Reused is how many layers came out of the cache and were not compressed
	// again.
	Reused int `json:"reused"`
	// Notes say what somebody should know of the plan.
	Notes []string `json:"notes,omitempty"`
}

// LayerReport is one layer.
type LayerReport struct {
	// Name says what is in it.
	Name   string        `json:"name"`
	DiffID digest.Digest `json:"diffID"`
	Digest digest.Digest `json:"digest"`
	// Size is compressed, Unpacked that of the archive, in bytes.
	Size     int64 `json:"size"`
	Unpacked int64 `json:"unpacked"`
	// Reused says that it came out of the cache.
	Reused bool `json:"reused"`
}

func newReport(plan *Plan, jobs []*job) *Report {
	r := &Report{Notes: plan.Notes}
	for _, j := range jobs {
		r.Layers = append(r.Layers, LayerReport{
			Name: j.name, DiffID: j.blob.diffID, Digest: j.blob.digest,
			Size: j.blob.size, Unpacked: j.size, Reused: j.reused,
		})
		r.Size += j.blob.size
		r.Unpacked += j.size
		if j.reused {
			r.Reused++
		}
	}
	return r
}
