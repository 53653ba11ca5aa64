package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// cases are the folders of testdata, and how their base resolves.
var cases = map[string]plan.Options{
	"minimal":        {},
	"desktop-debian": {},
	"desktop-el":     {},
	"desktop-fedora": {TrustFiles: trustFiles},
	"debian-desktop": {
		ResolveBase: resolve(plan.BaseInfo{
			Digest:       "sha256:" + strings.Repeat("0123456789abcdef", 4),
			Distro:       plan.Distro{ID: "debian", Version: "13"},
			Architecture: "amd64",
		}),
		Epoch: time.Unix(1_800_000_000, 0),
	},
	"centos-kde": {
		// What the recipe says wins.
		ResolveBase: resolve(plan.BaseInfo{
			Digest: "sha256:" + strings.Repeat("f", 64),
			Distro: plan.Distro{ID: "debian", Version: "12"},
		}),
	},
	"fedora": {
		ResolveBase: resolve(plan.BaseInfo{
			Distro:  plan.Distro{ID: "fedora", Version: "44"},
			ImageID: strings.Repeat("ab", 32),
		}),
	},
	// All that can be said of repositories and packages.
	"packages-centos-9":     {},
	"packages-centos-10":    {},
	"packages-almalinux-10": {},
	"packages-fedora-43":    {},
	"packages-rhel-9":       {},
	"packages-debian-12":    {},
}

func resolve(info plan.BaseInfo) func(context.Context, recipe.Base) (plan.BaseInfo, error) {
	return func(context.Context, recipe.Base) (plan.BaseInfo, error) { return info, nil }
}

// load loads the recipe of a project, which has to be without errors.
func load(t *testing.T, project fs.FS) *recipe.Recipe {
	t.Helper()
	r, _, problems, err := recipe.Load(project, "recipe.yaml", recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if problems.HasErrors() {
		t.Fatal(problems.Err())
	}
	return r
}

// planOf plans a folder of testdata.
func planOf(t *testing.T, name string) (*plan.Plan, diag.List) {
	t.Helper()
	root, err := os.OpenRoot(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	o := cases[name]
	o.Read, o.Platform = root.FS(), "linux/amd64"
	p, problems, err := plan.New(t.Context(), load(t, root.FS()), o)
	if err != nil {
		t.Fatal(err)
	}
	if problems.HasErrors() {
		t.Fatal(problems.Err())
	}
	return p, problems
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := planOf(t, name)
			got, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, filepath.Join("testdata", name, "plan.json"), append(got, '\n'))
		})
	}
}

func TestNewIsDeterministic(t *testing.T) {
	t.Parallel()
	for name := range cases {
		first, _ := planOf(t, name)
		for range 20 {
			again, _ := planOf(t, name)
			if diff := cmp.Diff(first, again, cmpopts.IgnoreFields(plan.Plan{}, "Recipe")); diff != "" {
				t.Fatalf("%s: (-first +again):\n%s", name, diff)
			}
		}
	}
}

func TestEverythingHasAnOrigin(t *testing.T) {
	t.Parallel()
	for name := range cases {
		p, _ := planOf(t, name)
		if !p.Origin.IsValid() {
			t.Errorf("%s: the plan has no origin", name)
		}
		for _, s := range p.Steps {
			if len(s.Origin) == 0 {
				t.Errorf("%s: step %q has no origin", name, s.Title)
			}
			for _, at := range s.Origin {
				if !at.IsValid() || at.Line == 0 {
					t.Errorf("%s: step %q has the origin %q", name, s.Title, at)
				}
			}
			for _, i := range s.Instructions {
				if i.Copy != nil && !i.Copy.Origin.IsValid() {
					t.Errorf("%s: a copy of step %q has no origin", name, s.Title)
				}
				if i.Run != nil {
					for _, c := range i.Run.Commands {
						for _, w := range c.Words {
							if !w.Origin.IsValid() {
								t.Errorf("%s: word %q of step %q has no origin", name, w.Value, s.Title)
							}
						}
					}
				}
			}
		}
	}
}

