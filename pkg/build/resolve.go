package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
)

// RepositoryError says that a repository of packages could not be read, so
// that nobody knows which names it has.
type RepositoryError struct {
	// Reasons are in the package manager's own words, which name the
	// repository; there is one at least.
	Reasons []string
}

func (e *RepositoryError) Error() string {
	return "asking the repositories for names: " + strings.Join(e.Reasons, "\n")
}

// MendHint says what can be done about it.
func (e *RepositoryError) MendHint() string {
	return "look whether this machine reaches the repository, and whether it is one of the base's or of the recipe's repos"
}

// Resolve runs a query, as [containerfile.RenderQuery] writes it, in a container
// that is thrown away: it asks the base and its repositories for the names that
// the build of the same plan will install. Of the image nothing is built but
// the steps that prepare repositories, which the build then finds in the layer
// cache, as it finds what was downloaded in the package caches.
//
// The list says which names nobody knows, at their places in the recipe; it
// holds warnings and notes as well. The error is a [*RepositoryError] where the
// repositories could not tell, and otherwise one of [Builder.Build].
//
// Answers without a problem are remembered like the results of steps: until
// the query changes, or a step that installs fails, it is not asked again, unless
// o says NoCache. Tag is not used.
func (b *Builder) Resolve(ctx context.Context, f *containerfile.File, o Options) (diag.List, error) {
	fresh := o.NoCache
	// What prepares the repositories is the same as in the build to come.
	o.NoCache, o.Tag = false, ""
	if !fresh && b.remembers(f) {
		if o.Stage != nil {
			o.Stage.Infof("all names were found before")
		}
		return nil, nil
	}
	var list diag.List
	err := b.work(ctx, f, o, func(v *view, end ending) error {
		list = v.found()
		switch {
		case len(v.report.Unreadable) > 0:
			return &RepositoryError{Reasons: v.report.Unreadable}
		case v.report.Answered:
			return nil
		case end.Error == "":
			return errors.New("asking for names: the step ended without an answer")
		}
		return b.failure(v, end)
	})
	if err != nil {
		return nil, err
	}
	if list.HasErrors() {
		b.forget(ctx, f)
		return list, nil
	}
	return list, b.remember(f)
}

// maxAnswers is how many queries of one name of image are remembered: those of
// several recipes, and of a recipe that is changed back.
const maxAnswers = 16

// answers is the file with the digests of the queries that were answered well,
// a line each: those of images with the name of f.
func (b *Builder) answers(f *containerfile.File) string {
	return filepath.Join(b.runs.root, "answered", fmt.Sprintf("%x", sha256.Sum256([]byte(f.Name))))
}

// answered returns the lines of that file. One that cannot be read has none,
// and then it is asked again.
func (b *Builder) answered(f *containerfile.File) []string {
	text, err := os.ReadFile(b.answers(f))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

// remembers reports whether the query was answered well before.
func (b *Builder) remembers(f *containerfile.File) bool {
	return slices.Contains(b.answered(f), f.Digest())
}

func (b *Builder) remember(f *containerfile.File) error {
	if b.remembers(f) {
		return nil
	}
	list := append(b.answered(f), f.Digest())
	list = list[max(0, len(list)-maxAnswers):]
	name := b.answers(f)
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Join(list, "\n")+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("remembering which names were found: %w", err)
	}
	return nil
}

// forget makes the next build of that name ask again: what was there may be so
// no longer.
func (b *Builder) forget(ctx context.Context, f *containerfile.File) {
	if err := os.Remove(b.answers(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.WarnContext(ctx, "forgetting which names were found", "error", err)
	}
}
