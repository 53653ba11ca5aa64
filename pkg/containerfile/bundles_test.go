package containerfile_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/recipes"
)

// bases are the distributions that every bundle has to know.
var bases = []struct {
	// column is the one of the table that the distribution is in.
	column string
	distro plan.Distro
}{
	{"EL 9", plan.Distro{ID: "centos", Version: "9", IDLike: []string{"rhel", "fedora"}}},
	{"EL 9", plan.Distro{ID: "rhel", Version: "9.6", IDLike: []string{"fedora"}}},
	{"EL 9", plan.Distro{ID: "almalinux", Version: "9.6", IDLike: []string{"rhel", "centos", "fedora"}}},
	{"EL 10", plan.Distro{ID: "centos", Version: "10", IDLike: []string{"rhel", "fedora"}}},
	{"EL 10", plan.Distro{ID: "rhel", Version: "10.1", IDLike: []string{"centos", "fedora"}}},
	{"EL 10", plan.Distro{ID: "almalinux", Version: "10.1", IDLike: []string{"rhel", "centos", "fedora"}}},
	{"Fedora 42", plan.Distro{ID: "fedora", Version: "42"}},
	{"Fedora 43", plan.Distro{ID: "fedora", Version: "43"}},
	{"Fedora 44", plan.Distro{ID: "fedora", Version: "44"}},
	{"Debian 12", plan.Distro{ID: "debian", Version: "12"}},
	{"Debian 13", plan.Distro{ID: "debian", Version: "13"}},
}

func bundleNames(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(recipes.Bundles, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no bundles", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	return names
}

// including loads a recipe that says nothing but what it includes.
func including(t *testing.T, bundles ...string) *recipe.Recipe {
	t.Helper()
	fsys := fstest.MapFS{"recipe.yaml": {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1}\ninclude: [" + strings.Join(bundles, ", ") + "]\n")}}
	r, _, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{Bundles: recipes.Bundles})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return r
}

// planOn plans a recipe for a distribution.
func planOn(t *testing.T, r *recipe.Recipe, d plan.Distro) (*plan.Plan, diag.List) {
	t.Helper()
	p, problems, err := plan.New(t.Context(), r, plan.Options{
		Platform:    "linux/amd64",
		ResolveBase: func(context.Context, recipe.Base) (plan.BaseInfo, error) { return plan.BaseInfo{Distro: d}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, problems
}

// TestBundles renders every bundle on every distribution. Where a bundle is of
// no use, it has to say so itself.
func TestBundles(t *testing.T) {
	t.Parallel()
	for _, name := range bundleNames(t) {
		for _, base := range bases {
			t.Run(name+" on "+base.distro.String(), func(t *testing.T) {
				t.Parallel()
				p, problems := planOn(t, including(t, name), base.distro)
				if p == nil {
					refused(t, problems, name)
					return
				}
				if len(problems) > 0 {
					t.Errorf("warnings: %v", problems)
				}
				f, err := containerfile.Render(p)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, p, f)
			})
		}
	}
}

// refused fails the test unless all that is wrong is that the bundle is not
// for the distribution, and says what to do instead.
func refused(t *testing.T, problems diag.List, name string) {
	t.Helper()
	for _, d := range problems {
		if d.Code != "unsupported-on" || !strings.HasPrefix(d.Message, fmt.Sprintf("the bundle %q is of no use on ", name)) {
			t.Errorf("%v", d)
		}
		if d.Pos.String() != "recipe.yaml:4:11" {
			t.Errorf("%v: that is not where the bundle is included", d)
		}
		if !strings.Contains(d.Message, "; ") {
			t.Errorf("%v: says not what to use", d)
		}
	}
}

// TestBundlesElsewhere plans for distributions that bundles do not know.
func TestBundlesElsewhere(t *testing.T) {
	t.Parallel()
	for _, distro := range []plan.Distro{
		{ID: "centos", Version: "11", IDLike: []string{"rhel", "fedora"}},
		{ID: "ubuntu", Version: "24.04", IDLike: []string{"debian"}},
	} {
		p, problems := planOn(t, including(t, "auto-update", "kde"), distro)
		if p != nil || len(problems) != 1 {
			t.Fatalf("%s: the problems are %v", distro, problems)
		}
		d := problems[0]
		if want := fmt.Sprintf(`recipe.yaml:4:24: the bundle "kde" says nothing of %s (unsupported-on)`, distro); d.String() != want {
			t.Errorf("got %v, want %s", d, want)
		}
		if want := "it knows el-9, el-10, fedora, debian-12, debian-13; "; !strings.HasPrefix(d.Hint, want) {
			t.Errorf("%s: the hint is %q", distro, d.Hint)
		}
	}
}

// TestBundlesTogether includes all that are of use on a distribution, but for
// one of the two desktops: nothing in them contradicts the others.
func TestBundlesTogether(t *testing.T) {
	t.Parallel()
	for _, base := range bases {
		for _, left := range []string{"kde", "gnome"} {
			var names []string
			for _, name := range bundleNames(t) {
				if p, _ := planOn(t, including(t, name), base.distro); p != nil && name != left {
					names = append(names, name)
				}
			}
			p, problems := planOn(t, including(t, names...), base.distro)
			if p == nil {
				t.Errorf("%s without %s: %v", base.distro, left, problems)
				continue
			}
			f, err := containerfile.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, p, f)
		}
	}
}

// TestBundlesReadme keeps the list of the bundles as they are.
func TestBundlesReadme(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Bundles\n\n" +
		"What `include: [NAME]` of a recipe brings along, by distribution. EL is CentOS Stream, RHEL and AlmaLinux. " +
		"A package that a distribution turns out not to have fails the build, with its name.\n\n" +
		"This file is made of the bundles: `go test ./pkg/containerfile -run TestBundlesReadme -update`.\n")
	for _, name := range bundleNames(t) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| on | brings |\n|---|---|\n", name, purpose(t, name))
		for _, row := range rows(t, name) {
			fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(row.columns, ", "), row.brings)
		}
	}
	golden.Check(t, filepath.Join("..", "..", "recipes", "README.md"), []byte(b.String()))
}