func TestOrderOfSteps(t *testing.T) {
	t.Parallel()
	p, _ := planOf(t, "debian-desktop")
	var got []plan.Kind
	for _, s := range p.Steps {
		got = append(got, s.Kind)
	}
	want := []plan.Kind{
		plan.KindBase, plan.KindInstall, plan.KindOptional, plan.KindLocale, plan.KindRemove, plan.KindFiles,
		plan.KindSystemd, plan.KindKernelArgs, plan.KindRun, plan.KindRun, plan.KindRun,
		plan.KindInitramfs, plan.KindCleanup, plan.KindLabels,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const debian = "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: debian-12}\n"
	const centos = "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: centos-10}\n"
	for name, test := range map[string]struct {
		recipe string
		want   []string
	}{
		"no distribution": {
			"version: 1\nname: x\nbase: {image: quay.io/x/y:1}\n",
			[]string{`recipe.yaml:3:15: the distribution of the base "quay.io/x/y:1" is not known (unknown-distribution); add base.distro, as in "distro: centos-10"`},
		},
		"apt removes": {
			debian + "packages:\n  install: [nano-]\n",
			[]string{`recipe.yaml:5:13: "nano-": apt-get removes a package whose name ends in "-" (invalid-value)`},
		},
		"unused secret": {
			centos + "secrets: [{id: a, env: A}]\n",
			[]string{`recipe.yaml:4:16: secret "a" is used by no step under run (unused-secret); name it in the secrets of the step that needs it`},
		},
		"setuid folder": {
			centos + "files:\n  - {source: dir, destination: /usr, mode: \"4755\"}\n",
			[]string{`recipe.yaml:5:44: the mode "4755" for the files of a folder has special bits (invalid-value); name the file in an entry of its own`},
		},
		"several at once": {
			debian + "packages: {install: [nano-], remove: [vim-]}\nsecrets: [{id: a, env: A}]\n",
			[]string{
				`recipe.yaml:4:22: "nano-": apt-get removes a package whose name ends in "-" (invalid-value)`,
				`recipe.yaml:4:39: "vim-": apt-get removes a package whose name ends in "-" (invalid-value)`,
				`recipe.yaml:5:16: secret "a" is used by no step under run (unused-secret); name it in the secrets of the step that needs it`,
			},
		},
		"only on this distribution": {
			centos + "packages: {install: [a]}\nwhen:\n" +
				"  - {distro: [debian], packages: {remove: [a]}}\n" +
				"  - {distro: [el], packages: {exclude: ['a*']}, systemd: {enable: [b.service]}}\n" +
				"  - {distro: [centos-10], systemd: {mask: [b.service]}}\n" +
				"  - {distro: [centos], unsupported: take fedora}\n",
			[]string{
				`recipe.yaml:7:41: package "a*" is also in packages.install, as "a", in line 4 (conflict); take it out of one of them`,
				`recipe.yaml:8:44: unit "b.service" is also in systemd.enable, in line 7 (conflict); take it out of one of them`,
				`recipe.yaml:9:37: this is of no use on centos 10: take fedora (unsupported-on)`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			project := fstest.MapFS{
				"recipe.yaml": {Data: []byte(test.recipe)},
				"dir/file":    {Data: []byte("x")},
			}
			p, problems, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range problems {
				line := d.String()
				if d.Hint != "" {
					line += "; " + d.Hint
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if problems.HasErrors() != (p == nil) {
				t.Errorf("errors: %v, plan: %v", problems.HasErrors(), p)
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		platforms, base, machine string
		want                     []string // positions
	}{
		"none":                     {"", "", "linux/arm64", nil},
		"the machine's":            {"platforms: [linux/arm64]", "arm64", "linux/arm64", nil},
		"this program's":           {"platforms: [linux/" + runtime.GOARCH + "]", runtime.GOARCH, "", nil},
		"another":                  {"platforms: [linux/arm64]", "", "linux/amd64", []string{"recipe.yaml:4:13 platforms[0]"}},
		"the machine's and others": {"platforms: [linux/amd64, linux/arm64]", "", "linux/arm64", nil},
		"others":                   {"platforms: [linux/amd64, linux/arm64]", "", "linux/s390x", []string{"recipe.yaml:4:13 platforms[0]", "recipe.yaml:4:26 platforms[1]"}},
		"another base":             {"", "s390x", "linux/amd64", []string{"recipe.yaml:3:15 base.image"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			project := fstest.MapFS{"recipe.yaml": {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1}\n" + test.platforms + "\n")}}
			_, problems, err := plan.New(t.Context(), load(t, project), plan.Options{
				Platform:    test.machine,
				ResolveBase: resolve(plan.BaseInfo{Distro: plan.Distro{ID: "centos", Version: "10"}, Architecture: test.base}),
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range problems {
				got = append(got, d.Pos.String()+" "+d.Path)
				if d.Code != "unsupported-platform" || !strings.Contains(d.Hint, "build on a machine of that architecture") {
					t.Errorf("got %v; %s", d, d.Hint)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownArchitecture(t *testing.T) {
	t.Parallel()
	at := func(v string) recipe.String {
		return recipe.String{Value: v, Pos: diag.Pos{File: "r", Line: 1, Col: 1}}
	}
	r := &recipe.Recipe{
		Name:   at("x"),
		Base:   recipe.Base{Image: at("quay.io/x/y"), Distro: at("centos-10")},
		Kernel: recipe.Kernel{Args: []recipe.KernelArg{{Arg: at("quiet"), Architectures: []recipe.String{at("x86_64")}}}},
	}
	_, problems, err := plan.New(t.Context(), r, plan.Options{})
	if err != nil || len(problems) != 1 || problems[0].Code != "unknown-architecture" || problems[0].Path != "kernel.args[0].architectures[0]" {
		t.Errorf("got %v, %v", problems, err)
	}
}

func TestUnsupportedDistribution(t *testing.T) {
	t.Parallel()
	project := fstest.MapFS{"recipe.yaml": {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1}\n")}}
	_, problems, err := plan.New(t.Context(), load(t, project), plan.Options{
		ResolveBase: resolve(plan.BaseInfo{Distro: plan.Distro{ID: "arch"}}),
	})
	if err != nil || len(problems) != 1 {
		t.Fatalf("got %v, %v", problems, err)
	}
	got := problems[0]
	if got.Code != "unsupported-distribution" || got.Line != 3 || !strings.Contains(got.Hint, "Debian, Ubuntu (apt-get)") {
		t.Errorf("got %v; %s", got, got.Hint)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	const head = "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: centos-10}\n"
	full := fstest.MapFS{
		"recipe.yaml": {Data: []byte(head + "files: [{source: f, destination: /f}]\nrun: [{name: f, script: f}]\n")},
		"f":           {Data: []byte("x")},
	}
	r := load(t, full)

	unreachable := errors.New("unreachable")
	_, _, err := plan.New(t.Context(), r, plan.Options{Read: full, ResolveBase: func(context.Context, recipe.Base) (plan.BaseInfo, error) {
		return plan.BaseInfo{}, unreachable
	}})
	if !errors.Is(err, unreachable) {
		t.Errorf("resolver: got %v", err)
	}
	if _, _, err = plan.New(t.Context(), r, plan.Options{Read: fstest.MapFS{}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("file that went away: got %v", err)
	}
	if _, _, err = plan.New(t.Context(), r, plan.Options{}); err == nil {
		t.Error("no project: no error")
	}
}

// TestScriptsParse lets bash read what the plans run.
func TestScriptsParse(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
