package containerfile_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openshift/imagebuilder"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// projects has the recipes that package plan's tests plan.
const projects = "../plan/testdata"

// distros are the bases of those recipes that do not say.
var distros = map[string]plan.BaseInfo{
	"minimal":        {},
	"desktop-debian": {},
	"desktop-el":     {},
	"desktop-fedora": {},
	"debian-desktop": {Distro: plan.Distro{ID: "debian", Version: "13"}, Digest: "sha256:" + strings.Repeat("0123456789abcdef", 4)},
	"centos-kde":     {Digest: "sha256:" + strings.Repeat("f", 64)},
	"fedora":         {Distro: plan.Distro{ID: "fedora", Version: "44"}, ImageID: strings.Repeat("ab", 32)},
	// All that can be said of repositories and packages.
	"packages-centos-9":     {},
	"packages-centos-10":    {},
	"packages-almalinux-10": {},
	"packages-fedora-43":    {},
	"packages-rhel-9":       {},
	"packages-debian-12":    {},
}

// render renders a recipe of projects.
func render(t testing.TB, name string) (*plan.Plan, *containerfile.File, fs.FS) {
	t.Helper()
	root, err := os.OpenRoot(filepath.Join(projects, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	r, _, problems, err := recipe.Load(root.FS(), "recipe.yaml", recipe.Options{})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	p, problems, err := plan.New(t.Context(), r, plan.Options{
		Platform:    "linux/amd64",
		Read:        root.FS(),
		Epoch:       time.Unix(1_800_000_000, 0),
		TrustFiles:  trustFiles,
		ResolveBase: func(context.Context, recipe.Base) (plan.BaseInfo, error) { return distros[name], nil },
	})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	f, err := containerfile.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, f, root.FS()
}

// trustFiles stands in for package trust.
func trustFiles(string, [][]byte) ([]plan.PolicyFile, error) {
	return []plan.PolicyFile{{Path: "containers/policy.json", Content: []byte("{}\n")}, {Path: "pki/containers/x.pub", Content: []byte("key\n")}}, nil
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name := range distros {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, f, _ := render(t, name)
			golden.Check(t, filepath.Join("testdata", name+".Containerfile"), f.Text)
			compare(t, p, f)
		})
	}
}

func TestRenderIsDeterministic(t *testing.T) {
	t.Parallel()
	_, first, _ := render(t, "debian-desktop")
	for range 20 {
		_, again, _ := render(t, "debian-desktop")
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("(-first +again):\n%s", diff)
		}
		if first.Digest() != again.Digest() {
			t.Fatal("the digest differs")
		}
	}
	_, other, _ := render(t, "centos-kde")
	if first.Digest() == other.Digest() {
		t.Error("two files have one digest")
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for name := range distros {
		_, f, _ := render(t, name)
		lines := bytes.Split(bytes.TrimSuffix(f.Text, []byte("\n")), []byte("\n"))
		if len(lines) != len(f.Origins) {
			t.Fatalf("%s: %d lines, %d origins", name, len(lines), len(f.Origins))
		}
		for i := range lines {
			if at := f.Origin(i + 1); at.File != "recipe.yaml" || at.Line == 0 {
				t.Errorf("%s: line %d (%s) has the origin %q", name, i+1, lines[i], at)
			}
		}
		for _, line := range []int{-1, 0, len(lines) + 1} {
			if f.Origin(line).IsValid() {
				t.Errorf("%s: line %d has an origin", name, line)
			}
		}
	}
	// A word has the place where the recipe says it.
	_, f, _ := render(t, "debian-desktop")
	for i, line := range strings.Split(string(f.Text), "\n") {
		if strings.Contains(line, "'dolphin'") {
			if got, want := f.Origin(i+1).String(), "recipe.yaml:8:39"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			return
		}
	}
	t.Error("dolphin is not installed")
}

