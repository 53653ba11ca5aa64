package containerfile_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/recipes"
)

// TestDesktop renders one desktop recipe for five distributions, as text that
// is good to read and that builders read the same way.
func TestDesktop(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("testdata", "desktop")
	for name, distro := range map[string]plan.Distro{
		"centos-9":  {ID: "centos", Version: "9", IDLike: []string{"rhel", "fedora"}},
		"centos-10": {ID: "centos", Version: "10", IDLike: []string{"rhel", "fedora"}},
		"fedora":    {ID: "fedora", Version: "44"},
		"rhel-9":    {ID: "rhel", Version: "9.6", IDLike: []string{"fedora"}},
		"debian":    {ID: "debian", Version: "13"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, problems, err := recipe.Load(os.DirFS(folder), "recipe.yaml", recipe.Options{Bundles: recipes.Bundles})
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			p, problems, err := plan.New(t.Context(), r, plan.Options{
				Platform: "linux/amd64",
				Read:     os.DirFS(folder),
				Epoch:    time.Unix(1_800_000_000, 0),
				ResolveBase: func(context.Context, recipe.Base) (plan.BaseInfo, error) {
					return plan.BaseInfo{Distro: distro, Digest: "sha256:" + strings.Repeat("0123456789abcdef", 4)}, nil
				},
			})
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			f, err := containerfile.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join(folder, name+".Containerfile"), f.Text)
			compare(t, p, f)
		})
	}
}
