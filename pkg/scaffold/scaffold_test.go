package scaffold_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/scaffold"
	"github.com/bootkiln/bootkiln/recipes"
)

// Each template, with and without a workflow, is a project whose recipe has no
// problem and becomes a Containerfile without a network.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, template := range scaffold.Templates() {
		for _, ci := range []*scaffold.Workflow{nil, {}} {
			if ci != nil && template.Name == "debian-minimal" {
				continue // its base is in the store of one machine
			}
			name := template.Name
			if ci != nil {
				name += " with a workflow"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				files, err := scaffold.Files(scaffold.Options{Template: template.Name, Name: "kiln", Keys: true, GitHub: ci})
				if err != nil {
					t.Fatal(err)
				}
				lookAt(t, files, ci != nil)
				render(t, laidOut(t, files))
			})
		}
	}
}

func lookAt(t *testing.T, files []scaffold.File, workflow bool) {
	t.Helper()
	text := map[string]string{}
	for _, f := range files {
		text[f.Name] = string(f.Content)
		if len(f.Content) == 0 || strings.Contains(string(f.Content), "<%") || strings.Contains(string(f.Content), "<no value>") {
			t.Errorf("%s is not filled in:\n%s", f.Name, f.Content)
		}
	}
	for _, name := range []string{"recipe.yaml", "recipe.schema.json", "README.md", ".gitignore"} {
		if text[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	if !strings.HasPrefix(text["recipe.yaml"], "# yaml-language-server: $schema=recipe.schema.json\nversion: 1\n") {
		t.Errorf("the recipe does not begin with its schema:\n%s", text["recipe.yaml"])
	}
	if text["recipe.schema.json"] != string(recipe.Schema()) {
		t.Error("the schema is another one")
	}
	if lines := strings.Split(text[".gitignore"], "\n"); !slices.Contains(lines, "*.key") || !slices.Contains(lines, "/out/") {
		t.Errorf("git would take the private key, or what a run leaves: %q", lines)
	}
	if got := text[scaffold.WorkflowFile]; (got != "") != workflow {
		t.Errorf("the workflow is %q", got)
	} else if workflow {
		inspect(t, got)
	}
	if !slices.IsSortedFunc(files, func(a, b scaffold.File) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the files are not in order")
	}
}

// laidOut writes a project into a folder.
func laidOut(t *testing.T, files []scaffold.File) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render does what the command of that name does with --offline.
func render(t *testing.T, dir string) {
	t.Helper()
	project := os.DirFS(dir)
	r, _, problems, err := recipe.Load(project, scaffold.RecipeFile, recipe.Options{
		Bundles: recipes.Bundles, Unpublished: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r == nil {
		t.Fatal(problems)
	}
	p, more, err := plan.New(t.Context(), r, plan.Options{Read: project})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(problems, more...) {
		if d.Code != "unset-variable" { // GitHub's own, which nobody else has
			t.Errorf("%s: %s: %s", d.Pos, d.Message, d.Hint)
		}
	}
	if p == nil {
		t.FailNow()
	}
	f, err := containerfile.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(f.Text, []byte("\nFROM ")) {
		t.Errorf("that is no Containerfile:\n%s", f.Text)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options      scaffold.Options
		option, hint string
	}{
		"no template":      {scaffold.Options{Name: "kiln"}, "template", "centos-kde "},
		"unknown template": {scaffold.Options{Name: "kiln", Template: "centos-kd"}, "template", `did you mean "centos-kde"?`},
		"capitals":         {scaffold.Options{Name: "Kiln", Template: "centos-kde"}, "name", `write "kiln"`},
		"more than a name": {scaffold.Options{Name: "kiln\nrun: []", Template: "centos-kde"}, "name", ""},
		"registry":         {scaffold.Options{Name: "kiln", Template: "centos-kde", Registry: "ghcr.io/a b"}, "registry", ""},
		"more than a registry": {
			scaffold.Options{Name: "kiln", Template: "centos-kde", Registry: "ghcr.io/me\n    tags: [x] #"}, "registry", "",
		},
		"base in the store": {
			scaffold.Options{Name: "kiln", Template: "debian-minimal", GitHub: &scaffold.Workflow{}}, "ci", "push it to a registry",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := scaffold.Files(tt.options)
			var got *scaffold.OptionError
			if !errors.As(err, &got) || files != nil {
				t.Fatalf("got %v and %d files", err, len(files))
			}
			if got.Option != tt.option || !strings.Contains(got.Hint, tt.hint) || got.Why == "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// No name or registry says anything else in the recipe than itself.
func TestOptionsStayThemselves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := scaffold.Options{
			Template: "fedora-kde",
			Name:     rapid.OneOf(rapid.StringMatching(`[a-z0-9._-]{1,9}`), rapid.SampledFrom([]string{"null", "true", "1e3", "0x1", "no", "1.5"}), rapid.String()).Draw(t, "name"),
			Registry: rapid.OneOf(rapid.StringMatching(`[a-z0-9.:/]{1,20}`), rapid.Just("ghcr.io/me"), rapid.String()).Draw(t, "registry"),
		}
		files, err := scaffold.Files(o)
		if err != nil {
			var option *scaffold.OptionError
			if !errors.As(err, &option) {
				t.Fatal(err)
			}
			return
		}
		at := slices.IndexFunc(files, func(f scaffold.File) bool { return f.Name == scaffold.RecipeFile })
		var got struct {
			Name    string
			Publish []struct{ To string }
			Base    struct{ Distro string }
		}
		if err := yaml.Unmarshal(files[at].Content, &got); err != nil {
			t.Fatal(err)
		}
		if got.Name != o.Name || len(got.Publish) != 1 || got.Publish[0].To != o.To() || got.Base.Distro != "fedora-44" {
			t.Fatalf("asked for %+v, got %+v", o, got)
		}
	})
}

// A workflow of a new project knows what its registry is written with.
func TestWorkflowOfProject(t *testing.T) {
	t.Parallel()
	files, err := scaffold.Files(scaffold.Options{
		Template: "centos-kde", Name: "kiln", Registry: "docker.io/${HUB_USER}/", GitHub: &scaffold.Workflow{Version: "v1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(files, func(f scaffold.File) bool { return f.Name == scaffold.WorkflowFile })
	for _, line := range []string{"  HUB_USER: ${{ vars.HUB_USER }}\n", "  RECIPE: recipe.yaml\n", "  BOOTKILN_VERSION: v1.2.3\n", "docker.io\n"} {
		if !strings.Contains(string(files[at].Content), line) {
			t.Errorf("it does not say %q:\n%s", line, files[at].Content)
		}
	}
}

// TestReadmeSaysWhatIsNeeded has the template that needs most.
func TestReadmeSaysWhatIsNeeded(t *testing.T) {
	t.Parallel()
	readme := func(o scaffold.Options) string {
		files, err := scaffold.Files(o)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(files, func(f scaffold.File) bool { return f.Name == "README.md" })
		return string(files[i].Content)
	}
	has := func(text string, wanted ...string) {
		t.Helper()
		for _, w := range wanted {
			if !strings.Contains(text, w) {
				t.Errorf("there is no %q in\n%s", w, text)
			}
		}
		if strings.Contains(text, "README") {
			t.Errorf("it points to itself:\n%s", text)
		}
	}
	const login = "sudo bootkiln login registry.redhat.io"
	has(readme(scaffold.Options{Template: "rhel", Name: "kiln", Registry: "registry.lan", GitHub: &scaffold.Workflow{}}),
		login, "`private: true`", "without a build, because packages of RHEL take a subscription",
		"gh secret set COSIGN_PRIVATE_KEY --env publish < cosign.key", "gh secret set COSIGN_PASSWORD ", "gh secret set RHSM_ENTITLEMENT ",
		"gh secret set REGISTRY_REDHAT_IO_USERNAME ", "gh secret set REGISTRY_REDHAT_IO_PASSWORD ", "gh secret set REGISTRY_LAN_PASSWORD ")
	has(readme(scaffold.Options{Template: "rhel", Name: "kiln", Registry: "registry.lan"}),
		login, "`private: true`", "sudo bootkiln login registry.lan")
	fedora := readme(scaffold.Options{Template: "fedora-kde", Name: "kiln", GitHub: &scaffold.Workflow{}})
	has(fedora, "builds it for every pull request")
	if strings.Contains(fedora, "Red Hat") || strings.Contains(fedora, "RHSM") {
		t.Errorf("it speaks of another base:\n%s", fedora)
	}
}

func TestNameFor(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]string{
		"kiln":        "kiln",
		"My Desktop":  "my-desktop",
		"centos_kde":  "centos_kde",
		"a__b..c-_.d": "a_b.c-d",
		".config":     "config",
		"데스크톱":        "",
		"x86 (64)":    "x86-64",
		"/":           "",
	} {
		if diff := cmp.Diff(want, scaffold.NameFor(folder)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", folder, diff)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := scaffold.NameFor(rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9._ -]{1,20}`)).Draw(t, "folder"))
		if name == "" || len(name) > 128 {
			return
		}
		if _, err := scaffold.Files(scaffold.Options{Template: "centos-kde", Name: name}); err != nil {
			t.Fatal(err)
		}
	})
}
