package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// notes writes down what stages say.
type notes struct {
	progress.Reporter
	lines []string
}

type notesStage struct {
	progress.Stage
	of *notes
}

func (n *notes) Stage(name string) progress.Stage { return notesStage{n.Reporter.Stage(name), n} }

func (s notesStage) Infof(format string, args ...any) {
	s.of.lines = append(s.of.lines, fmt.Sprintf(format, args...))
}

// TestOptionalIsReadFromTheImage is what a build says whose steps were all
// cached.
func TestOptionalIsReadFromTheImage(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	k.img = fakeimage.New(t, imgspecv1.Image{}, fakeimage.Files{
		"usr/lib/os-release":                         fakeimage.Text("VERSION_ID=12\n"),
		"usr/lib/modules/6.1.0-56/vmlinuz":           fakeimage.Text(""),
		strings.TrimPrefix(plan.OptionalReport, "/"): fakeimage.Text("rare\nof-the-base\n"),
	})
	for name, test := range map[string]struct {
		recipe string
		want   []string
		notes  int
	}{
		"asked for": {"packages: {optional: [sl, rare]}\n", []string{"rare"}, 1},
		"not asked": {"", nil, 0},
	} {
		in, said, s := load(t, twoTargets+test.recipe), &notes{Reporter: progress.Discard}, k.services()
		s.Progress = said
		result, err := Build(t.Context(), in, s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, result.OptionalUnavailable); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		found := 0
		for _, line := range said.lines {
			if strings.HasPrefix(line, `recipe.yaml:9:27: the optional package "rare" could not be installed`) {
				found++
			}
		}
		if found != test.notes {
			t.Errorf("%s: %d notes of %q", name, found, said.lines)
		}
	}

	// Which recipe an image comes from, a push does not know.
	result, err := Push(t.Context(), load(t, twoTargets), k.img, k.services())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rare", "of-the-base"}, result.OptionalUnavailable); diff != "" {
		t.Errorf("push (-want +got):\n%s", diff)
	}
}