func TestRenderRejects(t *testing.T) {
	t.Parallel()
	word := func(value string) *plan.Plan {
		return one(plan.Instruction{Run: &plan.Run{Commands: []plan.Command{{Args: []string{"true"}, Words: []plan.Word{{Value: value}}}}}})
	}
	label := func(key, value string) *plan.Plan {
		return one(plan.Instruction{Label: &plan.Label{Pairs: []plan.LabelPair{{Key: key, Value: value}}}})
	}
	to := func(destination string) *plan.Plan {
		return one(plan.Instruction{Copy: &plan.Copy{Sources: []string{"a"}, Destination: destination}})
	}
	mount := func(m plan.Mount) *plan.Plan {
		return one(plan.Instruction{Run: &plan.Run{Mounts: []plan.Mount{m}, Commands: []plan.Command{{Args: []string{"true"}}}}})
	}
	described := one()
	described.Description = "x\u2028RUN evil"
	titled := one()
	titled.Steps[0].Title = "x\rRUN evil"
	for name, p := range map[string]*plan.Plan{
		"description":            described,
		"title":                  titled,
		"bidirectional override": label("a", "x\u202e"),
		"not UTF-8":              label("a", "x\xff"),
		"label with line end":    label("a", "x\nRUN evil"),
		"label key":              label("a b", "x"),
		"label without key":      label("", "x"),
		"line end in word":       word("a'\nRUN evil"),
		"quote in word":          word("a'b"),
		"variable in word":       word("a$b"),
		"heredoc in word":        word("<<EOF"),
		"no word":                word(""),
		"argument":               one(plan.Instruction{Run: &plan.Run{Commands: []plan.Command{{Args: []string{"a;b"}}}}}),
		"image":                  one(plan.Instruction{From: &plan.From{Image: "a AS b"}}),
		"image as a flag":        one(plan.Instruction{From: &plan.From{Image: "--platform=x"}}),
		"stage":                  one(plan.Instruction{From: &plan.From{Image: "a", Stage: "b c"}}),
		"relative destination":   to("etc/"),
		"destination is a file":  to("/etc"),
		"destination not clean":  to("/etc/../usr/"),
		"destination control":    to("/e\ttc/"),
		"owner":                  one(plan.Instruction{Copy: &plan.Copy{Sources: []string{"a"}, Destination: "/", Owner: "a b"}}),
		"mode":                   one(plan.Instruction{Copy: &plan.Copy{Sources: []string{"a"}, Destination: "/", Mode: "u+s"}}),
		"source is a pattern":    one(plan.Instruction{Copy: &plan.Copy{Sources: []string{"a*"}, Destination: "/"}}),
		"mount with options":     mount(plan.Mount{Type: plan.MountSecret, ID: "a,target=/etc", Target: "/run/x"}),
		"mount target":           mount(plan.Mount{Type: plan.MountTmpfs, Target: "/run/x,rw"}),
		"mount variable":         mount(plan.Mount{Type: plan.MountBind, Source: "$HOME", Target: "/run/x"}),
		"mount type":             mount(plan.Mount{Type: "ssh", Target: "/run/x"}),
	} {
		f, err := containerfile.Render(p)
		if err == nil {
			t.Errorf("%s: rendered as\n%s", name, f.Text)
			continue
		}
		if unsafe := (*containerfile.UnsafeError)(nil); !errors.As(err, &unsafe) || !unsafe.Pos.IsValid() {
			t.Errorf("%s: got the error %#v", name, err)
		}
	}
}

// TestNameIsQuoted renders the one value that is quoted for a comment.
func TestNameIsQuoted(t *testing.T) {
	t.Parallel()
	p := one()
	p.Name = "x\nRUN evil"
	f, err := containerfile.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(f.Text), `# Made by bootkiln from the recipe "x\nRUN evil".`) {
		t.Errorf("got %s", f.Text)
	}
	compare(t, p, f)
}

// one returns a plan of one step.
func one(instructions ...plan.Instruction) *plan.Plan {
	p := &plan.Plan{Name: "x", Steps: []plan.Step{{Title: "step", Instructions: instructions}}}
	p.Origin.File = "recipe.yaml"
	return p
}

