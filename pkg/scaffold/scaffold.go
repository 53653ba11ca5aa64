// Package scaffold turns a template and a name into the files of a new project,
// and a recipe into the workflow that builds and publishes it in GitHub Actions.
//
// It only says what the files hold. Writing them, and making the keys, is the
// command's.
package scaffold

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/bootkiln/bootkiln/pkg/diag"
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

// Options say what a new project is to be. The zero value of each field but
// Template and Name is what fits most.
type Options struct {
	// Template is the name of one of [Templates].
	Template string
	// Name is the image's.
	Name string
	// Registry is where the image goes: a registry and, for most, an owner, in
	// which ${NAME} stands for an environment variable. "" is [DefaultRegistry].
	Registry string
	// Keys says that a key pair is made beside the files.
	Keys bool
	// GitHub asks for a workflow too; nil for none. Its Recipe is that of the
	// project.
	GitHub *Workflow
}

// File is one file of a project.
type File struct {
	// Name is its path in the project, with slashes.
	Name    string
	Content []byte
	// Mode is its permissions.
	Mode fs.FileMode
}

// OptionError is an option that no project can be made with.
type OptionError struct {
	// Option is what the command calls it: "template", "name", "registry", "ci".
	Option string
	// Why is what is wrong with its value, and Hint how to mend it.
	Why, Hint string
}

// Error names the option and the cause; the hint is apart.
func (e *OptionError) Error() string { return e.Option + ": " + e.Why }

// MendHint returns the hint.
func (e *OptionError) MendHint() string { return e.Hint }

//go:embed templates
var embedded embed.FS

// Files returns the files of a new project, sorted by name, without the keys.
// What is wrong with the options is an [*OptionError].
func Files(o Options) ([]File, error) {
	if !slices.ContainsFunc(templates, func(t Template) bool { return t.Name == o.Template }) {
		return nil, unknownTemplate(o.Template)
	}
	if o.Registry == "" {
		o.Registry = DefaultRegistry
	}
	o.Registry = strings.TrimSuffix(o.Registry, "/")
	files := []File{{Name: SchemaFile, Content: recipe.Schema(), Mode: 0o644}}
	for _, dir := range []string{"templates/project", path.Join("templates", o.Template)} {
		made, err := o.folder(dir)
		if err != nil {
			return nil, err
		}
		files = append(files, made...)
	}
	at := slices.IndexFunc(files, func(f File) bool { return f.Name == RecipeFile })
	r, problems := recipe.Parse(RecipeFile, files[at].Content, recipe.Options{Unpublished: true})
	if r == nil {
		return nil, o.blame(problems)
	}
	if o.GitHub != nil {
		w := *o.GitHub
		w.Recipe = RecipeFile
		text, problems := GitHub(r, w)
		if problems.HasErrors() {
			return nil, &OptionError{Option: "ci", Why: problems[0].Message, Hint: problems[0].Hint}
		}
		files = append(files, File{Name: WorkflowFile, Content: text, Mode: 0o644})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func unknownTemplate(name string) error {
	e := &OptionError{Option: "template", Why: fmt.Sprintf("there is no template %q", name)}
	if name == "" {
		e.Why = "none is named, and every project begins with one"
	}
	var names []string
	for _, t := range templates {
		names = append(names, t.Name)
		e.Hint += fmt.Sprintf("\n  %-15s %s", t.Name, t.Summary)
	}
	e.Hint = "the templates are:" + e.Hint
	if near := diag.Nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q? ", near) + e.Hint
	}
	return e
}

// blame turns problems of the recipe that the options led to into that of an
// option: the templates themselves have none.
func (o Options) blame(problems diag.List) error {
	for _, d := range problems {
		switch {
		case d.Severity != diag.Error:
		case d.Path == "name":
			return &OptionError{Option: "name", Why: d.Message, Hint: d.Hint}
		case strings.HasPrefix(d.Path, "publish"):
			// The recipe has both in one word.
			return &OptionError{Option: "registry", Why: d.Message, Hint: strings.ReplaceAll(d.Hint, "/"+o.Name+`"`, `"`)}
		}
	}
	return problems.Err()
}

// renamed are the files that have another name in a project than among the
// templates, where a dot would hide them.
var renamed = map[string]string{"gitignore": ".gitignore"}

// folder returns what is below a folder of the templates. In recipes and
// documents the options are filled in; all else is as it is.
func (o Options) folder(dir string) ([]File, error) {
	var files []File
	err := fs.WalkDir(embedded, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		f := File{Name: strings.TrimPrefix(name, dir+"/"), Content: text, Mode: 0o644}
		if to, ok := renamed[f.Name]; ok {
			f.Name = to
		}
		switch path.Ext(name) {
		case ".yaml", ".md":
			f.Content, err = fill(name, o)
		case ".sh":
			f.Mode = 0o755
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

// To is the repository that the project publishes to.
func (o Options) To() string { return o.Registry + "/" + o.Name }

// Description is the summary of the template, as a sentence would begin.
func (o Options) Description() string {
	for _, t := range templates {
		if t.Name == o.Template {
			return strings.ToUpper(t.Summary[:1]) + t.Summary[1:]
		}
	}
	return ""
}

// SignKey is the key that the recipe signs with: a workflow has it as a secret,
// and nobody else has to.
func (o Options) SignKey() string {
	if o.GitHub != nil {
		return "env://COSIGN_PRIVATE_KEY"
	}
	return KeyPrefix + ".key"
}

// Branch is the branch that a workflow publishes.
func (o Options) Branch() string { return cmp.Or(o.GitHub.Branch, branchMain) }

// Host is the registry that the project publishes to.
func (o Options) Host() string {
	host, _, _ := strings.Cut(o.Registry, "/")
	return host
}

var variable = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)\}`)

// Variables are those that the registry is written with.
func (o Options) Variables() []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(o.Registry, -1) {
		names = append(names, match[1])
	}
	return names
}

// Pull is the image as machines name it, with words in capitals for what only
// the environment of the one who publishes knows.
func (o Options) Pull() string {
	return strings.ReplaceAll(variable.ReplaceAllString(o.To(), "$1"), "GITHUB_REPOSITORY_OWNER", "OWNER") + ":latest"
}

// Step is a command to type, and what it does.
type Step struct{ Command, Does string }

// Steps are the first commands in a new project.
func (o Options) Steps() []Step {
	steps := []Step{
		{"bootkiln validate " + RecipeFile, "the recipe alone: no root, no network"},
		{"sudo bootkiln build " + RecipeFile, "into the store that podman and bootc use"},
	}
	if o.GitHub != nil {
		return append(steps, Step{"git push", "the rest is GitHub's: see README.md"})
	}
	return append(steps, Step{o.Sudo() + " bootkiln publish " + RecipeFile, "build, sign, push: see README.md"})
}

// Sudo is how to become root for a login and for what uses it: where logins are
// kept depends on the environment, so both have to have the same one.
func (o Options) Sudo() string {
	if len(o.Variables()) > 0 {
		return "sudo -E"
	}
	return "sudo"
}

// NameFor returns the name of an image for a folder of that name, "" where
// nothing is left of it: names are in lower case, of letters, digits and single
// separators.
func NameFor(folder string) string {
	name := regexp.MustCompile(`[^a-z0-9._-]+`).ReplaceAllString(strings.ToLower(folder), "-")
	name = regexp.MustCompile(`[._-]*[._][._-]*`).ReplaceAllStringFunc(name, func(s string) string { return s[:1] })
	return strings.Trim(name, "._-")
}
