package scaffold

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

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
	// GitHub asks for a workflow too; nil for none. Its Recipe and its Variables
	// are those of the project.
	GitHub *Workflow
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

func (o Options) registry() string {
	return strings.TrimSuffix(cmp.Or(o.Registry, DefaultRegistry), "/")
}

// To is the repository that the project publishes to.
func (o Options) To() string { return o.registry() + "/" + o.Name }

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
	host, _, _ := strings.Cut(o.registry(), "/")
	return host
}

var variable = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)\}`)

// Variables are those that the registry is written with.
func (o Options) Variables() []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(o.registry(), -1) {
		names = append(names, match[1])
	}
	return names
}

// Scope is the repository as machines name it, with words in capitals for what
// only the environment of the one who publishes knows.
func (o Options) Scope() string {
	return strings.ReplaceAll(variable.ReplaceAllString(o.To(), "$1"), "GITHUB_REPOSITORY_OWNER", "OWNER")
}

// Step is a command to type, and what it does.
type Step struct{ Command, Does string }

// Steps are the first commands in a new project.
func (o Options) Steps() []Step {
	steps := []Step{
		{"bootkiln validate " + RecipeFile, "the recipe alone: no root, no network"},
		{o.Sudo() + " bootkiln build " + RecipeFile, "into the store that podman and bootc use"},
	}
	if o.GitHub != nil {
		return append(steps, Step{"git push", "the workflow builds, checks, signs and pushes"})
	}
	return append(steps, Step{o.Sudo() + " bootkiln publish " + RecipeFile, "build, check, sign and push"})
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