// purpose returns the comment at the top of a bundle.
func purpose(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(recipes.Bundles, name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		comment, ok := strings.CutPrefix(line, "# ")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimSpace(comment))
	}
	if len(lines) == 0 {
		t.Errorf("the bundle %s says not what it is for", name)
	}
	return strings.Join(lines, "\n")
}

type row struct {
	columns []string
	brings  string
}

// rows returns what a bundle brings, one row for all distributions on which
// that is the same.
func rows(t *testing.T, name string) []row {
	t.Helper()
	var all []row
	for _, base := range bases {
		on, problems := including(t, name).On(base.distro.Names(), base.distro.String())
		brings := ""
		if on != nil {
			brings = summary(on)
		} else {
			_, reason, _ := strings.Cut(problems[0].Message, ": ")
			brings = "not supported: " + reason
		}
		found := false
		for i := range all {
			if all[i].brings == brings {
				found = true
				if last := all[i].columns; last[len(last)-1] != base.column {
					all[i].columns = append(last, base.column)
				}
			}
		}
		if !found {
			all = append(all, row{[]string{base.column}, brings})
		}
	}
	return all
}

// summary says what a recipe brings.
func summary(r *recipe.Recipe) string {
	var parts []string
	add := func(word string, values []string) {
		if len(values) > 0 {
			parts = append(parts, fmt.Sprintf("%s `%s`", word, strings.Join(values, "`, `")))
		}
	}
	values := func(list []recipe.String) (out []string) {
		for _, s := range list {
			out = append(out, s.Value)
		}
		return out
	}
	one := func(s recipe.String) []string {
		if !s.IsSet() {
			return nil
		}
		return []string{s.Value}
	}
	var repos, install, files, steps []string
	for _, repo := range r.Repos {
		repos = append(repos, repo.Known.Value)
	}
	for _, p := range r.Packages.Install {
		install = append(install, p.Name.Value)
	}
	for _, f := range r.Files {
		files = append(files, f.Destination.Value)
	}
	for _, s := range r.Run {
		steps = append(steps, s.Name.Value)
	}
	add("display manager", one(r.Desktop.DisplayManager))
	add("session", one(r.Desktop.Session))
	add("input method", append(one(r.Desktop.InputMethod.Framework), values(r.Desktop.InputMethod.Engines)...))
	add("fonts", values(r.Desktop.Fonts))
	add("repositories for the build", repos)
	add("groups", values(r.Packages.Groups))
	add("packages", install)
	add("where available", values(r.Packages.Optional))
	add("never", values(r.Packages.Exclude))
	add("files", files)
	add("starts", values(r.Systemd.Enable))
	add("masks", values(r.Systemd.Mask))
	add("steps", steps)
	return strings.Join(parts, "; ")
}
