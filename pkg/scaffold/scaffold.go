// Package scaffold turns a template and a name into the files of a new project,
// and a recipe into the workflow that builds and publishes it in GitHub Actions.
//
// It only says what the files hold. Writing them, and making the keys, is the
// command's.
package scaffold

import (
	"bytes"
	"embed"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// What a template and a project are called by.
const (
	// RecipeFile is the recipe of a project.
	RecipeFile = "recipe.yaml"
	// SchemaFile is the schema beside it, which its first line names.
	SchemaFile = "recipe.schema.json"
	// WorkflowFile is where GitHub looks for the workflow.
	WorkflowFile = ".github/workflows/image.yml"
	// KeyPrefix is what the key pair is called, before .key and .pub.
	KeyPrefix = "cosign"
	// DefaultRegistry is where a project publishes to unless told otherwise.
	// GitHub sets the variable in every workflow.
	DefaultRegistry = "ghcr.io/${GITHUB_REPOSITORY_OWNER}"
)

// Template is a kind of project to begin with.
type Template struct {
	Name string
	// Summary is what its image is, in one line.
	Summary string
}

// templates are in the order in which they are offered.
var templates = []Template{
	{"centos-kde", "CentOS Stream 10 with KDE Plasma, Wine and Korean input"},
	{"fedora-kde", "Fedora with KDE Plasma, Wine and Korean input"},
	{"rhel", "Red Hat Enterprise Linux 10, a server with a web console"},
	{"debian-minimal", "a small Debian server, on a base of your own"},
}

// Templates returns all templates, in the order in which to offer them.
func Templates() []Template { return slices.Clone(templates) }

// File is one file of a project.
type File struct {
	// Name is its path in the project, with slashes.
	Name    string
	Content []byte
}

//go:embed templates
var embedded embed.FS

// Files returns the files of a new project, sorted by name, without the keys.
// What is wrong with the options is an [*OptionError].
func Files(o Options) ([]File, error) {
	if !slices.ContainsFunc(templates, func(t Template) bool { return t.Name == o.Template }) {
		return nil, unknownTemplate(o.Template)
	}
	files := []File{{Name: SchemaFile, Content: recipe.Schema()}}
	made, err := folder(path.Join("templates", o.Template), o)
	if err != nil {
		return nil, err
	}
	files = append(files, made...)
	at := slices.IndexFunc(files, func(f File) bool { return f.Name == RecipeFile })
	r, problems := recipe.Parse(RecipeFile, files[at].Content, recipe.Options{Unpublished: true})
	if r == nil {
		return nil, o.blame(problems)
	}
	var w Workflow
	if o.GitHub != nil {
		w = *o.GitHub
		w.Recipe, w.Variables = RecipeFile, o.Variables()
		text, problems := GitHub(r, w)
		if problems.HasErrors() {
			return nil, &OptionError{Option: "ci", Why: problems[0].Message, Hint: problems[0].Hint}
		}
		files = append(files, File{Name: WorkflowFile, Content: text})
	}
	needs, _ := newPage(r, w) // what is wrong with it was told where it is used
	if made, err = folder("templates/project", document{o, needs}); err != nil {
		return nil, err
	}
	files = append(files, made...)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// document is what the documents of a project are filled in from.
type document struct {
	Options
	// Needs is what a workflow for the recipe is made of, also where there is
	// none: who builds by hand needs the same logins.
	Needs *page
}

// Entitled reports whether the base is Red Hat's, for subscribers alone.
func (d document) Entitled() bool {
	return slices.ContainsFunc(d.Needs.Logins, func(l login) bool { return l.Host == redHat })
}

// Key is the environment variable that a workflow has the private key in.
func (d document) Key() string { return strings.TrimPrefix(d.SignKey(), "env://") }

// renamed are the files that have another name in a project than among the
// templates, where a dot would hide them.
var renamed = map[string]string{"gitignore": ".gitignore"}

// folder returns what is below a folder of the templates. Recipes and documents
// are filled in from data; all else is as it is.
func folder(dir string, data any) ([]File, error) {
	var files []File
	err := fs.WalkDir(embedded, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		f := File{Name: strings.TrimPrefix(name, dir+"/"), Content: text}
		if to, ok := renamed[f.Name]; ok {
			f.Name = to
		}
		if ext := path.Ext(name); ext == ".yaml" || ext == ".md" {
			f.Content, err = fill(name, data)
		}
		files = append(files, f)
		return err
	})
	return files, err
}

// fill executes a template. What it fills in stands between "<%" and "%>",
// because recipes and workflows have braces of their own.
func fill(name string, data any) ([]byte, error) {
	t, err := template.New(path.Base(name)).Delims("<%", "%>").Funcs(template.FuncMap{
		"yaml": scalar, "action": action,
	}).ParseFS(embedded, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// plain are the scalars that mean themselves in YAML without quotes; numbers
// and the words for true, false and null do not.
var (
	plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*[-._/:$][A-Za-z0-9._/:${}-]*[A-Za-z0-9}]$|^[A-Za-z][A-Za-z0-9]+$`)
	words = regexp.MustCompile(`^(?i:true|false|null|yes|no|on|off)$`)
)

// scalar writes text as a YAML scalar, in quotes where it has to be, so that no
// option can add a word to a recipe.
func scalar(text string) string {
	if plain.MatchString(text) && !words.MatchString(text) {
		return text
	}
	return strconv.QuoteToASCII(text)
}
