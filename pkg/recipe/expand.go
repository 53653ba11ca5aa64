package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// variableUse is one ${NAME} that was replaced.
type variableUse struct {
	name string
	place
}

// reference matches what stands for a variable: ${NAME}, or $${ for the two
// characters "${" themselves.
var variableReference = regexp.MustCompile(`\$\$\{|\$\{([^}]*)(\}?)`)

var validVariable = whole(variableName)

// lowerCased are the variables whose values are names that GitHub compares
// without regard to case, while registries demand lower case. An owner with
// capitals is why most first pushes from GitHub Actions fail.
var lowerCased = []string{"GITHUB_REPOSITORY_OWNER", "GITHUB_REPOSITORY"}

// expand replaces the variables of a value, and reports whether all of them
// have one.
func (w *walker) expand(v *value, at place) bool {
	fine := true
	v.text = variableReference.ReplaceAllStringFunc(v.text, func(match string) string {
		if match == "$${" {
			return "${"
		}
		groups := variableReference.FindStringSubmatch(match)
		name := groups[1]
		if groups[2] == "" || !validVariable.MatchString(name) {
			w.report(at, "invalid-value", quote(match)+" is not a variable",
				"write ${NAME}, or $${ for the characters ${ themselves")
			fine = false
			return match
		}
		var text string
		set := false
		if w.lookup != nil {
			text, set = w.lookup(name)
		}
		if text == "" {
			state := "is not set"
			if set {
				state = "is empty"
			}
			message := fmt.Sprintf("the environment variable %s %s", name, state)
			hint := fmt.Sprintf("set it, as in \"export %s=…\"", name)
			if w.unpublished && strings.HasPrefix(at.path, "publish[") {
				w.warn(at, "unset-variable", message+"; publishing needs it", hint)
				return strings.ToLower(strings.Trim(name, "_"))
			}
			w.report(at, "unset-variable", message, hint)
			fine = false
			return match
		}
		w.variables = append(w.variables, variableUse{name, at})
		if slices.Contains(lowerCased, name) {
			text = strings.ToLower(text)
		}
		return text
	})
	return fine
}

// leaks reports the variables that hold secrets and yet were written into the
// recipe's values, where everyone who has the image can read them.
func leaks(uses []variableUse, secrets []Secret) (problems diag.List) {
	for _, use := range uses {
		for _, s := range secrets {
			if s.Env.Value == use.name {
				problems.Add(diag.Diagnostic{
					Pos: use.pos, Path: use.path, Code: "conflict",
					Message: fmt.Sprintf("%s is a secret, and would be readable here", use.name),
					Hint:    fmt.Sprintf("it is declared as secret %q in line %d", s.ID.Value, s.Env.Pos.Line),
				})
			}
		}
	}
	return problems
}
