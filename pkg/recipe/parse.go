package recipe

import (
	"fmt"
	"io/fs"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Options are what a recipe may refer to outside of its own files. The zero
// value knows nothing.
type Options struct {
	// Lookup returns the value of an environment variable, as os.LookupEnv
	// does. Variables are expanded as ${NAME}, in base.image, in publish.to and
	// in the values of labels alone; "$${" stands for "${" there. Nil means
	// that none is set.
	Lookup func(name string) (string, bool)
	// Unpublished says that the image is not published now: a variable of
	// publish.to that is not set is a warning then, and stands for its own name
	// in lower case. GitHub sets GITHUB_REPOSITORY_OWNER, and nobody at home does.
	Unpublished bool
	// Bundles are the recipes that "include" knows by name: "kde" is the file
	// "kde.yaml". Nil means that there are none.
	Bundles fs.FS
	// Display is the path of the folder that Load reads, in the terms of the
	// person who reads the problems; it is put before the names of files in
	// positions, and does nothing else. "" is for none.
	Display string
	// Inspect adds what its caller alone knows to be wrong with a recipe. It gets
	// every recipe as far as it could be read, and keeps none. Nil adds nothing.
	Inspect func(*Recipe) diag.List
}

func (o Options) inspect(r *Recipe) diag.List {
	if o.Inspect == nil {
		return nil
	}
	return o.Inspect(r)
}

// Parse reads one recipe from memory. Nothing else is read: "include" is not
// followed, and files that the recipe names need not exist. file is the name
// for positions; paths in the recipe are taken to be relative to ".".
//
// The recipe is nil when the list holds an error. The list is sorted, and may
// hold warnings beside a recipe.
func Parse(file string, src []byte, o Options) (*Recipe, diag.List) {
	var problems diag.List
	s := &source{name: file, dir: ".", text: src}
	v, uses := s.parse(o, false, &problems)
	r := bind(file, nil)
	if v != nil {
		r = layers{{v: v}}.bind(file)
	}
	problems = append(problems, r.disagreements(nil, problems)...)
	problems = append(problems, leaks(uses, r.Secrets)...)
	problems = append(problems, o.inspect(r)...)
	return finish(r, problems)
}

// parse returns what the file says, nil where it says nothing that can be
// read.
func (s *source) parse(o Options, included bool, problems *diag.List) (*value, []variableUse) {
	root := s.compose(problems)
	if root == nil {
		return nil, nil
	}
	w := &walker{src: s, lookup: o.Lookup, unpublished: o.Unpublished, included: included, problems: problems}
	v := w.walk(language, root, place{pos: s.of(root)})
	if w.unreported.IsValid() {
		problems.Add(diag.Diagnostic{
			Pos: w.unreported, Severity: diag.Note, Code: "more-problems",
			Message: fmt.Sprintf("there are more than %d problems; these are not all", maxProblems),
			Hint:    "is this file a recipe?",
		})
	}
	return v, w.variables
}

// bind makes the recipe of its values; of those that had problems it has
// nothing. A nil v is an empty recipe.
func bind(file string, v *value) *Recipe {
	r := &Recipe{File: file, Dir: "."}
	if v != nil {
		recipeRecord.bind(r, v)
	}
	return r
}

// finish keeps a recipe with errors from being used.
func finish(r *Recipe, problems diag.List) (*Recipe, diag.List) {
	problems.Sort()
	if problems.HasErrors() {
		return nil, problems
	}
	return r, problems
}
