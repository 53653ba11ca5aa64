//go:build e2e

package test

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
)

// matrixFile asks for all of the corpus, in both ways.
var matrixFile = flag.String("matrix", "", "boot all images of the corpus in both ways, and write the confusion matrix to this `file`")

// booted is how one way went.
type booted struct {
	tried   bool
	class   boot.Class
	seconds float64
	accel   string
}

func (b booted) String() string {
	word := "boots"
	switch {
	case !b.tried:
		return "not tried"
	case b.class != boots:
		word = "`" + string(b.class) + "`"
	}
	return fmt.Sprintf("%s, %.0f s", word, b.seconds)
}

// row is what was found of a specimen.
type row struct {
	*specimen
	ran            bool // as the flag -run wants it
	rules          []string
	direct, ostree booted
}

// checked says what the checks say.
func (r *row) checked() string {
	if len(r.rules) == 0 {
		return "passes"
	}
	return "`" + strings.Join(r.rules, "`, `") + "`"
}

// refused reports whether check or a boot says that the image is bad.
func (r *row) refused() bool {
	return len(r.rules) > 0 || r.direct.class != boots || r.ostree.class != boots
}

// TestBootCorpus checks and boots the corpus. No image that does not boot passes
// both, none that boots is refused, and each is refused for what is wrong with
// it.
func TestBootCorpus(t *testing.T) {
	t.Parallel()
	_, config := debian(t)
	base := mounted(t, debianBase)
	rows := make([]row, len(corpus))
	var mu sync.Mutex
	t.Run("images", func(t *testing.T) {
		for i := range corpus {
			s := &corpus[i]
			rows[i].specimen = s
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				m := newMutant(t, config, base)
				s.mutate(m)
				report := m.check()
				rules := errorRules(report)
				if diff := gocmp.Diff(s.rules, rules); diff != "" {
					t.Errorf("rules that find an error (-want +got):\n%s", diff)
				}
				mu.Lock()
				rows[i].rules, rows[i].ran = rules, true
				mu.Unlock()
				for _, way := range []struct {
					mode disk.Mode
					want boot.Class
					into *booted
				}{{disk.Direct, s.direct, &rows[i].direct}, {disk.OSTree, s.ostree, &rows[i].ostree}} {
					if *matrixFile == "" && !slices.Contains(s.quick, way.mode) {
						continue
					}
					t.Run(string(way.mode), func(t *testing.T) {
						t.Parallel()
						got := bootSpecimen(t, m, way.mode)
						if got.class != way.want {
							t.Errorf("class %q, want %q", got.class, way.want)
						}
						mu.Lock()
						*way.into = got
						mu.Unlock()
					})
				}
			})
		}
	})
	rows = slices.DeleteFunc(rows, func(r row) bool { return !r.ran })
	for _, r := range rows {
		if bad := r.refused(); (r.direct.tried || r.ostree.tried || *matrixFile != "") && bad == r.bootable() {
			t.Errorf("%s: bootable %v, refused %v", r.name, r.bootable(), bad)
		}
	}
	if *matrixFile != "" {
		write(t, *matrixFile, []byte(matrix(rows)))
	}
}

// errorRules are the rules that find an error, sorted.
func errorRules(report *check.Report) []string {
	var rules []string
	for _, f := range report.Findings {
		if f.Severity == diag.Error {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// bootSpecimen boots a mutant. The seconds are those of all of it, disk included.
// One processor each, because several machines run at a time.
func bootSpecimen(t *testing.T, m *mutant, mode disk.Mode) booted {
	t.Helper()
	start := time.Now()
	r, err := boot.Boot(t.Context(), m, boot.Options{Dir: t.TempDir(), Mode: mode, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := booted{tried: true, seconds: time.Since(start).Seconds(), accel: r.Accelerator}
	if r.Failure != nil {
		b.class = r.Failure.Class
	}
	t.Logf("%s", r.Text())
	return b
}

// matrix is the table in Markdown, with its summary.
func matrix(rows []row) string {
	var b strings.Builder
	b.WriteString("| image | check | boot, direct | boot, ostree |\n|---|---|---|---|\n")
	var counts [2][2]int
	index := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	accel := ""
	byCheck, byBoot := 0, 0
	for _, r := range rows {
		name := "**" + r.name + "**"
		if r.bootable() {
			name = r.name
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, r.checked(), r.direct, r.ostree)
		counts[index(r.bootable())][index(r.refused())]++
		if !r.bootable() {
			byCheck += index(len(r.rules) > 0)
			byBoot += index(r.direct.class != boots || r.ostree.class != boots)
		}
		accel = cmp.Or(accel, r.direct.accel, r.ostree.accel)
	}
	fmt.Fprintf(&b, "\n| | refused | let through |\n|---|---|---|\n| unbootable | %d | %d |\n| bootable | %d | %d |\n",
		counts[0][1], counts[0][0], counts[1][1], counts[1][0])
	fmt.Fprintf(&b, "\nOf %d unbootable images the checks refuse %d and the boots %d. Run with %s.\n",
		counts[0][0]+counts[0][1], byCheck, byBoot, cmp.Or(accel, "no machine"))
	return b.String()
}
