package scaffold_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/scaffold"
)

const head = "version: 1\nname: kiln\n"

// recipes and what is asked for, each with a golden file of its name.
var workflows = map[string]struct {
	recipe string
	scaffold.Workflow
}{
	"ghcr": {
		recipe: `
base: {image: quay.io/fedora/fedora-bootc:44, distro: fedora-44}
sign: {key: "env://COSIGN_PRIVATE_KEY"}
publish: [{to: "ghcr.io/${GITHUB_REPOSITORY_OWNER}/kiln"}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml", Variables: []string{"GITHUB_REPOSITORY_OWNER"}},
	},
	// Other registries, and a step that takes a secret.
	"secrets": {
		recipe: `
base: {image: "docker://quay.io/centos-bootc/centos-bootc:stream10", distro: centos-10}
run: [{name: site, shell: "cat /run/secrets/token", secrets: [token]}]
secrets: [{id: token, env: SITE_TOKEN}]
sign: {key: "env://SITE_KEY", keyless: true}
publish:
  - {to: "docker.io/${HUB_USER}/kiln"}
  - {to: "docker.io/${HUB_USER}/kiln-again"}
  - {to: "registry.example.com:5000/kiln"}
  - {to: "10.0.0.1:5000/kiln"}
  - {to: "ghcr.io/me/kiln"}
`,
		Workflow: scaffold.Workflow{
			Recipe: "images/my desktop/recipe.yaml", Version: "v1.2.3", Branch: "stable/10",
			Variables: []string{"HUB_USER", "GITHUB_REPOSITORY_OWNER", "HUB_USER"},
		},
	},
	// Each platform has a runner, and together they have an index.
	"platforms": {
		recipe: `
base: {image: registry.redhat.io/rhel10/rhel-bootc:10.1, distro: rhel-10}
platforms: [linux/amd64, linux/arm64]
secrets: [{id: rhsm, env: RHSM}]
sign: {key: "env://COSIGN_PRIVATE_KEY", keyless: true}
publish: [{to: ghcr.io/me/kiln, private: true}, {to: "oci-archive:kiln.tar"}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml"},
	},
	"platforms-open": {
		recipe: `
base: {image: quay.io/fedora/fedora-bootc:44, distro: fedora-44}
platforms: [linux/arm64, linux/amd64]
sign: {key: "env://COSIGN_PRIVATE_KEY"}
publish: [{to: ghcr.io/me/kiln}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml"},
	},
	// What is on one machine alone.
	"own-machine": {
		recipe: `
base: {image: "registry.redhat.io/rhel10/rhel-bootc:10.1", distro: rhel-10}
run: [{name: site, shell: "cat /run/secrets/site", secrets: [site]}]
secrets: [{id: site, file: /etc/pki/site.pem}]
sign: {key: "awskms:///alias/kiln"}
publish: [{to: registry.example.com/kiln}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml"},
	},
	// RHEL with a subscription that is a secret: any runner can build it.
	"rhel": {
		recipe: `
base: {image: "registry.redhat.io/rhel10/rhel-bootc:10.1", distro: rhel-10}
secrets: [{id: rhsm, env: RHSM_ENTITLEMENT}]
sign: {key: "env://COSIGN_PRIVATE_KEY"}
publish: [{to: ghcr.io/me/kiln, private: true}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml"},
	},
	"arm64": {
		recipe: `
base: {image: quay.io/fedora/fedora-bootc:44, distro: fedora-44}
platforms: [linux/arm64]
sign: {key: "env://COSIGN_PRIVATE_KEY"}
publish: [{to: ghcr.io/me/kiln}]
`,
		Workflow: scaffold.Workflow{Recipe: "recipe.yaml"},
	},
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	for name, tt := range workflows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, problems := scaffold.GitHub(parse(t, head+tt.recipe), tt.Workflow)
			if problems.HasErrors() {
				t.Fatal(problems)
			}
			golden.Check(t, "testdata/"+name+".yml", text)
			inspect(t, string(text))
		})
	}
}

// An image that is not booted needs no QEMU.
func TestGitHubWithoutBoot(t *testing.T) {
	t.Parallel()
	text, problems := scaffold.GitHub(parse(t, head+workflows["ghcr"].recipe+"boot: off\n"), workflows["ghcr"].Workflow)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	if strings.Contains(string(text), "qemu") {
		t.Errorf("QEMU is installed:\n%s", text)
	}
}

// The example is what the command prints, so that it is held to the same rules.
func TestExampleIsFresh(t *testing.T) {
	t.Parallel()
	const dir = "../../examples/github-actions"
	r, _, problems, err := recipe.Load(os.DirFS(dir), scaffold.RecipeFile, recipe.Options{Unpublished: true})
	if err != nil || r == nil {
		t.Fatal(err, problems)
	}
	text, problems := scaffold.GitHub(r, scaffold.Workflow{Recipe: scaffold.RecipeFile})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	golden.Check(t, dir+"/nightly.yml", text)
	inspect(t, string(text))
}

func parse(t *testing.T, text string) *recipe.Recipe {
	t.Helper()
	r, problems := recipe.Parse("recipe.yaml", []byte(text), recipe.Options{Unpublished: true})
	if r == nil {
		t.Fatal(problems)
	}
	return r
}

// workflow is the part of a workflow that the rules are about.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel string `yaml:"cancel-in-progress"`
	}
	Env  map[string]string
	Jobs map[string]job
}

type job struct {
	Name        string
	If          string
	Environment string
	Permissions map[string]string
	Timeout     int `yaml:"timeout-minutes"`
	Steps       []step
	RunsOn      any `yaml:"runs-on"`
	Needs       string
	Strategy    struct {
		FailFast string `yaml:"fail-fast"`
		Matrix   struct{ Include []map[string]any }
	}
}

type step struct {
	Name string
	If   string
	Uses string
	Run  string
	With map[string]string
	Env  map[string]string
}

var (
	pinned     = regexp.MustCompile(`^actions/(?:checkout|setup-go|upload-artifact|download-artifact)@[0-9a-f]{40}$`)
	usesLine   = regexp.MustCompile(`(?m)^ +uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	rightLine  = regexp.MustCompile(`(?m)^      [a-z-]+: (?:read|write)(.*)$`)
	expression = regexp.MustCompile(`\$\{\{ (.*?) \}\}`)
	// context is what an expression in a workflow may read.
	contexts = regexp.MustCompile(`^(?:github\.(?:ref|actor|token|event_name == 'pull_request')|runner\.temp|matrix\.(?:platform|arch|runner)|secrets\.[A-Z0-9_]+|vars\.[A-Z0-9_]+|!cancelled\(\))$`)
)

// inspect holds a workflow to the rules that every one of them keeps.
func inspect(t *testing.T, text string) {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	if w.Name == "" || w.Permissions == nil || len(w.Permissions) > 0 || !strings.Contains(text, "\npermissions: {}\n") {
		t.Errorf("the workflow %q has rights of its own: %v", w.Name, w.Permissions)
	}
	if diff := cmp.Diff([]string{"pull_request", "push", "schedule", "workflow_dispatch"}, keys(w.On)); diff != "" {
		t.Errorf("it runs for (-want +got):\n%s", diff)
	}
	if c := w.Concurrency; c.Group != "image-${{ github.ref }}" || c.Cancel != "${{ github.event_name == 'pull_request' }}" {
		t.Errorf("a push could be cut off: %+v", c)
	}
	cron := regexp.MustCompile(`- cron: "(\d+) 3 \* \* \*"`).FindStringSubmatch(text)
	if cron == nil || !strings.ContainsAny(cron[1][len(cron[1])-1:], "13579") {
		t.Errorf("the schedule is %q, at no odd minute", cron)
	}
	for name, value := range w.Env {
		if strings.Contains(value, "secrets.") {
			t.Errorf("%s gives a secret to every job", name)
		}
	}
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		if !contexts.MatchString(match[1]) {
			t.Errorf("the expression %q is none that is known to be safe", match[1])
		}
	}
	if pins, all := len(usesLine.FindAllString(text, -1)), strings.Count(text, "uses: "); pins != all {
		t.Errorf("%d of %d actions are named by commit and version", pins, all)
	}
	for _, match := range rightLine.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(match[1], " # ") {
			t.Errorf("nothing says what %q is for", strings.TrimSpace(match[0]))
		}
	}
	want := []string{"check", "keep-alive", "publish"}
	if strings.Contains(text, "matrix:") {
		want = []string{"check", "index", "keep-alive", "publish"}
	}
	if diff := cmp.Diff(want, keys(w.Jobs)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	for name, j := range w.Jobs {
		inspectJob(t, name, j)
	}
}

// rights are the most that a job may have.
var rights = map[string]map[string]string{
	"check":      {"contents": "read"},
	"publish":    {"contents": "read", "packages": "write", "id-token": "write"},
	"index":      {"contents": "read", "packages": "write", "id-token": "write"},
	"keep-alive": {"actions": "write"},
}

func inspectJob(t *testing.T, name string, j job) {
	t.Helper()
	if j.Name == "" || j.Timeout == 0 || len(j.Permissions) == 0 || j.If == "" {
		t.Errorf("%s lacks a name, a limit, its rights or its condition", name)
	}
	for right, value := range j.Permissions {
		if rights[name][right] != value {
			t.Errorf("%s may %s %s", name, value, right)
		}
	}
	all, err := yaml.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	// What a pull request can start sees nothing, and changes nothing outside.
	closed := strings.HasPrefix(j.If, "github.event_name != 'pull_request' && github.ref == 'refs/heads/") ||
		j.If == "github.event_name == 'schedule'"
	if secrets := strings.Contains(string(all), "secrets."); secrets && (!closed || j.Environment != "publish") || secrets != (name == "publish" || name == "index") {
		t.Errorf("%s, which runs if %q, in the environment %q, sees secrets", name, j.If, j.Environment)
	}
	if name == "check" && closed {
		t.Errorf("no pull request is checked: %q", j.If)
	}
	var done []string
	for _, s := range j.Steps {
		inspectStep(t, s)
		if strings.Contains(s.Run, "bootkiln\" ") {
			for _, match := range regexp.MustCompile(`bootkiln" ([a-z]+)`).FindAllStringSubmatch(s.Run, -1) {
				done = append(done, match[1])
			}
		}
	}
	if name == "check" && slices.ContainsFunc(done, func(c string) bool { return !slices.Contains([]string{"validate", "plan", "build"}, c) }) {
		t.Errorf("%s runs %v for a pull request", name, done)
	}
	if name == "publish" && (len(done) == 0 || done[len(done)-1] != "publish" || slices.ContainsFunc(done, func(c string) bool { return c != "login" && c != "publish" })) {
		t.Errorf("%s runs %v", name, done)
	}
	if name == "index" && (done[len(done)-1] != "index" || j.Needs != "publish" || slices.Contains(done, "publish")) {
		t.Errorf("%s runs %v, after %q", name, done, j.Needs)
	}
	if runs := slices.Contains(done, "publish") && j.Strategy.Matrix.Include != nil; runs && (j.Strategy.FailFast != "false" || !strings.Contains(string(all), "publish --no-tags")) {
		t.Errorf("%s of a platform would write the tags, or be cut off", name)
	}
	own, _ := j.RunsOn.([]any)
	if qemu := strings.Contains(string(all), "install --yes --no-install-recommends ostree qemu-system-"); qemu != (name == "publish" && own == nil) {
		t.Errorf("%s installs QEMU: %v", name, qemu)
	}
	if name == "publish" && strings.Contains(string(all), "--if-changed") == (j.Strategy.Matrix.Include != nil) {
		t.Errorf("%s: an image of several platforms has its tags from the index; any other is published at night where it changed", name)
	}
	if own != nil && strings.Contains(string(all), "rm -rf") {
		t.Errorf("%s deletes folders of a machine that is the user's own", name)
	}
}

func inspectStep(t *testing.T, s step) {
	t.Helper()
	if s.Name == "" {
		t.Errorf("a step has no name: %+v", s)
	}
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s: an expression becomes part of a script: %s", s.Name, s.Run)
	}
	if s.Uses == "" {
		return
	}
	if !pinned.MatchString(s.Uses) {
		t.Errorf("%s: %s is none of the pinned actions", s.Name, s.Uses)
	}
	switch action, _, _ := strings.Cut(s.Uses, "@"); action {
	case "actions/checkout":
		if s.With["persist-credentials"] != "false" {
			t.Errorf("%s leaves the token behind", s.Name)
		}
	case "actions/setup-go":
		if s.With["cache"] != "false" {
			t.Errorf("%s builds from a cache that others may write", s.Name)
		}
	case "actions/upload-artifact":
		for path := range strings.FieldsSeq(s.With["path"]) {
			if !slices.Contains([]string{"out/kiln/result.json", "out/*/Containerfile", "out/*/*.json", "out/*/*.log", "out/*/*.png"}, path) {
				t.Errorf("%s keeps %s", s.Name, path)
			}
		}
	}
}

func keys[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What no runner can have is said at its place.
func TestGitHubProblems(t *testing.T) {
	t.Parallel()
	const base = "base: {image: quay.io/fedora/fedora-bootc:44, distro: fedora-44}\n"
	for name, tt := range map[string]struct{ recipe, want string }{
		"key in a file": {
			base + "sign: {key: cosign.key}\n",
			`recipe.yaml:4:13: error: a private key belongs in no repository, so a runner has no "cosign.key"`,
		},
		"base in the store": {
			"base: {image: \"containers-storage:localhost/debian:12\", distro: debian-12}\n",
			"recipe.yaml:3:15: error: a runner starts with nothing but the repository, and has no base there",
		},
		"secret in a file of the project": {
			base + "run: [{name: x, shell: x, secrets: [x]}]\nsecrets: [{id: x, file: keys/x}]\n",
			`recipe.yaml:5:25: error: a secret belongs in no repository, so a runner has no "keys/x"`,
		},
		"platform without a runner": {
			base + "platforms: [linux/amd64, linux/s390x]\n",
			`recipe.yaml:4:26: error: GitHub has no runner of the platform "linux/s390x"`,
		},
		"key service": {
			base + "sign: {key: \"gcpkms://projects/x\"}\n",
			`recipe.yaml:4:13: warning: the workflow does not log in to the key service of "gcpkms"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, problems := scaffold.GitHub(parse(t, head+tt.recipe), scaffold.Workflow{Recipe: "recipe.yaml"})
			if len(problems) != 1 {
				t.Fatalf("got %d problems: %v", len(problems), problems)
			}
			d := problems[0]
			if got := d.Pos.String() + ": " + d.Severity.String() + ": " + d.Message; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if d.Hint == "" || d.Path == "" || d.Code == "" {
				t.Errorf("it lacks a hint, a path or a code: %+v", d)
			}
			if (text == nil) != problems.HasErrors() {
				t.Errorf("with the problem %v the workflow is %q", d, text)
			}
		})
	}
}

// How a runner builds the program is how the Makefile does, with the Go of
// go.mod.
func TestRunnerBuildsAsMakefile(t *testing.T) {
	t.Parallel()
	text, _ := scaffold.GitHub(parse(t, head+workflows["ghcr"].recipe), scaffold.Workflow{Recipe: "recipe.yaml"})
	for file, pattern := range map[string]string{
		"../../Makefile": `(?m)^TAGS := (\S+)$`,
		"../../go.mod":   `(?m)^go (\d+\.\d+)`,
	} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile(pattern).FindSubmatch(source)
		if match == nil {
			t.Fatalf("%s has nothing like %s", file, pattern)
		}
		if !regexp.MustCompile(`(?m): "?` + regexp.QuoteMeta(string(match[1])) + `"?$`).Match(text) {
			t.Errorf("%s says %s, and the workflow does not", file, match[1])
		}
	}
}
