package pipeline

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/journal"
)

// log writes the journal to the output folder, where there is one.
func (r *run) log() error {
	if r.journal == nil || r.in.Out == "" {
		return nil
	}
	return r.journal.Write(r.in.Out)
}

// pass notes that the image passed a stage that was told these words and left
// these files in the output folder.
func (r *run) pass(stage string, words digest.Digest, files ...string) error {
	if r.journal == nil || r.in.Out == "" {
		return nil
	}
	s := journal.Stage{Name: stage, Words: words, Files: map[string]digest.Digest{}}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(r.in.Out, name))
		if err != nil {
			return fmt.Errorf("noting what stage %q left: %w", stage, err)
		}
		s.Files[name] = digest.FromBytes(b)
	}
	r.journal.Pass(s)
	return r.log()
}

// passed reports whether the image has passed a stage in the run that is
// resumed: it was told the same, and what it left is there as it was.
func (r *run) passed(stage string, words digest.Digest) bool {
	if r.in.Resume == nil {
		return false
	}
	s := r.journal.Find(stage)
	if s.Name == "" || s.Words != words {
		return false
	}
	for name, want := range s.Files {
		b, err := os.ReadFile(filepath.Join(r.in.Out, name))
		if err != nil || digest.FromBytes(b) != want {
			return false
		}
	}
	return true
}

// left reads a report that a stage left.
func (r *run) left(name string, report any) error {
	b, err := os.ReadFile(filepath.Join(r.in.Out, name))
	if err == nil {
		err = json.Unmarshal(b, report)
	}
	if err != nil {
		return fmt.Errorf("reading what an earlier run found out: %w", err)
	}
	return nil
}

// wordsOf is the digest of words of a recipe: of what they say, and not of the
// line that says it.
func wordsOf(words ...any) digest.Digest {
	b, err := json.Marshal(words)
	if err != nil {
		panic(fmt.Sprintf("words of a recipe that are no JSON: %v", err))
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		panic(err)
	}
	if b, err = json.Marshal(withoutPlaces(tree)); err != nil {
		panic(err)
	}
	return digest.FromBytes(b)
}

func withoutPlaces(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for key, value := range t {
			if strings.HasSuffix(key, "Pos") {
				delete(t, key)
			} else {
				t[key] = withoutPlaces(value)
			}
		}
	case []any:
		for i := range t {
			t[i] = withoutPlaces(t[i])
		}
	}
	return tree
}