// compare parses the text with buildah's parser, and fails unless it says
// exactly what the plan does.
func compare(t testing.TB, p *plan.Plan, f *containerfile.File) {
	t.Helper()
	tree, err := imagebuilder.ParseDockerfile(bytes.NewReader(f.Text))
	if err != nil {
		t.Fatalf("parsing: %v\n%s", err, f.Text)
	}
	var want []plan.Instruction
	for _, s := range p.Steps {
		want = append(want, s.Instructions...)
	}
	if len(tree.Children) != len(want) {
		t.Fatalf("the plan has %d instructions, the text %d:\n%s", len(want), len(tree.Children), f.Text)
	}
	for i, node := range tree.Children {
		if len(node.Heredocs) > 0 {
			t.Fatalf("line %d has a heredoc:\n%s", node.StartLine, f.Text)
		}
		step := &imagebuilder.Step{}
		if err := step.Resolve(node); err != nil {
			t.Fatalf("line %d: %v\n%s", node.StartLine, err, f.Text)
		}
		if diff := cmp.Diff(meaning(want[i]), meant(step)); diff != "" {
			t.Fatalf("line %d (-plan +text):\n%s\n%s", node.StartLine, diff, f.Text)
		}
	}
}

// meaning is what an instruction has to say.
func meaning(i plan.Instruction) []string {
	switch {
	case i.From != nil && i.From.Stage != "":
		return []string{"from", i.From.Image, "AS", i.From.Stage}
	case i.From != nil:
		return []string{"from", i.From.Image}
	case i.Copy != nil:
		said := []string{"copy"}
		if i.Copy.Owner != "" {
			said = append(said, "--chown="+i.Copy.Owner)
		}
		if i.Copy.Mode != "" {
			said = append(said, "--chmod="+i.Copy.Mode)
		}
		return append(append(said, i.Copy.Sources...), i.Copy.Destination)
	case i.Label != nil:
		said := []string{"label"}
		for _, pair := range i.Label.Pairs {
			said = append(said, pair.Key, pair.Value)
		}
		return said
	}
	said := []string{"run"}
	if i.Run.Offline {
		said = append(said, "--network=none")
	}
	for _, m := range i.Run.Mounts {
		said = append(said, "--mount="+string(m.Type)+" "+m.ID+" "+m.From+" "+m.Source+" "+m.Target)
	}
	for j, c := range i.Run.Commands {
		if j > 0 {
			said = append(said, "&&")
		}
		said = append(said, c.Args...)
		for _, w := range c.Words {
			said = append(said, w.Value)
		}
	}
	return said
}

// meant is what a parsed instruction says, in the same form.
func meant(step *imagebuilder.Step) []string {
	said := []string{step.Command}
	for _, flag := range step.Flags {
		if options, ok := strings.CutPrefix(flag, "--mount="); ok {
			values := map[string]string{}
			for option := range strings.SplitSeq(options, ",") {
				key, value, _ := strings.Cut(option, "=")
				values[key] = value
			}
			flag = "--mount=" + values["type"] + " " + values["id"] + " " + values["from"] + " " + values["source"] + " " + values["target"]
		}
		said = append(said, flag)
	}
	if step.Command != "run" {
		return append(said, step.Args...)
	}
	return append(said, split(step.Args[0])...)
}

// split reads a command line as the shell would that finds nothing to expand.
func split(line string) (words []string) {
	var word strings.Builder
	inWord, inQuotes := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			inQuotes, inWord = !inQuotes, true
		case r == ' ' && !inQuotes:
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// TestCompareNotices makes sure that the comparison can fail.
func TestCompareNotices(t *testing.T) {
	t.Parallel()
	tree, err := imagebuilder.ParseDockerfile(strings.NewReader("FROM a\nLABEL a=\"x\nRUN evil\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(tree.Children); got != 3 {
		t.Errorf("the parser sees %d instructions where quotes span lines", got)
	}
	if got := split("a 'b c' && d ''"); !cmp.Equal(got, []string{"a", "b c", "&&", "d", ""}) {
		t.Errorf("got %q", got)
	}
}
