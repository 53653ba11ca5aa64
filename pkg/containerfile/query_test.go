package containerfile_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// TestQuery renders what a recipe asks for, and looks its words and titles up
// by their lines.
func TestQuery(t *testing.T) {
	t.Parallel()
	project := fstest.MapFS{
		"motd": {Data: []byte("hello\n")},
		"recipe.yaml": {Data: []byte(`version: 1
name: kiln
base: {image: quay.io/centos-bootc/centos-bootc:stream10, distro: centos-10}
repos: [{name: site, baseurl: "https://example.com/", gpgkey: "https://example.com/key"}]
packages:
  install:
    - wine
  remove: [nano]
files: [{source: motd, destination: /etc/motd}]
secrets: [{id: token, env: TOKEN}]
run: [{name: one, shell: "true", secrets: [token]}]
`)},
	}
	r, _, problems, err := recipe.Load(project, "recipe.yaml", recipe.Options{})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	p, problems, err := plan.New(t.Context(), r, plan.Options{Read: project, Platform: "linux/amd64"})
	if err != nil || problems.HasErrors() {
		t.Fatal(err, problems)
	}
	f, err := containerfile.RenderQuery(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.WriteContext(t.TempDir(), project); err != nil {
		t.Error(err)
	}
	for at := range f.Context {
		if strings.HasPrefix(at, "files/") || strings.HasPrefix(at, "run/") {
			t.Errorf("the query takes %q", at)
		}
	}
	if len(f.Secrets) > 0 || f.Name != "kiln" {
		t.Errorf("the query of %q takes the secrets %v", f.Name, f.Secrets)
	}
	var lines []int
	for line := range f.Words {
		lines = append(lines, line)
	}
	text := strings.Split(string(f.Text), "\n")
	if len(lines) != 1 || !strings.HasPrefix(text[lines[0]-1], "RUN ") || f.Title(lines[0]) != "Ask for 2 names" {
		t.Fatalf("words are in the lines %v of\n%s", lines, f.Text)
	}
	if f.Title(1) != "" || f.Title(0) != "" || f.Title(len(text)+1) != "" {
		t.Error("lines of no step have a title")
	}
	found := map[string]string{}
	for _, w := range f.Words[lines[0]] {
		found[w.Value] = w.Origin.String()
	}
	if found["--install=wine"] != "recipe.yaml:7:7" || found["--remove=nano"] != "recipe.yaml:8:12" {
		t.Errorf("words: %v", found)
	}
	if len(found) != len(f.Words[lines[0]]) || len(found) < 3 {
		t.Errorf("the words of the query are those of the installation and its names: %v", found)
	}
}
