package chunk

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/dustin/go-humanize"
	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/diag"
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

// WriteText prints the report for people, the largest layer first.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	layers := slices.SortedStableFunc(slices.Values(r.Layers), func(a, b LayerReport) int { return cmp.Compare(b.Size, a.Size) })
	for _, l := range layers {
		fmt.Fprintf(&b, "%9s  %s\n", humanize.Bytes(uint64(l.Size)), diag.Printable(l.Name))
	}
	fmt.Fprintf(&b, "%9s  in %d layers, %d of them from an earlier run; %s unpacked\n",
		humanize.Bytes(uint64(r.Size)), len(r.Layers), r.Reused, humanize.Bytes(uint64(r.Unpacked)))
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", diag.Printable(note))
	}
	_, err := w.Write(b.Bytes())
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
