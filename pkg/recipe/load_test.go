package recipe_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/recipes"
)

const head = "version: 1\nname: demo\nbase: {image: quay.io/a/b}\n"

// project makes a file system of a recipe and other files.
func project(body string, files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{"recipe.yaml": {Data: []byte(head + body)}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// codes returns the places and codes of problems.
func codes(l diag.List) []string {
	var out []string
	for _, d := range l {
		out = append(out, fmt.Sprintf("%v %s", d.Pos, d.Code))
	}
	return out
}

func TestParseDoesNotFollow(t *testing.T) {
	t.Parallel()
	r, problems := recipe.Parse("some/where.yaml", []byte(head+"include: [kde, ./site.yaml]\nfiles: [{source: a, destination: /a}]\n"), recipe.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if r.File != "some/where.yaml" || r.Dir != "." {
		t.Errorf("the recipe is %q in %q", r.File, r.Dir)
	}
	if got := r.Files[0].Source; got.Name() != "a" || got.Pos != (diag.Pos{File: "some/where.yaml", Line: 5, Col: 18}) {
		t.Errorf("the source is %+v", got)
	}
	if len(r.Include) != 2 || len(r.Packages.Install) != 0 {
		t.Errorf("include is %v, and packages %v", r.Include, r.Packages)
	}
}

func TestLoadReportsTheWorld(t *testing.T) {
	t.Parallel()
	broken := errors.New("bad sector")
	for name, fsys := range map[string]fs.FS{
		"recipe":  failing{project("", nil), "recipe.yaml", broken},
		"include": failing{project("include: [./a.yaml]\n", map[string]string{"a.yaml": "{}"}), "a.yaml", broken},
		"script":  failing{project("run: [{name: a, script: a.sh}]\n", map[string]string{"a.sh": ""}), "a.sh", broken},
	} {
		r, _, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{Display: "here"})
		if r != nil || len(problems) > 0 || !errors.Is(err, broken) {
			t.Errorf("%s: got %v, %v, %v", name, r, problems, err)
		}
	}
	_, _, _, err := recipe.Load(fstest.MapFS{}, "recipe.yaml", recipe.Options{Display: "here"})
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != `reading recipe "here/recipe.yaml": file does not exist` {
		t.Errorf("got %v", err)
	}
}

// failing is a file system with one file that cannot be read.
type failing struct {
	fs.FS
	name string
	err  error
}

func (f failing) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if name == f.name && err == nil {
		return failingFile{file, f.err}, nil
	}
	return file, err
}

type failingFile struct {
	fs.File
	err error
}

func (f failingFile) Read([]byte) (int, error) { return 0, f.err }

func TestLoadNamesFilesAsTheReaderDoes(t *testing.T) {
	t.Parallel()
	fsys := project("include: [./sub/site.yaml]\npackages: {install: [a]}\n", map[string]string{
		"sub/site.yaml": "files: [{source: ../motd, destination: /etc/motd}]\n",
		"motd":          "",
	})
	r, sources, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{Display: "examples/demo"})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	if r.File != "examples/demo/recipe.yaml" || r.Dir != "." {
		t.Errorf("the recipe is %q in %q", r.File, r.Dir)
	}
	source := r.Files[0].Source
	if source.Pos.File != "examples/demo/sub/site.yaml" || source.Dir != "sub" || source.Name() != "motd" {
		t.Errorf("the source is %+v", source)
	}
	for _, name := range []string{"examples/demo/recipe.yaml", "examples/demo/sub/site.yaml"} {
		if sources[name] == nil {
			t.Errorf("the text of %s is missing", name)
		}
	}
}

