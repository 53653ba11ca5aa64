package recipe

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// drawValue makes a value of a spec such as a file could have.
func drawValue(t *rapid.T, s *spec, pos diag.Pos) *value {
	v := &value{kind: s.kind, pos: pos}
	switch s.kind {
	case listKind:
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			v.items = append(v.items, drawValue(t, s.item, pos))
		}
	case recordKind:
		for _, w := range s.words {
			if rapid.Bool().Draw(t, w.key) {
				v.members = append(v.members, member{String{w.key, pos}, drawValue(t, w.spec, pos)})
			}
		}
		v.members = rapid.Permutation(v.members).Draw(t, "order")
	case pairsKind:
		for _, key := range rapid.SliceOfDistinct(rapid.StringMatching("[a-c]"), rapid.ID).Draw(t, "keys") {
			v.members = append(v.members, member{String{key, pos}, drawValue(t, &spec{kind: textKind}, pos)})
		}
	default:
		v.text = rapid.StringMatching("[a-z]{1,4}").Draw(t, "text")
	}
	return v
}

var compareValues = cmp.AllowUnexported(value{}, member{})

// TestMergeLaws checks what include promises, for any three files.
func TestMergeLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var files [3]*value
		for i := range files {
			files[i] = drawValue(t, language, diag.Pos{File: fmt.Sprint("file", i), Line: 1, Col: 1})
		}
		a, b, c := files[0], files[1], files[2]
		before := cmp.Diff(a, b, compareValues)

		if diff := cmp.Diff(merge(merge(a, b), c), merge(a, merge(b, c)), compareValues); diff != "" {
			t.Fatalf("the order in which files are merged matters:\n%s", diff)
		}
		if got := merge(nil, a); got != a {
			t.Fatal("nothing before a file changes it")
		}
		if got := merge(a, nil); got != a {
			t.Fatal("nothing after a file changes it")
		}
		compareMerged(t, "", a, b, merge(a, b))
		if after := cmp.Diff(a, b, compareValues); after != before {
			t.Fatal("merging changes what is merged")
		}
	})
}

// compareMerged says again, per kind, what merging two values has to give.
func compareMerged(t *rapid.T, path string, base, over, got *value) {
	switch over.kind {
	case listKind:
		if !slices.Equal(got.items, append(slices.Clone(base.items), over.items...)) {
			t.Fatalf("%s: the list is not base, then over", path)
		}
	case recordKind, pairsKind:
		seen := map[string]bool{}
		for _, m := range got.members {
			key := m.key.Value
			if seen[key] {
				t.Fatalf("%s: %q is there twice", path, key)
			}
			seen[key] = true
			b, o := base.member(key), over.member(key)
			switch {
			case b == nil && o == nil:
				t.Fatalf("%s: %q comes from nowhere", path, key)
			case b == nil:
				if m.value != o {
					t.Fatalf("%s: %q is not the one of over", path, key)
				}
			case o == nil:
				if m.value != b || m.key.Pos != base.pos {
					t.Fatalf("%s: %q is not the one of base", path, key)
				}
			default:
				compareMerged(t, within(path, key), b, o, m.value)
			}
		}
		for _, m := range append(slices.Clone(base.members), over.members...) {
			if !seen[m.key.Value] {
				t.Fatalf("%s: %q is lost", path, m.key.Value)
			}
		}
	default:
		if got.text != over.text || got.pos != over.pos {
			t.Fatalf("%s: the text is not the one of over", path)
		}
	}
}
