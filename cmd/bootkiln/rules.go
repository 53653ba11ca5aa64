package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func ruleIDs() []string {
	var ids []string
	for _, r := range check.Rules() {
		ids = append(ids, r.ID)
	}
	return ids
}

// usableRules makes rules of the command line that do not exist a usage error,
// before anything is done.
func usableRules(o check.Options) error {
	ids := ruleIDs()
	var unknown, hints []string
	for _, id := range slices.Concat(o.Skip, o.Warn, o.Error) {
		if slices.Contains(ids, id) {
			continue
		}
		unknown = append(unknown, fmt.Sprintf("there is no rule %q", id))
		if hint := nearRule(id, ids); !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return hinted(&usageError{errors.New(strings.Join(unknown, ", "))}, strings.Join(hints, "\n"))
}

// required reports whether what is published must pass the rule.
func required(id string) bool {
	return slices.ContainsFunc(check.Rules(), func(r check.Rule) bool { return r.ID == id && r.Required })
}

// rulesOf are the recipe's own words on the rules, and on where its image will
// be; unknown rules are problems of the recipe, and so are exceptions from those
// that no published image may fail.
func rulesOf(r *recipe.Recipe) (check.Options, diag.List) {
	var o check.Options
	var problems diag.List
	ids := ruleIDs()
	take := func(list *[]string, words []recipe.String, path string, mayBeRequired bool) {
		for _, w := range words {
			if !slices.Contains(ids, w.Value) {
				problems.Add(diag.Diagnostic{
					Pos: w.Pos, Path: path, Code: "unknown-rule", Message: fmt.Sprintf("there is no rule %q", w.Value),
					Hint: nearRule(w.Value, ids),
				})
			}
			if required(w.Value) && !mayBeRequired {
				problems.Add(diag.Diagnostic{
					Pos: w.Pos, Path: path, Code: "required-rule",
					Message: fmt.Sprintf("the rule %q holds for every image that is published", w.Value),
					Hint:    "mend the image instead: without this it does not start",
				})
			}
			*list = append(*list, w.Value)
		}
	}
	take(&o.Skip, r.Checks.Skip, "checks.skip", false)
	take(&o.Warn, r.Checks.Warn, "checks.warn", false)
	take(&o.Error, r.Checks.Error, "checks.error", true)
	for _, t := range r.Publish {
		if t.IsPlace() {
			continue // nobody updates from there
		}
		o.Repositories = append(o.Repositories, t.To.Value)
	}
	return o, problems
}

func nearRule(id string, known []string) string {
	if near := diag.Nearest(id, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "'bootkiln check --list' prints the rules"
}