func TestIncludeOnce(t *testing.T) {
	t.Parallel()
	fsys := project("include: [./a.yaml, ./b.yaml, ./common.yaml]\npackages: {install: [last]}\n", map[string]string{
		"a.yaml":      "include: [./common.yaml]\npackages: {install: [a]}\n",
		"b.yaml":      "include: [./common.yaml]\npackages: {install: [b]}\n",
		"common.yaml": "packages: {install: [common]}\n",
	})
	r, _, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{})
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var got []string
	for _, p := range r.Packages.Install {
		got = append(got, p.Name.Value)
	}
	if diff := cmp.Diff([]string{"common", "a", "b", "last"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestIncludedFilesAreParts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		part string
		want []string
	}{
		"no version, name or base": {"packages: {install: [a]}\n", nil},
		"part of base":             {"base: {distro: centos-10}\n", nil},
		"a whole recipe":           {head, nil},
		"another version":          {"version: 2\n", []string{"part.yaml:1:10 invalid-value"}},
		"half an item":             {"run: [{shell: \"true\"}]\n", []string{"part.yaml:1:7 missing-key"}},
		"empty":                    {"", []string{"part.yaml:1:1 empty-file"}},
	} {
		_, _, problems, err := recipe.Load(project("include: [./part.yaml]\n", map[string]string{"part.yaml": c.part}), "recipe.yaml", recipe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, codes(problems)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWarningsDoNotStop(t *testing.T) {
	t.Parallel()
	r, _, problems, err := recipe.Load(project("include: [./whole.yaml]\n", map[string]string{
		"whole.yaml": head + "include: [./part.yaml]\npublish: [{to: ghcr.io/me/whole}]\n",
		"part.yaml":  "publish: [{to: ghcr.io/me/all}]\n",
	}), "recipe.yaml", recipe.Options{})
	if err != nil || r == nil {
		t.Fatal(problems, err)
	}
	if diff := cmp.Diff([]string{"part.yaml:1:11 unsigned", "recipe.yaml:4:11 publishes-include"}, codes(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	long := head + "# " + strings.Repeat("x", 1<<20)
	_, problems := recipe.Parse("recipe.yaml", []byte(long), recipe.Options{})
	if diff := cmp.Diff([]string{"recipe.yaml:1:1 too-long"}, codes(problems)); diff != "" {
		t.Error(diff)
	}
	_, sources, problems, err := recipe.Load(fstest.MapFS{"recipe.yaml": {Data: []byte(long + long)}}, "recipe.yaml", recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"recipe.yaml:1:1 too-long"}, codes(problems)); diff != "" {
		t.Error(diff)
	}
	if n := len(sources["recipe.yaml"]); n > 1<<20+1 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestTooManyProblems(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(head)
	for i := range 150 {
		fmt.Fprintf(&text, "key%d: x\n", i)
	}
	_, problems := recipe.Parse("recipe.yaml", []byte(text.String()), recipe.Options{})
	last := problems[len(problems)-1]
	if len(problems) != 101 || last.Severity != diag.Note || last.Line != 104 {
		t.Errorf("got %d problems, the last of them %v", len(problems), last)
	}
}

// TestLinksStayInside looks at symbolic links in a real folder, through both
// file systems that os has for one.
func TestLinksStayInside(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "secret\n")
	write(t, filepath.Join(outside, "site.yaml"), "packages: {install: [a]}\n")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files/motd"), "hello\n")
	for name, target := range map[string]string{
		"inside":      "files/motd",
		"files/up":    "../files/motd",
		"chain":       "inside",
		"folder":      "files",
		"absolute":    filepath.Join(outside, "secret"),
		"up":          "../" + filepath.Base(outside) + "/secret",
		"hidden":      "files/../../" + filepath.Base(outside) + "/secret",
		"away":        outside,
		"site.yaml":   filepath.Join(outside, "site.yaml"),
		"dangling":    "nowhere",
		"recipe.yaml": "real.yaml",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var body strings.Builder
	body.WriteString(head + "include: [./site.yaml]\nfiles:\n")
	for i, source := range []string{"inside", "files/up", "chain", "folder/motd", "folder", "absolute", "up", "hidden", "away/secret", "dangling"} {
		fmt.Fprintf(&body, "  - {source: %s, destination: /etc/%d}\n", source, i)
	}
	write(t, filepath.Join(dir, "real.yaml"), body.String())
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()

	want := []string{
		"recipe.yaml:4:11 path-leaves-project",
		"recipe.yaml:11:14 path-leaves-project",
		"recipe.yaml:12:14 path-leaves-project",
		"recipe.yaml:13:14 path-leaves-project",
		"recipe.yaml:14:14 path-leaves-project",
		"recipe.yaml:15:14 missing-file",
	}
	for name, fsys := range map[string]fs.FS{"DirFS": os.DirFS(dir), "Root": root.FS()} {
		_, _, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, codes(problems)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestLinkLoop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for from, to := range map[string]string{"a": "b", "b": "a"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "recipe.yaml"), head+"files: [{source: a, destination: /a}]\n")
	_, _, problems, err := recipe.Load(os.DirFS(dir), "recipe.yaml", recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"recipe.yaml:4:18 missing-file"}, codes(problems)); diff != "" {
		t.Error(diff)
	}
}

// TestSpecialFiles refuses sources that cannot be copied.
func TestSpecialFiles(t *testing.T) {
	t.Parallel()
	fsys := project("files: [{source: pipe, destination: /a}]\nrun: [{name: a, script: pipe}]\ninclude: [./pipe]\n", nil)
	fsys["pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	_, _, problems, err := recipe.Load(fsys, "recipe.yaml", recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"recipe.yaml:4:18 wrong-kind", "recipe.yaml:5:25 wrong-kind", "recipe.yaml:6:11 wrong-kind"}
	if diff := cmp.Diff(want, codes(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestNoBundles(t *testing.T) {
	t.Parallel()
	_, _, problems, err := recipe.Load(project("include: [kde]\n", nil), "recipe.yaml", recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"recipe.yaml:4:11 unknown-bundle"}, codes(problems)); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestShippedRecipes loads the examples and bundles that users begin with.
func TestShippedRecipes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*/recipe.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no examples", err)
	}
	o := recipe.Options{
		Lookup:  func(name string) (string, bool) { return strings.ToLower(name), true },
		Bundles: recipes.Bundles,
	}
	for _, f := range files {
		check(t, f, os.DirFS(filepath.Dir(f)), o)
	}
	bundles, err := fs.Glob(recipes.Bundles, "*.yaml")
	if err != nil || len(bundles) == 0 {
		t.Fatal("there are no bundles", err)
	}
	for _, b := range bundles {
		check(t, b, project("include: ["+strings.TrimSuffix(b, ".yaml")+"]\n", nil), o)
	}
}

// check fails the test when the recipe in a folder has problems.
func check(t *testing.T, name string, fsys fs.FS, o recipe.Options) {
	t.Helper()
	_, sources, problems, err := recipe.Load(fsys, "recipe.yaml", o)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) > 0 {
		var out bytes.Buffer
		diag.Print(&out, problems, sources, false)
		t.Errorf("%s:\n%s", name, out.String())
	}
}

// BenchmarkParse parses a recipe of 200 lines.
func BenchmarkParse(b *testing.B) {
	full, err := os.ReadFile("testdata/ok/full.yaml")
	if err != nil {
		b.Fatal(err)
	}
	var text bytes.Buffer
	text.Write(full)
	text.WriteString("  - to: quay.io/me/kde\n    tags:\n")
	for i := bytes.Count(text.Bytes(), []byte("\n")); i < 200; i++ {
		fmt.Fprintf(&text, "      - \"{version}-%d\"\n", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := recipe.Parse("recipe.yaml", text.Bytes(), options()); problems.HasErrors() {
			b.Fatal(problems)
		}
	}
}

// BenchmarkParseProblems parses the largest file there can be, with nothing
// right in it.
func BenchmarkParseProblems(b *testing.B) {
	var text bytes.Buffer
	for i := 0; text.Len() < 1<<20-20; i++ {
		fmt.Fprintf(&text, "key%d: x\n", i)
	}
	for b.Loop() {
		_, problems := recipe.Parse("recipe.yaml", text.Bytes(), options())
		diag.Print(&bytes.Buffer{}, problems, diag.Sources{"recipe.yaml": text.Bytes()}, false)
	}
}
