package recipe_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// What distributions go by, as package plan says it.
var (
	centos10 = []string{"centos", "centos-10", "el", "el-10"}
	fedora44 = []string{"fedora", "fedora-44"}
	debian13 = []string{"debian", "debian-13"}
)

// bundles makes a file system of bundles.
func bundles(files map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// loaded loads a recipe that has no problems by itself.
func loaded(t *testing.T, fsys, known fs.FS) (*recipe.Recipe, diag.Sources) {
	t.Helper()
	r, sources, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{Bundles: known})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return r, sources
}

// placed returns the packages to install, with their places.
func placed(r *recipe.Recipe) []string {
	var out []string
	for _, p := range r.Packages.Install {
		out = append(out, fmt.Sprintf("%s %s", p.Name.Value, p.Name.Pos))
	}
	return out
}

// TestOnOrder looks at what applies in which order: the words of a file, its
// own entries of "when", then the next file.
func TestOnOrder(t *testing.T) {
	t.Parallel()
	fsys := project(`include: [tools, ./site.yaml]
packages: {install: [mine]}
hostname: mine
when:
  - distro: [fedora]
    packages: {install: [mine-fedora]}
  - distro: [el-10, debian]
    packages: {install: [mine-el]}
    hostname: mine-el
  - distro: [el]
    packages: {install: [mine-el-later]}
`, map[string]string{
		"site.yaml": "when: [{distro: [centos], packages: {install: [site-centos]}, hostname: site-centos}]\n" +
			"packages: {install: [site]}\nhostname: site\n",
	})
	r, _ := loaded(t, fsys, bundles(map[string]string{
		"tools": "when:\n  - distro: [el-10, fedora]\n    packages: {install: [tool]}\n",
	}))
	before, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"site site.yaml:2:22", "mine recipe.yaml:5:22"}, placed(r)); diff != "" {
		t.Errorf("without a distribution:\n%s", diff)
	}

	on, problems := r.On(centos10, "centos 10")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []string{
		"tool bundle:tools.yaml:3:26",
		"site site.yaml:2:22", "site-centos site.yaml:1:48",
		"mine recipe.yaml:5:22", "mine-el recipe.yaml:11:26", "mine-el-later recipe.yaml:14:26",
	}
	if diff := cmp.Diff(want, placed(on)); diff != "" {
		t.Errorf("on centos:\n%s", diff)
	}
	if got := on.Hostname; got.Value != "mine-el" || got.Pos.String() != "recipe.yaml:12:15" {
		t.Errorf("the host name is %v", got)
	}
	if on.File != r.File || on.Dir != r.Dir || on.Name != r.Name {
		t.Error("it is another recipe")
	}

	// The later file wins over what an earlier one says of the distribution.
	on, problems = r.On(fedora44, "fedora 44")
	if len(problems) > 0 || on.Hostname.Value != "mine" {
		t.Errorf("on fedora the host name is %v; problems: %v", on.Hostname, problems)
	}

	if after, _ := json.Marshal(r); !bytes.Equal(before, after) {
		t.Error("asking for a distribution changes the recipe")
	}
	if again, problems := on.On(fedora44, "fedora 44"); again != on || len(problems) > 0 {
		t.Error("what is on a distribution already changes")
	}
}

func TestOnWithoutVariants(t *testing.T) {
	t.Parallel()
	r, _ := loaded(t, project("packages: {install: [a]}\n", nil), nil)
	if on, problems := r.On(centos10, "centos 10"); on != r || len(problems) > 0 {
		t.Errorf("got %v, %v", on, problems)
	}
}

