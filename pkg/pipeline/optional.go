package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// optional puts into the result what the image lacks of what was to be there
// where it can, and says it at the places of the recipe. The image itself is
// asked: a build whose steps were cached says nothing of them.
func (r *run) optional(ctx context.Context, img image.Image, st progress.Stage) (err error) {
	names, err := readOptional(ctx, img)
	if err != nil {
		return err
	}
	var wanted []plan.Word
	if r.planned != nil {
		wanted = r.planned.Optional
	}
	var notes diag.List
	for _, name := range names {
		asked := false
		for _, w := range wanted {
			if w.Value == name {
				asked = true
				notes.Add(diag.Diagnostic{
					Pos: w.Origin, Severity: diag.Note, Code: "optional-unavailable",
					Message: fmt.Sprintf("the optional package %q could not be installed, and is not in the image", name),
				})
			}
		}
		// A recipe without optional packages leaves the list of its base.
		if asked || r.planned == nil {
			r.result.OptionalUnavailable = append(r.result.OptionalUnavailable, name)
		}
	}
	if r.planned == nil && len(names) > 0 {
		st.Infof("optional packages that are not in the image: %s", strings.Join(names, ", "))
	}
	notes.Sort()
	return r.concluded(notes, st)
}

// readOptional returns the lines of [plan.OptionalReport], nil where the image
// has none.
func readOptional(ctx context.Context, img image.Image) (names []string, err error) {
	root, err := img.Root(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	text, err := fs.ReadFile(root, strings.TrimPrefix(plan.OptionalReport, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the image's %q: %w", plan.OptionalReport, err)
	}
	return strings.Fields(string(text)), nil
}
