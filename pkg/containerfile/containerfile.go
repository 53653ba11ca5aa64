// Package containerfile → renders a [plan.Plan] as a [File]: the text of a
// Containerfile with the build context that it needs.
//
// The text is meant to be read, and builds with plain "buildah build" or
// "podman build" too. Every line remembers the place in the recipe that it
// comes from.
//
// It is safe by construction: no value of a recipe can start an instruction,
// end a word or add a mount. What is a program to run goes into files of the
// context; what is a word goes into the text only if all of its characters are
// on the list for the place it stands in, and quoted for every layer that
// reads it (the line reader, the JSON or word reader, the expansion of
// variables, the shell). Anything else is an error. Package plan and package
// recipe check the same values before, with better messages; nothing here
// relies on that.
package containerfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// File is a rendered Containerfile.
type File struct {
	// Name is that of the recipe.
	Name string
	// Text is the Containerfile.
	Text []byte
	// Origins[i] is the place in the recipe that line i+1 comes from.
	Origins []diag.Pos
	// Titles[i] is the title of the step of the plan that line i+1 belongs to;
	// "" for the lines before the first.
	Titles []string
	// Words are the recipe's words in the commands of each RUN, by the line
	// that it starts in.
	Words map[int][]plan.Word
	// Context is what [File.WriteContext] lays out: the source of each path
	// that the text takes from the build context.
	Context map[string]plan.Source
	// Secrets are those that the text mounts; the builder hands them in by ID.
	Secrets []plan.Secret
	// Base is the image that the build starts from.
	Base plan.Base
}

// Origin returns the place in the recipe that a line of the text comes from.
// Lines count from 1; for a line that is not in the text it is the zero
// position.
func (f *File) Origin(line int) diag.Pos {
	if line < 1 || line > len(f.Origins) {
		return diag.Pos{}
	}
	return f.Origins[line-1]
}

// Title returns the title of the step that a line of the text belongs to, "" for
// a line of no step.
func (f *File) Title(line int) string {
	if line < 1 || line > len(f.Titles) {
		return ""
	}
	return f.Titles[line-1]
}

// Digest returns "sha256:" and the digest of the text. The text names all that
// it takes from the context by digest, so two files with the same digest do
// the same.
func (f *File) Digest() string {
	h := sha256.Sum256(f.Text)
	return "sha256:" + hex.EncodeToString(h[:])
}

// Render writes p as a Containerfile. The error is a [*UnsafeError] where a
// value of the recipe cannot be written.
func Render(p *plan.Plan) (*File, error) {
	return render(p, p.Steps, File{Name: p.Name, Context: p.Context, Secrets: p.Secrets, Base: p.Base})
}

// RenderQuery writes what p asks for before it is built. The plan must have a
// query. The error is that of [Render].
func RenderQuery(p *plan.Plan) (*File, error) {
	return render(p, p.Query.Steps, File{Name: p.Name, Context: p.Query.Context, Secrets: p.Query.Secrets, Base: p.Base})
}

// render adds the text of the steps to f.
func render(p *plan.Plan, steps []plan.Step, f File) (*File, error) {
	w := &writer{origin: p.Origin, words: map[int][]plan.Word{}}
	w.comment(fmt.Sprintf("Made by bootkiln from the recipe %q. Do not edit: change the recipe and render it again.", p.Name))
	if p.Description != "" {
		w.comment(p.Description)
	}
	for _, s := range steps {
		w.step(s)
	}
	if w.err != nil {
		return nil, w.err
	}
	f.Text, f.Origins, f.Titles, f.Words = w.text.Bytes(), w.origins, w.titles, w.words
	return &f, nil
}