// TestOnProblems looks at what is wrong on one distribution only.
func TestOnProblems(t *testing.T) {
	t.Parallel()
	known := bundles(map[string]string{
		"wine":  "when:\n  - {distro: [fedora], packages: {install: [wine]}}\n  - {distro: [el], unsupported: 'take bottles'}\n",
		"outer": "include: [wine]\n",
		"strip": "when: [{distro: [fedora], packages: {exclude: ['wine*']}}]\n",
		"motd":  "when: [{distro: [fedora], files: [{content: x, destination: /etc/motd}]}]\n",
	})
	for name, test := range map[string]struct {
		body  string
		names []string
		want  []string
	}{
		"supported": {"include: [wine]\n", fedora44, nil},
		"unsupported bundle": {
			"include: [wine]\n", centos10,
			[]string{`recipe.yaml:4:11: the bundle "wine" is of no use on here: take bottles (unsupported-on)`},
		},
		"bundle of a bundle": {
			"include: [outer]\n", centos10,
			[]string{`bundle:outer.yaml:1:11: the bundle "wine" is of no use on here: take bottles (unsupported-on)`},
		},
		"unknown to a bundle": {
			"include: [wine]\n", debian13,
			[]string{`recipe.yaml:4:11: the bundle "wine" says nothing of here (unsupported-on)`},
		},
		"unknown to a file": {"when: [{distro: [fedora], hostname: a}]\n", debian13, nil},
		"unsupported file": {
			"when: [{distro: [el-10], unsupported: 'not tried'}]\n", centos10,
			[]string{"recipe.yaml:4:39: this is of no use on here: not tried (unsupported-on)"},
		},
		"conflict of two bundles": {
			"include: [wine, strip]\n", fedora44,
			[]string{`bundle:strip.yaml:1:48: package "wine*" is also in packages.install, as "wine", in bundle:wine.yaml:2:45 (conflict)`},
		},
		"conflict with a bundle": {
			"include: [strip]\nwhen: [{distro: [fedora-44], packages: {optional: [winetricks]}}]\n", fedora44,
			[]string{`recipe.yaml:5:52: package "winetricks" is also in packages.exclude, as "wine*", in bundle:strip.yaml:1:48 (conflict)`},
		},
		"one destination": {
			"include: [motd]\nfiles: [{content: mine, destination: /etc/motd}]\n", fedora44,
			[]string{`recipe.yaml:5:38: there is a file "/etc/motd" already, in bundle:motd.yaml:1:61 (duplicate-name)`},
		},
		"conflict elsewhere": {"include: [wine]\nwhen: [{distro: [debian], packages: {exclude: [wine]}}]\n", fedora44, nil},
		"still missing": {
			"desktop: {input-method: {engines: [hangul]}}\nwhen: [{distro: [debian], desktop: {input-method: ibus}}]\n", fedora44,
			[]string{"recipe.yaml:4:11: the input method has engines and no framework (incomplete)"},
		},
		"no longer missing": {
			"desktop: {input-method: {engines: [hangul]}}\nwhen: [{distro: [debian], desktop: {input-method: ibus}}]\n", debian13, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, sources := loaded(t, project(test.body, nil), known)
			on, problems := r.On(test.names, "here")
			var got []string
			for _, d := range problems {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if (on == nil) != problems.HasErrors() {
				t.Errorf("the recipe is %v", on)
			}
			checkPositions(t, problems, sources)
		})
	}
}

// FuzzOn looks for files that make merging panic, and compares what On makes
// of a distribution with the order that it promises.
func FuzzOn(f *testing.F) {
	f.Add("packages: {install: [a]}\nwhen: [{distro: [el], packages: {install: [b]}}]\n", "packages: {exclude: [a]}\n", "hostname: x\n")
	f.Add("include: [other]\n", "include: [bundle]\n", "include: [./recipe.yaml]\n")
	f.Add("when: [{distro: [debian], unsupported: x}]\n", "when: [{distro: [el-10], hostname: y}]\n", "when: []\n")
	f.Add("include: [./site.yaml]\nwhen: [{distro: [fedora], include: [x]}]\n", "when: [{distro: [el], when: []}]\n", "{}\n")
	f.Fuzz(func(t *testing.T, bundle, other, site string) {
		fsys := project("include: [bundle, ./site.yaml, other]\n", map[string]string{"site.yaml": site})
		r, sources, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{Bundles: bundles(map[string]string{"bundle": bundle, "other": other})})
		if err != nil {
			t.Fatal(err)
		}
		checkPositions(t, problems, sources)
		if r == nil {
			return
		}
		for _, names := range [][]string{centos10, fedora44, debian13} {
			on, problems := r.On(names, names[0])
			checkPositions(t, problems, sources)
			if (on == nil) != problems.HasErrors() {
				t.Fatalf("the recipe is %v, the problems %v", on, problems)
			}
			if on == nil {
				continue
			}
			// What is said everywhere is there as well, in the same order.
			rest := placed(on)
			for _, p := range placed(r) {
				i := slices.Index(rest, p)
				if i < 0 {
					t.Fatalf("%s is lost or moved in %s", p, strings.Join(placed(on), ", "))
				}
				rest = rest[i+1:]
			}
		}
	})
}
