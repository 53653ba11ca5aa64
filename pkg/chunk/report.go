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
	// Reused is how many layers of an earlier run were not compressed again, and
	// Held how many of them the layout lacks.
	Reused int `json:"reused"`
	Held   int `json:"held,omitempty"`
	// Dead is how many of the bytes are in layers that are kept for the rest of
	// what is in them, which saves every machine a download.
	Dead int64 `json:"dead,omitempty"`
	// Update is what a machine with the previous image downloads, nil where
	// there is no such image.
	Update *Prediction `json:"update,omitempty"`
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
	// Reused says that it is an earlier run's, and Held that it is not in the
	// layout, because whoever gets that has it.
	Reused bool `json:"reused"`
	Held   bool `json:"held,omitempty"`
	// Dead is how many of the compressed bytes are, by estimate, files that
	// layers above replace or remove; see [Layer.Dead].
	Dead int64 `json:"dead,omitempty"`
}

func newReport(had previous, plan *Plan, jobs []*job) *Report {
	r := &Report{Notes: plan.Notes}
	if had.there {
		r.Update = predict(had, plan, jobs)
	}
	for _, j := range jobs {
		r.Layers = append(r.Layers, LayerReport{
			Name: j.name, DiffID: j.blob.diffID, Digest: j.blob.digest,
			Size: j.blob.size, Unpacked: j.size, Reused: j.reused, Held: j.held,
		})
		if j.stale() {
			r.Layers[len(r.Layers)-1].Dead = j.layer.Dead
			r.Dead += j.layer.Dead
		}
		r.Size += j.blob.size
		r.Unpacked += j.size
		if j.reused {
			r.Reused++
		}
		if j.held {
			r.Held++
		}
	}
	return r
}

// predict is [Predict] with the layers of directories.
func predict(had previous, plan *Plan, jobs []*job) *Prediction {
	p := Predict(had.plan, plan)
	p.Causes = append([]Cause{}, p.Causes...) // "[]" and not "null" for programs
	for _, j := range jobs {
		if j.layer != nil {
			continue
		}
		p.Layers++
		p.Total += j.blob.size
		if slices.Contains(had.diffIDs, j.blob.diffID) {
			p.Reused++
			continue
		}
		p.Bytes += j.blob.size
		p.Causes = append(p.Causes, Cause{Group: j.name, Own: j.blob.size})
	}
	slices.SortStableFunc(p.Causes, func(a, b Cause) int { return cmp.Compare(b.Own+b.Dragged, a.Own+a.Dragged) })
	return &p
}

// Summary is the report in a line.
func (r *Report) Summary() string {
	held := ""
	if r.Held > 0 {
		held = fmt.Sprintf(", of which %d are left in the registry", r.Held)
	}
	return fmt.Sprintf("%s in %d layers, %d of them from an earlier run%s; %s unpacked",
		humanize.Bytes(uint64(r.Size)), len(r.Layers), r.Reused, held, humanize.Bytes(uint64(r.Unpacked)))
}

// WriteText prints the report for people, the largest layer first.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	layers := slices.SortedStableFunc(slices.Values(r.Layers), func(a, b LayerReport) int { return cmp.Compare(b.Size, a.Size) })
	for _, l := range layers {
		fmt.Fprintf(&b, "%9s  %s\n", humanize.Bytes(uint64(l.Size)), diag.Printable(l.Name))
	}
	fmt.Fprintf(&b, "%s\n", r.Summary())
	if r.Update != nil {
		for _, line := range r.Update.Lines() {
			fmt.Fprintf(&b, "%s\n", line)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", diag.Printable(note))
	}
	_, err := w.Write(b.Bytes())
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// mostCauses is how many causes of an update are printed.
const mostCauses = 20

// Lines say what is downloaded and, the largest first, why; file names have no
// control characters.
func (p *Prediction) Lines() []string {
	lines := []string{p.Summary()}
	for i, c := range p.Causes {
		if i == mostCauses {
			lines = append(lines, fmt.Sprintf("%9s  and %d more", "", len(p.Causes)-i))
			break
		}
		why := ""
		switch {
		case c.Moved:
			why = " (unchanged, in another layer now)"
		case c.Dragged > 0:
			why = fmt.Sprintf(" (%s of it what is in the same layer)", humanize.Bytes(uint64(c.Dragged)))
		}
		lines = append(lines, fmt.Sprintf("%9s  %s%s", humanize.Bytes(uint64(c.Own+c.Dragged)), diag.Printable(c.Group), why))
		for _, file := range c.Files {
			lines = append(lines, fmt.Sprintf("%9s  - %s", "", diag.Printable(file)))
		}
	}
	return lines
}

// Summary is the prediction in a line.
func (p *Prediction) Summary() string {
	return fmt.Sprintf("update: %s in %d of %d layers (with a layer for each package: %s)",
		humanize.Bytes(uint64(p.Bytes)), p.Layers-p.Reused, p.Layers, humanize.Bytes(uint64(p.Floor)))
}
